"""Message content between DATA and its end: find the end in chunks, undo and redo dot-stuffing, refuse smuggling.

Bytes in, bytes out; no socket. Everything is done on whole chunks by the C routines of `bytes`: a loop over the
67,000 lines of a 5 MiB message costs a hundred times as much.

Standards: RFC 5321, 4.5.2 (transparency), 2.3.8 (lines end with CRLF, CR and LF stand nowhere else), 4.5.3.1.7
(content length). Only CRLF.CRLF ends a message; content with a bare CR, bare LF or NUL is `unclean`, since the next
hop may take it for the end of the message and what follows for commands (SMTP smuggling).

Content above a threshold goes to a `Store` of the caller's as it comes (a file), and is in memory as one piece only
from `message` on. Small content is held as chunks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import IncrementalNewlineDecoder
from typing import Protocol

_END = b"\r\n.\r\n"
_DOT = b"\r\n."
_TAIL = len(_END) - 1
_WINDOW = 16 * 1024
_MANY = 1024 * 1024
_MAX_HEADER = 262_144
_RECEIVED = re.compile(rb"\nreceived[ \t]*:", re.IGNORECASE)
DATA_END = b".\r\n"
"""Follows the stuffed content, which ends with CRLF."""


class Store(Protocol):
    """Where big content waits. Methods raise OSError."""

    def add(self, chunks: Sequence[bytes]) -> None: ...

    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Content:
    """Collects what a client sends after 354, until CRLF.CRLF.

    `limit` is in octets of content; beyond it content is counted and thrown away, `too_large` becomes true.
    `received` counts all octets fed, so that the caller can end a client that never stops; `ended` is true once the
    end was found. Beyond `in_memory` octets a `store` is made; where that fails, `failed` becomes true, and what comes
    is thrown away. Call `close` at the end.
    """

    __slots__ = (
        "_chunks",
        "_dotted",
        "_in_memory",
        "_make_store",
        "_store",
        "_tail",
        "ended",
        "failed",
        "limit",
        "received",
        "too_large",
    )

    def __init__(self, limit: int, *, in_memory: int = 0, store: Callable[[], Store] | None = None) -> None:
        self.limit = limit
        self.failed = False
        self._in_memory = in_memory
        self._make_store = store
        self._store: Store | None = None
        self.received = 0
        self.too_large = False
        self.ended = False
        self._chunks: list[bytes] = []
        self._tail = b"\r\n"  # the line before the first one ended: a first line "." ends an empty message
        self._dotted = False  # some line begins with a dot that must go

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next octets; None while the end has not come, else the octets that follow the message."""
        tail = self._tail
        end = self._scan(tail + chunk[:_TAIL]) - len(tail)
        if end < 0:
            end = self._scan(chunk) if b"." in chunk else 0  # most chunks of an attachment have no dot at all
        if end <= 0:
            self._keep(chunk)
            self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (tail + chunk)[-_TAIL:]
            return None
        self._keep(chunk[:end])
        self.ended = True
        return chunk[end:]

    def _scan(self, octets: bytes) -> int:
        """The offset behind CRLF.CRLF, or 0. One search serves for it and for stuffed dots, until there is one."""
        if not self._dotted:
            at = _dotted(octets, 0, len(octets))
            if at < 0 or at + len(_END) > len(octets):
                return 0  # what is cut off here is seen again with the beginning of the next chunk
            if octets.startswith(_END, at):
                return at + len(_END)
            self._dotted = True
        return octets.find(_END) + len(_END) if _END in octets else 0

    def _keep(self, chunk: bytes) -> None:
        self.received += len(chunk)
        if self.received > self.limit + len(DATA_END):
            self.too_large = True
            self.close()
        elif not self.failed:
            self._chunks.append(chunk)
            if self._make_store is not None and self.received > self._in_memory:
                self._spool(self._make_store)

    def _spool(self, make_store: Callable[[], Store]) -> None:
        try:
            if self._store is None:
                self._store = make_store()
            self._store.add(self._chunks)
        except OSError:
            self.failed = True
            self.close()
        self._chunks.clear()

    @property
    def spooled(self) -> int:
        """Octets that wait in the store; 0 where the content is in memory."""
        return self.received if self._store is not None else 0

    def close(self) -> None:
        """Throw away what is there."""
        self._chunks.clear()
        if self._store is not None:
            self._store.close()
            self._store = None

    def message(self) -> bytes:
        """The content as the sender wrote it, dots taken away; ends with CRLF, or is empty. Gives it away: once.

        Raises OSError where the store does not give it back.
        """
        if self._store is not None:
            try:
                message = self._store.read(self.received - len(DATA_END))
            finally:
                self.close()
            return _unstuffed(message) if self._dotted else message
        excess = len(DATA_END)
        while excess:
            last = self._chunks.pop()
            if len(last) > excess:
                self._chunks.append(last[:-excess])
            excess = max(0, excess - len(last))
        message = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        return _unstuffed(message) if self._dotted else message


def _unstuffed(content: bytes) -> bytes:
    """The first dot of each line goes."""
    return content[content.startswith(b".") :].replace(_DOT, b"\r\n")


def stuff(message: bytes) -> list[bytes | memoryview]:
    """The form on the wire in pieces, without the final `.` line: a dot before each line that begins with one; ends
    with CRLF. Where nothing is to be stuffed the pieces are views: a big message is not copied."""
    whole = memoryview(message)
    pieces: list[bytes | memoryview] = []
    at = done = 0
    while at < len(message):  # runs of whole lines
        cut = message.find(b"\r\n", at + _WINDOW)
        end = len(message) if cut < 0 else cut + 2
        if message.startswith(b".", at) or _dotted(message, max(0, at - 2), end) >= 0:
            run = message[at:end].replace(_DOT, b"\r\n..")
            pieces += [whole[done:at], b"." + run if run.startswith(b".") else run]
            done = end
        at = end
    pieces.append(whole[done:])
    if message and not message.endswith(b"\r\n"):
        pieces.append(b"\r\n")
    return [piece for piece in pieces if piece]


def _dotted(octets: bytes, start: int, end: int) -> int:
    """Where CRLF and a dot stand first, or -1. Windows without any dot are passed over at memchr's speed."""
    at = start
    while (at := octets.find(b".", at, end)) >= 0:
        until = min(end, at + _WINDOW)
        found = octets.find(_DOT, max(start, at - 2), until)
        if found >= 0:
            return found
        at = until
    return -1


def unclean(message: bytes) -> str:
    """What makes the content ambiguous between hops, in words for the reply; empty where it is clean.

    The newline decoder of the standard library notes in one pass which kinds of line ends it saw; counting CR, LF
    and CRLF instead takes four times as long.
    """
    if b"\0" in message:
        return "NUL in message content"
    decoder = IncrementalNewlineDecoder(None, translate=False)
    for at in range(0, len(message), _MANY):  # not a big message at once: the text is a copy
        decoder.decode(message[at : at + _MANY].decode("latin-1"), final=at + _MANY >= len(message))
    return "" if decoder.newlines in (None, "\r\n") else "bare CR or LF in message content"


def hops(message: bytes) -> int:
    """How many Received fields the message bears (RFC 5321, 6.3), as far as its first 256 KiB show."""
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    return len(_RECEIVED.findall(b"\n" + message[: end if end >= 0 else _MAX_HEADER]))
