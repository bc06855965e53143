"""A browser's push service on loopback, and a browser that is subscribed to it: RFC 8291 and RFC 8292 read anew.

Chromium has its push service at its maker's, out of a test's reach: in the page `PushManager` is one of ours, whose
keys the test has. What the service is sent is decrypted here, by the words of the standard and not by the gateway's
library.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from lab.hooks import Got

_FAKE = """
(() => {
  const given = %s;
  const octets = (text) => Uint8Array.from(
    atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0)).buffer;
  const made = (key) => ({
    endpoint: given.endpoint,
    options: { applicationServerKey: octets(key) },
    getKey: (name) => octets(given[name]),
    unsubscribe: async () => { localStorage.removeItem("fake-push"); return true; },
  });
  PushManager.prototype.subscribe = async function (options) {
    if (!options.userVisibleOnly || Notification.permission !== "granted") throw new Error("not allowed");
    const key = btoa(String.fromCharCode(...options.applicationServerKey))
      .replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
    localStorage.setItem("fake-push", key);
    return made(key);
  };
  PushManager.prototype.getSubscription = async function () {
    const key = localStorage.getItem("fake-push");
    return key ? made(key) : null;
  };
})();
"""


def text_of(octets: bytes) -> str:
    """As base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Subscribed:
    """A browser's end of a subscription."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def point(self) -> bytes:
        return point_of(self.key.public_key())

    @property
    def fields(self) -> dict[str, str]:
        """What the browser tells the page."""
        return {"endpoint": self.endpoint, "p256dh": text_of(self.point), "auth": text_of(self.auth)}

    @property
    def script(self) -> str:
        """What makes a page's PushManager this one."""
        return _FAKE % json.dumps(self.fields)

    def read(self, got: Got) -> dict[str, Any]:
        """What was pushed, decrypted: RFC 8291, 3.4, on the one record of RFC 8188, 2."""
        assert got.headers["content-encoding"] == "aes128gcm"
        body = got.body
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size and len(body) <= 4096
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        secret = derived(self.auth, shared, b"WebPush: info\x00" + self.point + theirs, 32)
        content_key = derived(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = derived(salt, secret, b"Content-Encoding: nonce\x00", 12)
        opened = AESGCM(content_key).decrypt(nonce, sealed, None)
        text, last, padding = opened.rpartition(b"\x02")
        assert last and not padding.strip(b"\x00"), "the last record ends with 2, and zeroes behind it"
        told = json.loads(text)
        assert isinstance(told, dict)
        return told


def derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def signed_by(got: Got) -> tuple[dict[str, Any], str]:
    """The claims of the request's VAPID token, and the key that it is signed with: RFC 8292, 2 and 3."""
    scheme, _, rest = got.headers["authorization"].partition(" ")
    assert scheme == "vapid"
    values = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = values["t"].rpartition(".")
    head, _, claims = signed.partition(".")
    assert json.loads(octets_of(head)) == {"typ": "JWT", "alg": "ES256"}
    raw = octets_of(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets_of(values["k"]))
    numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
    told = json.loads(octets_of(claims))
    assert isinstance(told, dict)
    return told, values["k"]
