"""Both sides of a connection that the gateway opens show that they have the device's key, and neither sends it. Pure.

Gateway and device each make a nonce; what they show is HMAC-SHA-256 of role and both nonces under the key. The role
keeps one side's proof from being handed back to it; the nonces keep an old one from serving again.

Standard: RFC 2104. Known limit: it does not bind the rest of the connection, which is TLS's part.
"""

from __future__ import annotations

import hmac


def device_proof(key: str, gateway_nonce: str, device_nonce: str) -> str:
    """What the device shows."""
    return _proof(key, "device", gateway_nonce, device_nonce)


def gateway_proof(key: str, gateway_nonce: str, device_nonce: str) -> str:
    """What the gateway shows."""
    return _proof(key, "gateway", gateway_nonce, device_nonce)


def same(shown: str, wanted: str) -> bool:
    """Whether they are alike, without telling by the time it takes how far."""
    return hmac.compare_digest(shown.encode(), wanted.encode())


def _proof(key: str, role: str, gateway_nonce: str, device_nonce: str) -> str:
    source = f"mailgate listen 1\0{role}\0{gateway_nonce}\0{device_nonce}".encode()
    return hmac.digest(key.encode(), source, "sha256").hex()
