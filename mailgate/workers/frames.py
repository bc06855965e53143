"""What control process and workers say to one another, as octets: frames of JSON behind their length.

A frame is a big-endian length of 4 octets and a JSON list of messages, each `[number, name, argument]` to ask,
`[number, null, result]` to answer and `[number, false, text]` to say that it failed. Number 0 wants no answer. Pure.

Known limits: a frame has at most 16 MiB; what is longer is a fault of the program.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Message = list[Any]
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)  # json.dumps makes one for each call
LIMIT = 16 * 1024 * 1024
_HEAD = 4


class FrameError(Exception):
    """The other side does not speak this."""


def encode(messages: Sequence[Message]) -> bytes:
    """One frame."""
    body = _ENCODER.encode(messages).encode("utf-8", "surrogatepass")
    if len(body) > LIMIT:
        raise FrameError("a frame is too long")
    return len(body).to_bytes(_HEAD, "big") + body


class Reader:
    """Cuts a stream of octets into the messages of its frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises FrameError."""
        buffer = self._buffer + data if self._buffer else data
        found: list[Message] = []
        at = 0
        while len(buffer) - at >= _HEAD:
            length = int.from_bytes(buffer[at : at + _HEAD], "big")
            if length > LIMIT:
                raise FrameError("a frame is too long")
            end = at + _HEAD + length
            if len(buffer) < end:
                break
            try:
                messages = json.loads(buffer[at + _HEAD : end].decode("utf-8", "surrogatepass"))
            except ValueError as error:
                raise FrameError("a frame is no JSON") from error
            if not isinstance(messages, list) or not all(isinstance(m, list) and len(m) == 3 for m in messages):
                raise FrameError("a frame holds no messages")
            found += messages
            at = end
        self._buffer = buffer[at:]
        return found
