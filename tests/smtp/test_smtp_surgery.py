"""Heavy messages are worked on apart: the same comes out, and what is too costly is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from smtp_gateway import NUMBER, letter, links, running, send

from smtp_hooks import surgery
from smtp_hooks.mime import Addition, Icon, Site, Spliced, Unsuitable
from smtp_hooks.numbers import Redactor
from smtp_hooks.surgery import COSTLY, Apart, Here, worker

ADDITION = Addition(
    text="Call me\nhttps://call.example/a/x",
    html="<a href='x'>Call</a>",
    icon=Icon(content=b"png", filename="c.png", content_id="1@x"),
)
REDACTOR = Redactor((NUMBER,), "[hidden]")
BOTH = (
    b"From: a@b\r\nSubject: 01 99 00 12 34\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"Call 01 99 00 12 34, or write.\r\n" * 100 + b"--b\r\n"
    b"Content-Type: text/html\r\n\r\n<p>Call <b>+33</b> 1 99 00 12 34</p>\r\n--b--\r\n"
)
SIGNED = BOTH.replace(b"multipart/alternative", b"multipart/signed")
ENDLESS = (
    b"From: Ada <ada@example.org>\r\nTo: ben@example.net\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <2@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"01 99 00 12 34\r\n" * 240_000 + b"--b\r\n"
    b"Content-Type: text/html\r\n\r\n" + b"&#48;1 99 00 12 34<br>\r\n" * 160_000 + b"--b--\r\n"
)
"""Just below what is too big, and more than a second's work."""


@pytest_asyncio.fixture
async def apart() -> AsyncIterator[Apart]:
    """Everything is heavy to it."""
    apart = Apart(heavy=0)
    yield apart
    await apart.close()


@pytest.mark.parametrize("message", [BOTH, SIGNED, b"", b"\r\n"], ids=["both", "signed", "empty", "blank"])
async def test_the_same_comes_out(apart: Apart, message: bytes) -> None:
    here = Here()
    sites = [await way.locate(message) for way in (here, apart)]
    assert sites[0] == sites[1]
    exposed = [await way.exposed(message, REDACTOR) for way in (here, apart)]
    assert exposed[0] == exposed[1]
    if isinstance(sites[0], Site):
        results = [await way.splice(message, sites[0], ADDITION, REDACTOR, True) for way in (here, apart)]
        assert results[0] == results[1]
        assert isinstance(results[1], Spliced)
        assert (b"[hidden]" in results[1].message) is (message is BOTH)


async def test_what_is_too_costly_is_ended_and_the_next_one_served(apart: Apart) -> None:
    site = await apart.locate(ENDLESS)
    assert isinstance(site, Site)
    began = time.monotonic()
    assert await apart.splice(ENDLESS, site, ADDITION, REDACTOR, True) == COSTLY
    assert time.monotonic() - began < surgery._WALL_S
    assert await apart.exposed(ENDLESS, REDACTOR) in (("message",), ("part 1 text/plain", "part 2 text/html"))
    assert isinstance(await apart.locate(BOTH), Site)


async def test_a_message_that_nobody_waits_for_does_not_answer_the_next_question(apart: Apart) -> None:
    await apart.locate(BOTH)
    asked = asyncio.create_task(apart.exposed(ENDLESS, REDACTOR))
    await asyncio.sleep(0.1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert isinstance(await apart.locate(BOTH), Site)
    assert isinstance(await apart.locate(SIGNED), Unsuitable)


async def test_the_worker_ends_when_nothing_comes(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surgery, "_IDLE_S", 0.05)
    await apart.locate(BOTH)
    process = apart._worker
    assert process is not None
    await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 0
    assert isinstance(await apart.locate(BOTH), Site)


async def test_the_worker_s_memory_is_limited(apart: Apart) -> None:
    await apart.locate(BOTH)
    assert apart._worker is not None
    limits = await asyncio.to_thread(Path(f"/proc/{apart._worker.pid}/limits").read_text)
    (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert line.split()[3] == str(worker.MEMORY)


@pytest.mark.parametrize(("hide", "code"), [("best-effort", 250), ("required", 550)])
async def test_through_the_gateway(tmp_path: Path, hide: str, code: int) -> None:
    """A big message gets its offer; one too costly passes as it is, or not at all where the number must be hidden."""
    async with running(tmp_path, account=("--hide", hide)) as (gateway, hop):
        big = letter(text="Call me, or write.\n" * 30_000)
        assert (await send(gateway, big, "ben@example.net"))[-1][0] == 250
        assert len(links(hop.taken[0])) == 1
        assert (await send(gateway, ENDLESS, "ben@example.net"))[-1][0] == code
        assert [taken.content for taken in hop.taken[1:]] == ([ENDLESS] if code == 250 else [])
        assert "too-costly" in gateway.log or code == 550
        assert gateway.run("offers", "--state", "open").stdout.count(" open ") == 1
