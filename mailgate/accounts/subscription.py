"""A device's subscription to its browser's push service: where a push goes, and what it is encrypted with. Pure.

Standards: Push API (W3C): endpoint, p256dh, auth; RFC 8291, 2 and 3.1: an uncompressed point of P-256, and 16 octets.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

_POINT_OCTETS = 65
_AUTH_OCTETS = 16
LONGEST_ENDPOINT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`p256dh` and `auth` are base64url without padding, as the browser gives them. Whoever has the three can push."""

    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)

    def text(self) -> str:
        """What `read` reads."""
        return json.dumps({"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": self.auth})


def read(text: str) -> Subscription:
    """What `Subscription.text` has written."""
    values = json.loads(text)
    return Subscription(endpoint=values["endpoint"], p256dh=values["p256dh"], auth=values["auth"])


def checked(endpoint: str, p256dh: str, auth: str) -> Subscription:
    """What a browser has sent. Raises ValueError that says what is wrong."""
    if not endpoint.startswith("https://") or len(endpoint) > LONGEST_ENDPOINT:
        raise ValueError("a push service's endpoint is an https URL")
    point, secret = _octets(p256dh, "p256dh"), _octets(auth, "auth")
    if len(point) != _POINT_OCTETS or point[0] != 4:
        raise ValueError("p256dh is no uncompressed point")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)  # a ValueError where it is not on the curve
    if len(secret) != _AUTH_OCTETS:
        raise ValueError("auth has not 16 octets")
    return Subscription(endpoint=endpoint, p256dh=p256dh.rstrip("="), auth=auth.rstrip("="))


def _octets(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{name} is not base64url") from None
