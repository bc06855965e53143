"""Message content between DATA and its end: find the end in chunks, undo and redo dot-stuffing, refuse smuggling.

Bytes in, bytes out; no socket. Everything is done on whole chunks by the C routines of `bytes`: a loop over the
67,000 lines of a 5 MiB message costs a hundred times as much.

Standards: RFC 5321, 4.5.2 (transparency), 2.3.8 (lines end with CRLF, CR and LF stand nowhere else), 4.5.3.1.7
(content length). Only CRLF.CRLF ends a message; content with a bare CR, bare LF or NUL is `unclean`, since the next
hop may take it for the end of the message and what follows for commands (SMTP smuggling).

Known limits: the content is held in memory, once as chunks and once joined.
"""

from __future__ import annotations

import re
from io import IncrementalNewlineDecoder

_END = b"\r\n.\r\n"
_DOT = b"\r\n."
_TAIL = len(_END) - 1
_WINDOW = 64 * 1024
_MAX_HEADER = 262_144
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
DATA_END = b".\r\n"
"""Follows the stuffed content, which ends with CRLF."""


class Content:
    """Collects what a client sends after 354, until CRLF.CRLF.

    `limit` is in octets of content; beyond it content is counted and thrown away, `too_large` becomes true.
    `received` counts all octets fed, so that the caller can end a client that never stops; `ended` is true once the
    end was found.
    """

    __slots__ = ("_chunks", "_dotted", "_tail", "ended", "limit", "received", "too_large")

    def __init__(self, limit: int) -> None:
        self.limit = limit
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
            at = octets.find(_DOT)
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
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def message(self) -> bytes:
        """The content as the sender wrote it, dots taken away; ends with CRLF, or is empty. Gives it away: once."""
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


def stuff(message: bytes) -> bytes:
    """The form on the wire, without the final `.` line: a dot before each line that begins with one; ends with CRLF."""
    if _has_dot_line(message):
        message = message.replace(_DOT, b"\r\n..")
    if message.startswith(b"."):
        message = b"." + message
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    return message


def _has_dot_line(message: bytes) -> bool:
    """Whether a line but the first begins with a dot. Windows without any dot are passed over at memchr's speed."""
    for start in range(0, len(message), _WINDOW):
        at = message.find(b".", start, start + _WINDOW)
        if at >= 0 and message.find(_DOT, max(0, at - 2), start + _WINDOW) >= 0:
            return True
    return False


def unclean(message: bytes) -> str:
    """What makes the content ambiguous between hops, in words for the reply; empty where it is clean.

    The newline decoder of the standard library notes in one pass which kinds of line ends it saw; counting CR, LF
    and CRLF instead takes four times as long.
    """
    if b"\0" in message:
        return "NUL in message content"
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(message.decode("latin-1"), final=True)
    return "" if decoder.newlines in (None, "\r\n") else "bare CR or LF in message content"


def hops(message: bytes) -> int:
    """How many Received fields the message bears (RFC 5321, 6.3), as far as its first 256 KiB show."""
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    return sum(1 for _ in _RECEIVED.finditer(message, 0, end if end >= 0 else _MAX_HEADER))
