"""What a scripted telephone is told to do with a call, and what it knows of one.

`Answer`, `Reject` and `Ring` are behaviours; a `Call` is one dialogue (RFC 3261, 12). See lab.phone.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
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


def credentials(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """An Authorization header by MD5 and qop=auth (RFC 2617, 3.2.2), which is what PJSIP asks for."""
    realm, nonce, opaque = (between(challenge, rf'{name}="([^"]*)') for name in ("realm", "nonce", "opaque"))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    cnonce = f"{random.getrandbits(32):x}"
    ours, theirs = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    response = md5(f"{ours}:{nonce}:00000001:{cnonce}:auth:{theirs}")
    return (
        f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}", opaque="{opaque}"'
    )


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
