"""Strange and hostile messages of an account, through the whole gateway: cheap, small, and nobody else waits.

Each: under 2 s of CPU and 64 MiB more memory, other sessions are answered within 250 ms meanwhile, and the message
is refused, or passes byte-identical, or with an offer and everything else as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from base64 import encodebytes
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from lab.gateway import Gateway
from smtp_gateway import Hop, links, running, send

MIB = 1024 * 1024
LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, Hop]]:
    async with running(tmp_path_factory.mktemp("strange")) as pair:
        await send(pair[0], headed(b"Content-Type: text/html\r\n\r\n<p>warm</p>\r\n"), "ben@example.net")
        yield pair


def headed(rest: bytes) -> bytes:
    head = (
        b"From: Ada <ada@example.org>\r\nTo: ben@example.net\r\nSubject: x\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    )
    return head + b"Message-ID: <s@x>\r\nMIME-Version: 1.0\r\n" + rest


def lines(text: bytes) -> bytes:
    """In lines of 900 octets."""
    return b"".join(text[n : n + 900] + b"\r\n" for n in range(0, len(text), 900))


def html(body: bytes) -> bytes:
    return headed(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + lines(body))


def nested(depth: int, kind: bytes = b"mixed") -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/%b; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, n, n) for n in range(depth)
    )
    closing = b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))
    return headed(opening + b"Content-Type: text/plain\r\n\r\nhello\r\n" + closing)


def parts(count: int, part: bytes = b"Content-Type: text/plain\r\n\r\nx\r\n") -> bytes:
    return headed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n" + part) * count + b"--b--\r\n")


def plain(body: bytes) -> bytes:
    return headed(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body)


def encoded(kind: bytes, body: bytes, subtype: bytes = b"html") -> bytes:
    head = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (subtype, kind)
    return headed(head + body)


def b64(text: bytes) -> bytes:
    return encodebytes(text).replace(b"\n", b"\r\n")


CASES: dict[str, Callable[[], bytes]] = {
    "nested 1,000": lambda: nested(1000),
    "nested alternative 20,000": lambda: nested(20_000, b"alternative"),
    "50,000 parts": lambda: parts(50_000),
    "50,000 empty parts": lambda: parts(50_000, b"\r\n"),
    "50,000 boundaries": lambda: parts(50_000, b""),
    "200,000 lines like boundaries": lambda: plain(b"--b\r\n" * 200_000),
    "500 kB of parameters": lambda: headed(
        b"Content-Type: text/plain;\r\n" + b" a=b;\r\n" * 70_000 + b" c=d\r\n\r\nx\r\n"
    ),
    "500 kB of RFC 2231 pieces": lambda: headed(
        b"Content-Type: multipart/mixed;\r\n"
        + b"".join(b" boundary*%d=b;\r\n" % n for n in range(25_000))
        + b" x=y\r\n\r\nx\r\n"
    ),
    "500 kB in one quoted string": lambda: headed(
        b'Content-Type: text/plain; x="' + lines(b'\\"' * 250_000) + b'"\r\n\r\nx\r\n'
    ),
    "one field of 1 MiB": lambda: headed(b"X-Long: " + b"a" * MIB + b"\r\n\r\nx\r\n"),
    "20,000 fields": lambda: headed(b"X-F: y\r\n" * 20_000 + b"\r\nx\r\n"),
    "subject of 5,000 encoded words": lambda: headed(
        b"Subject:" + b" =?utf-8?B?KzMzMTk5?=\r\n" * 5_000 + b"Content-Type: text/plain\r\n\r\nx\r\n"
    ),
    "400 kB of <!--": lambda: html(b"<!--" * 100_000),
    "400 kB of <![if": lambda: html(b"<![if " * 70_000),
    "100,000 <div>": lambda: html(b"<div>" * 100_000),
    "100,000 <table><tr><td>": lambda: html(b"<table><tr><td>" * 33_000),
    "400 kB of <": lambda: html(b"<" * 400_000),
    "400 kB of <a ": lambda: html(b"<a " * 130_000),
    "an attribute of 400 kB": lambda: html(b'<p title="' + b"x" * 400_000),
    "50,000 attributes": lambda: html(b"<p " + b"".join(b"a%d='b' " % n for n in range(50_000)) + b">x</p>"),
    "100,000 entities": lambda: html(b"&amp;&#43;&#x33;" * 30_000),
    "100,000 numbers": lambda: plain(b"+33 1 99 00 12 34\r\n" * 100_000),
    "1 MiB of digits": lambda: plain(lines(b"0199001234" * 100_000)),
    "1 MiB of digits in HTML": lambda: html(b"01 99 <b>00</b> 12 3" * 50_000),
    "1 MiB of blanks and digits": lambda: plain(lines(b"3 " * 500_000)),
    "200,000 quote signs": lambda: plain(b">" * 900 + b"\r\n" + b"> > > >\r\n" * 100_000),
    "50,000 'wrote:'": lambda: plain(b"On Mon, Ada <a@b> wrote:\r\n" * 50_000),
    "50,000 signatures": lambda: plain(b"-- \r\n" * 50_000),
    "1 MiB of quoted-printable": lambda: encoded(b"quoted-printable", lines(b"=3D=20=" * 150_000)),
    "broken base64": lambda: encoded(b"base64", lines(b"!a=b=" * 100_000)),
    "5 MiB of HTML in base64": lambda: encoded(b"base64", b64(b"<p>hello <b>you</b></p>\n" * 220_000)),
    "4 MiB of numbers": lambda: plain(b"+33 1 99 00 12 34\r\n" * 200_000),
    "4 MiB of numbers in HTML": lambda: html(b"<i>+33</i> 1 99 00 12 34 " * 160_000),
    "3 MiB of <div>": lambda: html(b"<div>" * 600_000),
    "30 attached lists of numbers": lambda: parts(
        30, b"Content-Type: text/csv; name=x\r\n\r\n" + b"+33 1 99 00 12 34\r\n" * 50_000
    ),
    "20 MiB of text": lambda: plain(b"All work and no play makes Jack a dull boy.\r\n" * 450_000),
    "20 MiB of HTML": lambda: html(b"<p>All work and no play</p>\n" * 750_000),
    "20 MiB on one line": lambda: plain(b"x" * 20 * MIB + b"\r\n"),
    "utf-7": lambda: headed(b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+AGEA" * 100_000 + b"\r\n"),
    "utf-16": lambda: headed(
        b"Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(b"<" * 700_000)
    ),
}


def cpu_s(pid: int) -> float:
    """User and system time of a process, of its children, and of those that have ended (proc(5))."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = path.read_text().rpartition(")")[2].split()
            if int(path.parent.name) == pid or int(fields[1]) == pid:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int, name: str) -> int:
    """Octets: VmHWM is the most that there was, RssAnon what there is."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


_OTHER_CLIENT = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    client.recv(1000)
    sys.stdin.close()
    worst = 0.0
    print("ready", flush=True)
    try:
        while True:
            asked = time.monotonic()
            client.sendall(b"NOOP\\r\\n")
            client.recv(1000)
            worst = max(worst, time.monotonic() - asked)
            time.sleep(0.005)
    except KeyboardInterrupt:
        print(worst)
"""


COSTLY = {"4 MiB of numbers", "4 MiB of numbers in HTML", "30 attached lists of numbers"}
"""Ended by RLIMIT_CPU in the worker, which counts whole seconds."""


def begin(pid: int) -> tuple[int, float]:
    """Forget the most so far; memory and CPU up to now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory(pid, "VmHWM"), cpu_s(pid)


class Others:
    """Another client that asks something every few milliseconds, in a process of its own; `worst_s` at the end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.worst_s = 0.0

    async def __aenter__(self) -> Others:
        pipe = asyncio.subprocess.PIPE
        words = (sys.executable, "-c", _OTHER_CLIENT, str(self.port))
        self.process = await asyncio.create_subprocess_exec(*words, stdout=pipe)
        assert self.process.stdout is not None
        await self.process.stdout.readline()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        told, _ = await self.process.communicate()
        self.worst_s = float(told)


@LOOP
@pytest.mark.parametrize("name", CASES)
async def test_strange(pair: tuple[Gateway, Hop], name: str) -> None:
    gateway, hop = pair
    message = CASES[name]()
    waited = []
    while not waited or (waited[-1] >= 0.25 and len(waited) < 4):  # a busy machine makes others wait now and then
        waited.append(await judged(gateway, hop, name, message))
    assert waited[-1] < 0.25


async def judged(gateway: Gateway, hop: Hop, name: str, message: bytes) -> float:
    """Send it, see what it cost; how long another client had to wait at the longest, in seconds."""
    hop.taken.clear()
    assert gateway.process is not None
    pid = gateway.process.pid
    memory_before, cpu_before = await asyncio.to_thread(begin, pid)
    async with Others(gateway.smtp_port) as others:
        code, text = (await send(gateway, message, "ben@example.net", options=f"SIZE={len(message)}"))[-1]
    cost = cpu_s(pid) - cpu_before
    grown = memory(pid, "VmHWM") - memory_before - 2 * len(message)
    print(f"\nFIGURES {name}: {code}: {cost:.2f} s, {grown / MIB:.0f} MiB, others {others.worst_s * 1000:.0f} ms")
    assert code in (250, 550, 552, 554), text
    if code == 250:
        (taken,) = hop.taken
        assert taken.content == message or len(links(taken)) == 1
    assert cost < 3 if name in COSTLY else cost < 2
    assert grown < 64 * MIB
    return others.worst_s
