"""Message content between DATA and its end: find the end in chunks, undo and redo dot-stuffing, refuse smuggling.

Bytes in, bytes out; no socket. Everything is done on whole chunks by the C routines of `bytes`: a loop over the
67,000 lines of a 5 MiB message costs a hundred times as much.

Standards: RFC 5321, 4.5.2 (transparency), 2.3.8 (lines end with CRLF, CR and LF stand nowhere else), 4.5.3.1.7
(content length). Only CRLF.CRLF ends a message; content with a bare CR, bare LF or NUL is `unclean`, since the next
hop may take it for the end of the message and what follows for commands (SMTP smuggling).

Known limits: the content is held in memory, once as chunks and once joined.
"""

from __future__ import annotations

from io import IncrementalNewlineDecoder

_END = b"\r\n.\r\n"
_TAIL = len(_END) - 1
DATA_END = b".\r\n"
"""Follows the stuffed content, which ends with CRLF."""


class Content:
    """Collects what a client sends after 354, until CRLF.CRLF.

    `limit` is in octets of content; beyond it content is counted and thrown away, `too_large` becomes true.
    `received` counts all octets fed, so that the caller can end a client that never stops.
    """

    __slots__ = ("_chunks", "_tail", "limit", "received", "too_large")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.received = 0
        self.too_large = False
        self._chunks: list[bytes] = []
        self._tail = b"\r\n"  # the line before the first one ended: a first line "." ends an empty message

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next octets; None while the end has not come, else the octets that follow the message."""
        tail = self._tail
        across = (tail + chunk[:_TAIL]).find(_END)
        if across >= 0:
            end = across + len(_END) - len(tail)
        else:
            at = chunk.find(_END)
            if at < 0:
                self._keep(chunk)
                self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (tail + chunk)[-_TAIL:]
                return None
            end = at + len(_END)
        self._keep(chunk[:end])
        return chunk[end:]

    def _keep(self, chunk: bytes) -> None:
        self.received += len(chunk)
        if self.received > self.limit + len(DATA_END):
            self.too_large = True
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def message(self) -> bytes:
        """The content as the sender wrote it, dots taken away; ends with CRLF, or is empty."""
        wire = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        return unstuff(wire)


def unstuff(wire: bytes) -> bytes:
    """Content from its form on the wire, the final `.` line included: the first dot of each line goes."""
    body = wire[: -len(DATA_END)]
    if body.startswith(b"."):
        body = body[1:]
    return body.replace(b"\r\n.", b"\r\n") if b"\r\n." in body else body


def stuff(message: bytes) -> bytes:
    """The form on the wire, without the final `.` line: a dot before each line that begins with one; ends with CRLF."""
    if b"\r\n." in message:
        message = message.replace(b"\r\n.", b"\r\n..")
    if message.startswith(b"."):
        message = b"." + message
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    return message


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
