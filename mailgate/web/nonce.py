"""The page nonce: ties a POST to a page that was looked at, lately, and to one attempt. Pure.

A nonce is signed text that names how many attempts the offer had when the page was shown (for the other answers: how
many of these); the coupon's fingerprint
goes into the signature as salt. So it is good for this coupon only, for a while, and until the next attempt begins:
a second press, a reloaded POST or a restored tab cannot begin another call, however fast the first one failed.
It is no secret and no permission: what a call needs beside it is a number, which no page holds.

Source: itsdangerous.palletsprojects.com (TimestampSigner; keys oldest first, the last one signs). Its serializers
would run zlib over one digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from typing import Any

from itsdangerous import BadData, SignatureExpired, TimestampSigner

from tokens import coupon
from tokens.keys import KeyRing


class Verdict(Enum):
    """What a nonce is worth."""

    GOOD = "good"
    MISSING = "missing"
    FORGED = "forged"
    STALE = "stale"  # ours, but too old, or from before the latest attempt


class _ClockSigner(TimestampSigner):
    """A TimestampSigner that is told the time."""

    def __init__(self, *arguments: Any, now: Callable[[], float], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now())


class Nonces:
    """Makes and checks page nonces with the keys of a ring; `now` gives UNIX seconds."""

    def __init__(self, ring: KeyRing, *, ttl_s: float, now: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._now = now
        self._secrets = [key.derive("page nonce") for key in ring.keys]

    def make(self, token: str, attempts: int | str) -> str:
        """The nonce of a page that is being shown; `token` is authentic."""
        return self.maker(token)(attempts)

    def maker(self, token: str) -> Callable[[int | str], str]:
        """`make` for one coupon, for a page with several nonces."""
        signer = self._signer(token)
        return lambda attempts: signer.sign(str(attempts)).decode()

    def check(self, text: str, token: str, attempts: int | str) -> Verdict:
        """What `text` is worth for this coupon, whose offer has had this many attempts."""
        if not text:
            return Verdict.MISSING
        try:
            seen = self._signer(token).unsign(text, max_age=int(self._ttl_s))
        except SignatureExpired:
            return Verdict.STALE
        except BadData:
            return Verdict.FORGED
        return Verdict.GOOD if seen == str(attempts).encode() else Verdict.STALE

    def _signer(self, token: str) -> _ClockSigner:
        return _ClockSigner(
            self._secrets,
            salt=coupon.fingerprint(token),
            digest_method=hashlib.sha256,
            key_derivation="hmac",
            now=self._now,
        )
