"""What a milter says to an MTA: answers to packets."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHUNK = 65_535
"""Octets of body in one packet of an answer (MILTER_CHUNK_SIZE)."""


class IllegalAnswer(Exception):
    """The answer may not be given to that event."""


@dataclass(frozen=True, slots=True)
class Agree:
    """The answer to Negotiate. `macros` are asked for: stage (0 connect, 2 MAIL, 5 end of message) and names."""

    version: int
    actions: int
    steps: int
    macros: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Continue:
    pass


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the message, and ask this milter no more about it."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """The MTA's own 4yz reply."""


@dataclass(frozen=True, slots=True)
class ReplyWith:
    """This reply, 4yz or 5yz with its enhanced code, on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """The `index`th field of that name, from 1, gets this value; an empty one deletes it."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """A new field at that place in the whole header, from 0, the MTA's own Received counted."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """The whole new body, in as many packets as it needs."""

    body: bytes | memoryview


Answer = Agree | Continue | Accept | TryLater | ReplyWith | ChangeHeader | InsertHeader | ReplaceBody


def octets(answer: Answer) -> Iterable[bytes | memoryview]:
    """The answer in packets. Raises IllegalAnswer."""
    match answer:
        case Agree(version=version, actions=actions, steps=steps, macros=macros):
            asked = b"".join(struct.pack("!I", stage) + names.encode() + b"\0" for stage, names in macros)
            yield _packet(b"O", struct.pack("!III", version, actions, steps) + asked)
        case Continue():
            yield _packet(b"c")
        case Accept():
            yield _packet(b"a")
        case TryLater():
            yield _packet(b"t")
        case ReplyWith(text=text):
            yield _packet(b"y", _one_line(text) + b"\0")
        case ChangeHeader(index=index, name=name, value=value):
            yield _packet(b"m", struct.pack("!I", index) + name + b"\0" + value + b"\0")
        case InsertHeader(index=index, name=name, value=value):
            yield _packet(b"i", struct.pack("!I", index) + name + b"\0" + value + b"\0")
        case ReplaceBody(body=body):
            for start in range(0, max(1, len(body)), MAX_CHUNK):
                chunk = body[start : start + MAX_CHUNK]
                yield struct.pack("!Ic", len(chunk) + 1, b"b")
                yield chunk


def _packet(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + command + data


_REPLY = re.compile(r"[45][0-9]{2} [45]\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+\Z")


def _one_line(text: str) -> bytes:
    """A reply as the MTA takes it. A per cent sign would begin a format, and is taken out."""
    line = re.sub(r"[^ -~]|%", "?", text.replace("\n", " "))
    if not _REPLY.match(line):
        raise IllegalAnswer(f"{line!r} is no reply with an enhanced code")
    return line.encode()
