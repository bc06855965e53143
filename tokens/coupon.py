"""The coupon's text: mint, verify, fingerprint.

    token       = base64url( version ‖ id ‖ mac )            36 characters, no padding
    version     = 1 octet, 0x01
    id          = HMAC-SHA-256(key for ids, purpose ‖ 0 ‖ offer ‖ 0 ‖ generation), first 16 octets
    mac         = HMAC-SHA-256(key for macs of this purpose, version ‖ id), first 10 octets
    fingerprint = SHA-256(id)                                 the only thing that a store keeps

The text can be made again at any time from key, offer, purpose and generation, so the store need not keep it,
and a stolen store yields no working URL. The MAC turns garbage away before any store is asked. Nothing about the
offer can be read from the text; all policy stays with the server. A new generation is a new coupon of the same
offer, which makes earlier ones worthless (their fingerprint is no longer stored).

Standards: HMAC with truncation, RFC 2104, 5 (80 bits are the least it allows); base64url, RFC 4648, 5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from enum import Enum

from tokens.errors import Forged, Malformed
from tokens.keys import Key, KeyRing

VERSION = b"\x01"
ID_OCTETS = 16
MAC_OCTETS = 10
LENGTH = 36
"""Characters of a token: 27 octets in base64url."""

PATTERN = rf"[A-Za-z0-9_-]{{{LENGTH}}}"
"""A regular expression that a token's text fits (and other text of that length may)."""

_FORM = re.compile(PATTERN + r"\Z")


class Purpose(Enum):
    """What a token is good for; a token of one purpose is a forgery for any other."""

    ACCEPT = "accept"
    REVOKE = "revoke"


def mint(key: Key, *, offer_id: str, purpose: Purpose, generation: int = 0) -> str:
    """The token of that offer, purpose and generation: 36 characters. The same arguments give the same text."""
    source = b"\0".join((purpose.value.encode(), offer_id.encode(), str(generation).encode()))
    head = VERSION + hmac.digest(key.derive("token id"), source, "sha256")[:ID_OCTETS]
    return base64.urlsafe_b64encode(head + _mac(key, purpose, head)).decode("ascii")


def verify(ring: KeyRing, token: str, *, purpose: Purpose) -> bytes:
    """The token's fingerprint (32 octets), by which the offer is found.

    Raises Malformed or Forged; both say only that we never made this text for this purpose.
    """
    if not _FORM.match(token):
        raise Malformed("not a token")
    try:
        octets = base64.urlsafe_b64decode(token)
    except binascii.Error as error:
        raise Malformed("not a token") from error
    head, mac = octets[:-MAC_OCTETS], octets[-MAC_OCTETS:]
    if head[:1] != VERSION:
        raise Malformed("not a token of a known version")
    if not any(hmac.compare_digest(_mac(key, purpose, head), mac) for key in ring.newest_first()):
        raise Forged("made by none of our keys")
    return hashlib.sha256(head[1:]).digest()


def fingerprint(token: str) -> bytes:
    """What the store keeps of a token that was just minted: 32 octets."""
    return hashlib.sha256(base64.urlsafe_b64decode(token)[1 : 1 + ID_OCTETS]).digest()


def _mac(key: Key, purpose: Purpose, head: bytes) -> bytes:
    return hmac.digest(key.derive(f"token mac {purpose.value}"), head, "sha256")[:MAC_OCTETS]
