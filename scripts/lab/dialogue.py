"""What a scripted telephone is told to do with a call, and what it knows of one.

`Answer`, `Reject` and `Ring` are behaviours; a `Call` is one dialogue (RFC 3261, 12). See lab.phone.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from lab.audio import Rtp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Ring, answer, press keys, perhaps hang up; times in seconds, counted from the step before."""

    after: float = 0.05
    press: tuple[tuple[float, str], ...] = ()  # (seconds after the answer, keys)
    hang_up: float | None = None
    headers: tuple[str, ...] = ()  # put into 180 and 200
    early_media: bool = False  # 183 with a tone before the answer, as networks do


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    code: int = 486
    after: float = 0.05
    ring: bool = False
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Ring until the caller gives up."""

    headers: tuple[str, ...] = ()


Behaviour = Answer | Reject | Ring
Address = tuple[str, int]
Headers = dict[str, list[str]]

_COMPACT = {
    "i": "call-id",
    "f": "from",
    "t": "to",
    "v": "via",
    "m": "contact",
    "l": "content-length",
}  # RFC 3261, 7.3.3


def headers_of(message: str) -> Headers:
    found: Headers = {}
    for line in message.partition("\r\n\r\n")[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        found.setdefault(_COMPACT.get(name, name), []).append(value.strip())
    return found


def between(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group(1) if match else ""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One dialogue: `number` is the user part that was dialled."""

    call_id: str
    number: str
    invite: str
    headers: Headers
    peer: Address
    local: str
    remote: str
    target: str
    rtp: Rtp
    state: str = "new"
    invited_at: float = 0.0
    answered_at: float = 0.0
    reason: str = ""  # the Reason header of the other side's BYE or CANCEL (RFC 3326)
    sequence: int = 100
    up: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def caller_id(self) -> str:
        """What the telephone's display shows: the From header, as it came."""
        return self.headers["from"][0]
