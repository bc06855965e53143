"""Sealing of telephone numbers: what the store holds of them is of no use without the number key.

Sealed text: `key id ‖ 0x00 ‖ nonce (12) ‖ AES-256-GCM(text)`, the context (table and row) as associated data, so that
a sealed value moved to another row does not open. For look-up without opening: a keyed HMAC-SHA-256.

Standards: NIST SP 800-38D (GCM, 96-bit random nonces). Known limit: under one key 2^32 values may be sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailgate.errors import MailgateError
from tokens.keys import KeyRing

_NONCE_OCTETS = 12


class SealBroken(MailgateError):
    """A sealed value cannot be opened: wrong key, or changed, or moved to another row."""


class Sealer:
    """Seals with the newest key of its ring, opens with any."""

    def __init__(self, ring: KeyRing) -> None:
        self._newest = ring.newest.key_id.encode()
        self._ciphers = {key.key_id.encode(): AESGCM(key.derive("seal")) for key in ring.keys}
        # look-ups must find what was stored under an earlier key: the oldest key serves for digests for ever
        self._digest_key = ring.keys[0].derive("digest")

    def seal(self, text: str, context: str) -> bytes:
        nonce = os.urandom(_NONCE_OCTETS)
        sealed = self._ciphers[self._newest].encrypt(nonce, text.encode(), context.encode())
        return self._newest + b"\0" + nonce + sealed

    def open(self, sealed: bytes, context: str) -> str:
        """Raises SealBroken."""
        key_id, _, rest = sealed.partition(b"\0")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealBroken(f"sealed under key {key_id.decode(errors='replace')!r}, which is not in the ring")
        try:
            return cipher.decrypt(rest[:_NONCE_OCTETS], rest[_NONCE_OCTETS:], context.encode()).decode()
        except InvalidTag as error:
            raise SealBroken(f"the sealed value of {context} does not open") from error

    def digest(self, text: str) -> bytes:
        """32 octets that are the same for the same text, and tell nothing without the key."""
        return hmac.digest(self._digest_key, text.encode(), hashlib.sha256)
