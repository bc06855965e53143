"""The PIN of an offer, for who calls in by telephone: a few digits that can be made again from the key at any time.

    pin = the decimal digits of HMAC-SHA-256(key for PINs, offer ‖ 0 ‖ generation), as many as are wanted

A PIN is no token: six digits can be guessed, so whoever takes them counts wrong ones. The generation tells apart
offers whose digits would be alike. Pure.

Standards: the digits are drawn as RFC 4226, 5.3 draws them, but from the whole of the octets, so that none is favoured.
"""

from __future__ import annotations

import hashlib
import hmac

from tokens.keys import Key


def mint(key: Key, *, offer_id: str, generation: int, digits: int) -> str:
    """The PIN of that offer and generation; the same arguments give the same digits."""
    source = f"{offer_id}\0{generation}".encode()
    number = int.from_bytes(hmac.digest(key.derive("pin"), source, hashlib.sha256), "big")
    return f"{number % 10**digits:0{digits}d}"
