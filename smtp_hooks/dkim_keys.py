"""DKIM keys: made, loaded, and described for the DNS.

Standards: RFC 6376 (rsa-sha256), RFC 8301 (at least 1024 bits, 2048 advised), RFC 8463 (ed25519-sha256).
Keys are PEM, PKCS#8, without a password: the file's permissions protect them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

_DIGEST = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key to sign with, published at `selector._domainkey.domain`. Domain in lower case, as A-labels."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """The value of `a=`."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest. Ed25519 signs the digest as its message (RFC 8463, 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, padding.PKCS1v15(), _DIGEST)
        return self.private.sign(digest)


def load(domain: str, selector: str, pem: bytes) -> Key:
    """The key in a PEM text. Raises ValueError for what is no RSA key of 1024 bits or more, or Ed25519 key."""
    private = load_pem_private_key(pem, password=None)
    if isinstance(private, RSAPrivateKey) and private.key_size < 1024:
        raise ValueError("a DKIM key has at least 1024 bits (RFC 8301)")
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("a DKIM key is an RSA or Ed25519 key")
    return Key(domain=domain.lower().rstrip("."), selector=selector, private=private)


def generate(bits: int = 2048) -> bytes:
    """A new RSA key as PEM."""
    return _pem(generate_private_key(public_exponent=65537, key_size=bits))


def generate_ed25519() -> bytes:
    """A new Ed25519 key as PEM."""
    return _pem(Ed25519PrivateKey.generate())


def _pem(private: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dns_record(pem: bytes) -> str:
    """The text of the TXT record for this private key (RFC 6376, 3.6.1)."""
    key = load("example.org", "s", pem)
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        octets, name = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "rsa"
    else:
        octets, name = public.public_bytes(Encoding.Raw, PublicFormat.Raw), "ed25519"
    return f"v=DKIM1; k={name}; p={base64.b64encode(octets).decode()}"


def zone_line(domain: str, selector: str, pem: bytes) -> str:
    """The record as a line of a zone file; one string of a TXT record holds 255 octets (RFC 1035, 3.3)."""
    record = dns_record(pem)
    strings = " ".join(f'"{record[n : n + 255]}"' for n in range(0, len(record), 255))
    return f"{selector}._domainkey.{domain}. IN TXT ( {strings} )"
