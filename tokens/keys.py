"""A ring of secret keys: the newest makes new tokens, all of them verify.

A key file holds one key a line, oldest first: `<key id> <64 hexadecimal digits>`; blank lines and lines that
begin with `#` are skipped. Each use derives a key of its own from the secret (HKDF-Expand, RFC 5869, 2.3, with
the use as `info`), so that no two uses can be played against one another.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from tokens.errors import KeyRingError

_LINE = re.compile(r"(?P<id>[a-z0-9-]{1,32})[ \t]+(?P<secret>[0-9a-f]{64})\Z")
SECRET_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One secret of 32 octets and its public name."""

    key_id: str
    secret: bytes

    def derive(self, use: str) -> bytes:
        """32 octets for one use: the first block of HKDF-Expand (RFC 5869, 2.3)."""
        return _derived(self.secret, use)

    def __repr__(self) -> str:
        return f"Key({self.key_id!r})"


@lru_cache(maxsize=256)  # the uses are few, and each message asks for the same
def _derived(secret: bytes, use: str) -> bytes:
    return hmac.digest(secret, use.encode() + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys from oldest to newest; never empty."""

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise KeyRingError("the key file holds no key")
        if len({key.key_id for key in self.keys}) != len(self.keys):
            raise KeyRingError("two keys have the same name")

    @property
    def newest(self) -> Key:
        return self.keys[-1]

    def find(self, key_id: str) -> Key:
        """The key of that name; raises KeyRingError where it has been taken out."""
        for key in self.keys:
            if key.key_id == key_id:
                return key
        raise KeyRingError(f"key {key_id!r} is no longer in the ring")

    def newest_first(self) -> Iterable[Key]:
        return reversed(self.keys)


def load(text: str) -> KeyRing:
    """Read a key file; raises KeyRingError naming the line, never showing its content."""
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line.strip())
        if match is None:
            raise KeyRingError(f"line {number} is not '<name> <64 hexadecimal digits>'")
        keys.append(Key(match["id"], bytes.fromhex(match["secret"])))
    return KeyRing(tuple(keys))


def dump(ring: KeyRing) -> str:
    """The text of a key file, newest key last."""
    return "".join(f"{key.key_id} {key.secret.hex()}\n" for key in ring.keys)


def added(ring: KeyRing | None, key_id: str, secret: bytes) -> KeyRing:
    """The ring with a new key, which signs from now on."""
    if len(secret) != SECRET_OCTETS:
        raise KeyRingError(f"a secret has {SECRET_OCTETS} octets")
    return KeyRing((*(ring.keys if ring else ()), Key(key_id, secret)))
