"""A next hop that takes every message and shows it to a function, or does as that function says: for tests and
benches, loopback only.

Written apart from mailgate's own server, so that neither hides the other's mistakes: content must reach it with CRLF
line ends only, dot-stuffed, after a complete dialogue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

_END = b"\r\n.\r\n"
_OFFERS = (b"PIPELINING", b"SIZE 0", b"8BITMIME", b"SMTPUTF8", b"DSN")
_CHUNKS = b"250-CHUNKING\r\n"
_EHLO = b"250-sink\r\n" + b"".join(b"250-%s\r\n" % offer for offer in _OFFERS) + b"250 ENHANCEDSTATUSCODES\r\n"


class Taken(NamedTuple):
    """A message as it came: `mail` and `rcpt` are the whole commands, `content` is unstuffed."""

    mail: str
    rcpt: tuple[str, ...]
    content: bytes


class Refusal(Exception):
    """Raised by a script: the reply to give instead of 250, without CRLF. Empty: the connection is cut."""


class Slow(Exception):
    """Raised by a script: the message is taken, which is said after so many seconds."""


class Sink(asyncio.Protocol):
    """One connection. `taken` is called for each message, `asked` for each MAIL and RCPT; a Refusal that they raise
    is answered, a ValueError becomes 554."""

    def __init__(
        self, taken: Callable[[Taken], None], asked: Callable[[str], None] = lambda _: None, *, chunking: bool = False
    ) -> None:
        self._taken = taken
        self._asked = asked
        self._buffer = b""
        self._chunks: list[bytes] | None = None
        self._chunking = chunking
        self._due = 0  # octets of a chunk that are still to come
        self._pieces: list[bytes] = []  # of it
        self._mail = ""
        self._rcpt: list[str] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._chunks is not None:
            self._chunks.append(data)
            last = data if len(data) >= len(_END) else b"".join(self._chunks[-5:])
            if not last.endswith(_END):  # nobody may pipeline behind the end of DATA (RFC 2920, 3.1)
                return
            content = b"".join(self._chunks)
            self._chunks = None
            self._transport.write(self._finish(content[2:-3].removeprefix(b".").replace(b"\r\n.", b"\r\n")))
            return
        if self._due or (self._chunking and (self._buffer + data[:5])[:5].upper() == b"BDAT "):
            self._chunk(data)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        self._transport.write(b"".join(map(self._answer, lines)))
        if self._in_data():
            rest, self._buffer = self._buffer, b""
            if rest:
                self.data_received(rest)

    def _chunk(self, data: bytes) -> None:
        """A message is one chunk here, `BDAT n LAST`."""
        assert self._transport is not None
        if not self._due:
            line, end, data = (self._buffer + data).partition(b"\r\n")
            if not end:
                self._buffer = line
                return
            assert line.upper().endswith(b" LAST"), line
            self._due, self._buffer = int(line.split()[1]), b""
        self._pieces.append(data[: self._due])
        self._due -= len(self._pieces[-1])
        if not self._due:  # nobody may pipeline behind the last chunk here
            content = b"".join(self._pieces)
            self._pieces.clear()
            self._transport.write(self._finish(content))

    def _in_data(self) -> bool:
        """Whether DATA has been answered by 354, and its end has not come."""
        return self._chunks is not None

    def _refuse(self, refusal: Refusal) -> bytes:
        assert self._transport is not None
        if not str(refusal):
            self._transport.abort()
            return b""
        return str(refusal).encode() + b"\r\n"

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb in (b"MAIL", b"RCPT"):
            try:
                self._asked(line.decode())
            except Refusal as refusal:
                return self._refuse(refusal)
        if verb == b"MAIL":
            self._mail, self._rcpt = line.decode(), []
        elif verb == b"RCPT":
            self._rcpt.append(line.decode())
        elif verb == b"DATA":
            self._chunks = [b"\r\n"]
            return b"354 go on\r\n"
        elif verb in (b"EHLO", b"HELO"):
            return _EHLO.replace(b"250 ", _CHUNKS + b"250 ", 1) if self._chunking else _EHLO
        elif verb == b"QUIT":
            assert self._transport is not None
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
            return b""
        elif verb not in (b"RSET", b"NOOP"):
            return b"500 5.5.1 what?\r\n"
        return b"250 2.0.0 ok\r\n"

    def _finish(self, content: bytes) -> bytes:
        try:
            self._taken(Taken(self._mail, tuple(self._rcpt), content))
        except Slow as slow:
            assert self._transport is not None
            asyncio.get_running_loop().call_later(slow.args[0], self._transport.write, b"250 2.0.0 taken at last\r\n")
            return b""
        except Refusal as refusal:
            return self._refuse(refusal)
        except ValueError as error:
            return b"554 5.6.0 %s\r\n" % str(error).encode()
        return b"250 2.0.0 taken\r\n"


async def start(
    taken: Callable[[Taken], None],
    host: str = "127.0.0.1",
    port: int = 0,
    asked: Callable[[str], None] = lambda _: None,
    *,
    chunking: bool = False,
) -> asyncio.Server:
    """Listen; the port is `server.sockets[0].getsockname()[1]`. `chunking`: offer CHUNKING, as Postfix does."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Sink(taken, asked, chunking=chunking), host, port, backlog=512)
