"""The key by which the gateway names itself to push services (VAPID). Pure.

One pair of P-256; the private key is a PEM file, the public one stands in the page, and browsers bind subscriptions to
it: a gateway with another key must be subscribed to anew.

Standard: RFC 8292, 3.2 (the key as an uncompressed point, base64url).
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def generate() -> str:
    """A new private key, as PEM (PKCS #8)."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode("ascii")
    )


def load(pem: str) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError where it is no such key."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("is encrypted; a key without a passphrase is needed") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is no key of P-256 (prime256v1)")
    return key


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half, as browsers take it (applicationServerKey)."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode("ascii")
