"""The bench's load: messages, every one different, over kept sessions, in lockstep as smtp-source sends them.

Prints one JSON line: {"sent": messages accepted, "refused": others, "seconds": from the first MAIL to the last reply}.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import time
import zlib
from collections.abc import Iterator
from functools import partial
from typing import cast

import uvloop

_TEXT = 2048  # octets of text before an attachment


class Message:
    """A message of the wanted size; number and a line of its own make each one different.

    The shape `text` is one text/plain; `attachment` is a short text and one attachment that is the rest; `html` is one
    text/html, a newsletter of tables and paragraphs.
    """

    def __init__(self, size: int, shape: str = "text") -> None:
        octets = random.Random(size).randbytes(size)  # incompressible, the same in each run
        text = base64.b64encode(octets)[: size - 400]
        lines = [text[n : n + 76] for n in range(0, len(text), 76)]
        self._kind, opening, closing = b"text/plain; charset=us-ascii", b"", b""
        self._first = b""
        if shape == "attachment" and size > 4 * _TEXT:
            self._kind = b'multipart/mixed; boundary="=_bench"'
            self._first = b"--=_bench\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
            words = _TEXT // 76
            opening = b"\r\n".join(lines[:words]) + (
                b"\r\n--=_bench\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
                b'Content-Disposition: attachment; filename="a.bin"\r\n\r\n'
            )
            closing, lines = b"\r\n--=_bench--", lines[words:]
        if shape == "html":
            self._kind, self._first = b"text/html; charset=utf-8", b"<!DOCTYPE html><html><body>\r\n"
            lines, closing = _newsletter(size - 600), b"</body></html>"
        self._body = opening + b"\r\n".join(lines) + closing + b"\r\n"

    def parts(self, number: int) -> list[bytes]:
        """What goes over the wire after 354, the final dot included."""
        first = b"\r\n\r\n" + self._first + b"Hello Ben, this is message %d.\r\n" % number
        checksum = zlib.crc32(self._body, zlib.crc32(first))
        head = (
            b"From: Ada <ada@example.org>\r\nTo: Ben <ben@example.net>\r\nSubject: message %d\r\n"
            b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d@bench.example.org>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: %s\r\nX-Bench: %d %d"
        ) % (number, number, self._kind, number, checksum)
        return [head, first, self._body, b".\r\n"]


def _newsletter(size: int) -> list[bytes]:
    """Lines of HTML as mail programs write it: tables with inline styles, links, entities, images, paragraphs."""
    dice = random.Random(size)
    words = [
        "Grace",
        "Ada",
        "engine",
        "notes",
        "&amp;",
        "table",
        "of",
        "calls",
        "meeting",
        "on",
        "Thursday",
        "at",
        "noon",
        "see",
        "the",
        "page",
        "below",
        "for",
        "more",
    ]
    lines: list[bytes] = []
    length = 0
    while length < size:
        text = " ".join(dice.choices(words, k=9))
        block = (
            '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>\r\n'
            '<td style="padding:12px 24px;font-family:Arial,Helvetica,sans-serif;font-size:14px;color:#333333">\r\n'
            f'<p style="margin:0 0 12px 0">{text}</p>\r\n'
            f'<a href="https://news.example.org/item/{dice.randrange(10**6)}?utm_source=mail&amp;n=1">{text[:30]}</a>\r\n'
            '<img src="https://news.example.org/i.png" width="600" height="120" alt=""><br>\r\n</td></tr></table>'
        )
        lines.append(block.encode())
        length += len(block) + 2
    return lines


class Sender(asyncio.Protocol):
    """One session."""

    def __init__(
        self, numbers: list[int], message: Message, done: asyncio.Future[None], counts: dict[str, int], sender: str
    ) -> None:
        self._sender = sender.encode()
        self._numbers = numbers
        self._message = message
        self._done = done
        self._counts = counts
        self._reply = b""
        self._steps: Iterator[None] = iter(())
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        self._steps = self._script()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the session ended early"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
            if line[3:4] != b"-":
                self._reply = line
                next(self._steps, None)

    def _script(self) -> Iterator[None]:
        assert self._transport is not None
        write = self._transport.writelines
        write([b"EHLO load.example\r\n"])
        yield
        while self._numbers:
            number = self._numbers.pop()
            for command, code in (
                (b"MAIL FROM:<%s>\r\n" % self._sender, b"250"),
                (b"RCPT TO:<ben%d@example.net>\r\n" % number, b"250"),
                (b"DATA\r\n", b"354"),
            ):
                write([command])
                yield
                assert self._reply[:3] == code, self._reply
            write(self._message.parts(number))
            yield
            self._counts["sent" if self._reply[:3] == b"250" else "refused"] += 1
        if not self._done.done():
            self._done.set_result(None)
        self._transport.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--shape", choices=["text", "attachment", "html"], default="text")
    parser.add_argument("--sender", default="ada@example.org", help="the reverse-path")
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    loop = asyncio.get_running_loop()
    message = Message(options.size, options.shape)
    numbers = list(range(options.first, options.first + options.messages))
    counts = {"sent": 0, "refused": 0}
    ends = []
    start = time.monotonic()
    for _ in range(options.connections):
        end: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(partial(Sender, numbers, message, end, counts, options.sender), host, int(port))
        ends.append(end)
    await asyncio.gather(*ends)
    print(json.dumps({**counts, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    uvloop.run(main())
