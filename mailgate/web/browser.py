"""Which browser presses: a random text in a signed cookie, given with the first press and read with every look.

It tells browsers apart and nobody's identity: a forwarding policy asks whether this one took the offer up, or has shown
a code (mailgate.offers.forwarding). Looking at a page sets none. One is for all offers of this gateway; what the
store keeps of it differs for each offer.

Standards: RFC 6265bis (cookies). Source: itsdangerous.palletsprojects.com (Signer).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

from mailgate.web.settings import WebSettings

COOKIE = "mailgate_browser"
KEPT_S = 90 * 86400
"""As long as an offer may live: browsers keep a cookie 400 days at the most (RFC 6265bis, 5.5)."""
_LONGEST = 200
_TEXT = re.compile(r"[0-9a-f]{32}\Z")


class Browsers:
    """Reads and gives the cookie; `new` makes 32 hexadecimal digits that nobody can guess."""

    def __init__(self, settings: WebSettings, new: Callable[[], str]) -> None:
        self._path = f"{settings.base_path}/a"
        self._secure = settings.public_url.startswith("https:")
        self._new = new
        secrets = [key.derive("browser") for key in settings.keys.keys]
        self._signer = Signer(secrets, digest_method=hashlib.sha256, key_derivation="hmac")

    def of(self, request: Request) -> str:
        """The text of the request's cookie, "" where it has none of ours."""
        cookie = request.cookies.get(COOKIE, "")
        if not cookie or len(cookie) > _LONGEST:
            return ""
        try:
            text = self._signer.unsign(cookie).decode()
        except (BadSignature, UnicodeError):
            return ""
        return text if _TEXT.match(text) else ""

    def of_or_new(self, request: Request) -> str:
        return self.of(request) or self._new()

    def keep(self, answer: Response, text: str) -> Response:
        """The answer, with the cookie."""
        answer.set_cookie(
            COOKIE,
            self._signer.sign(text).decode(),
            max_age=KEPT_S,
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return answer
