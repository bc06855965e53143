"""`mailgate serve` with two mail workers and a milter: both answer the MTA, and one that dies is missed by nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lab.gateway import Gateway
from milter_mta import DIALLED, Mta, applied, connect, envelope, message, negotiate

pytestmark = pytest.mark.usefixtures("hung_up")

LETTER = (
    b"From: Ada <ada@example.org>\r\nTo: Ben <ben@example.net>\r\nSubject: hello\r\n"
    b"Message-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello Ben.\r\n"
)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Gateway, Path]]:
    gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=1)
    path = folder / "m.sock"

    def start() -> None:
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", "+33199001234")
        gateway.configure("milter", listen=f"unix:{path}")
        gateway.configure("smtp", workers=2)
        gateway.start()

    await asyncio.to_thread(start)
    try:
        yield gateway, path
    finally:
        await asyncio.to_thread(gateway.stop)


async def said(path: Path, number: int) -> bytes:
    """What the milter makes of one message, in a connection of its own."""
    reader, writer = await asyncio.open_unix_connection(path)
    DIALLED.append(writer)
    mta = Mta(reader, writer)
    writer.write(negotiate())
    assert (await mta.read())[0] == b"O"
    writer.write(connect("127.0.0.1"))
    octets = LETTER % number
    writer.write(envelope("ada@example.org", "ben@example.net") + message(octets))
    changed = applied(octets, await mta.end())
    mta.close()
    return changed


async def test_both_workers_answer_and_a_dead_one_is_replaced(folder: Path) -> None:
    async with serving(folder) as (gateway, path):
        first, second = gateway.workers()
        changed = await asyncio.gather(*(said(path, number) for number in range(12)))
        assert all(b"/a/" in each for each in changed)
        os.kill(first, signal.SIGKILL)
        changed += await asyncio.gather(*(said(path, number) for number in range(12, 16)))
        assert all(b"/a/" in each for each in changed)
        deadline = time.monotonic() + 15
        while first in gateway.workers() or len(gateway.workers()) < 2:
            assert time.monotonic() < deadline, "the dead worker is not replaced"
            await asyncio.sleep(0.05)
        assert second in gateway.workers()
        stored = (await asyncio.to_thread(gateway.run, "offers", "--most", "100", "--state", "open")).stdout
        assert stored.count(" open ") == 16
    assert not path.exists()


async def test_a_socket_that_cannot_be_bound_is_named(folder: Path) -> None:
    (folder / "m.sock").write_text("a file of somebody's")
    with pytest.raises(Exception, match=r"milter\.listen: unix:.* cannot be listened on"):
        async with serving(folder):
            pass
    assert (folder / "m.sock").read_text() == "a file of somebody's"
