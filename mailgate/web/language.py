"""Which language a page speaks: the one chosen on it, kept in a cookie of the reader's browser; else Accept-Language.

    POST /language     language, to → the cookie, 303 back to the page `to`

The switch is a form, so that it works without scripts and no GET changes anything. The cookie names a language and
nothing else; no state of the server depends on it. `to` is a path of these pages: the answer leads nowhere else.

Standards: RFC 6265bis (cookies); RFC 9110, 12.5.4 (Accept-Language).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mailgate.web.request import TooLarge, read_form
from mailgate.web.settings import WebSettings
from mailgate.web.texts import Texts

COOKIE = "mailgate_language"
KEPT_S = 365 * 86400
_CHOSEN = re.compile(rf"(?:^|;\s*){COOKIE}=([a-z]{{2,3}})(?:;|$)")
_PATH = re.compile(r"/(?:a|my)(?:/[A-Za-z0-9_-]+){0,3}\Z")


def asked(headers: Headers) -> str:
    """The reader's languages as Accept-Language writes them: the one chosen on a page stands first."""
    wished = headers.get("accept-language", "")
    cookie = headers.get("cookie")
    chosen = _CHOSEN.search(cookie) if cookie else None
    return f"{chosen[1]},{wished}" if chosen else wished


class LanguageSwitch:
    """The route of the switch; `languages` are those that there are."""

    def __init__(self, settings: WebSettings, languages: Mapping[str, Texts]) -> None:
        self._base = settings.base_path
        self._secure = settings.public_url.startswith("https:")
        self._languages = frozenset(languages)

    def routes(self) -> list[Route]:
        return [Route("/language", self.choose, methods=["POST"])]

    async def choose(self, request: Request) -> Response:
        """A language that there is not changes nothing; a path that is not ours leads to /my."""
        try:
            fields = await read_form(request)
        except TooLarge:
            fields = {}
        to = fields.get("to", "")
        ours = to.startswith(self._base) and _PATH.match(to.removeprefix(self._base))
        answer = RedirectResponse(to if ours else f"{self._base}/my", status_code=303)
        language = fields.get("language", "")
        if language in self._languages:
            answer.set_cookie(
                COOKIE,
                language,
                max_age=KEPT_S,
                path=f"{self._base}/",
                secure=self._secure,
                httponly=True,
                samesite="lax",
            )
        return answer
