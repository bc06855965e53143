"""The page that listens: offers and answers at once, for who is signed in at /my, for as long as it is open.

    GET /my/listen    the page; without a session → 303 to /my, where one signs in
    WS  /my/listen/socket    what it says and hears, see mailgate.web.socket

It lies below /my because the session's cookie does, which is sent nowhere else. The page holds words and forms to be
copied, and no offer: these come by the socket (mailgate.listen.protocol), and static/listen.js shows them. By which
telephone somebody is called is named by marks; no number stands in the page.

Standards: CSP Level 3 (WebSockets by name, since browsers before it do not count them to 'self').
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from mailgate.accounts.model import Account
from mailgate.listening import Listeners
from mailgate.offers.answer import Reason
from mailgate.offers.own import Own
from mailgate.web.guard import security_headers
from mailgate.web.language import asked
from mailgate.web.my import SESSION_COOKIE
from mailgate.web.pages import Pages
from mailgate.web.settings import WebSettings

_REASONS = tuple(reason.value for reason in Reason)
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "CrOS", "Linux")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Whose browser it is; `device_id` is empty where a session says so. `secret` is what the cookie holds."""

    account: Account
    device_id: str = ""
    secret: str = field(repr=False)


WhoIs = Callable[[Mapping[str, str]], SignedIn | None]
"""Who is signed in, by a request's cookies."""


def by_session(own: Own) -> WhoIs:
    """By the session of /my."""

    def who(cookies: Mapping[str, str]) -> SignedIn | None:
        session = cookies.get(SESSION_COOKIE, "")
        account = own.account(session)
        return None if account is None else SignedIn(account=account, secret=session)

    return who


class ListenPages:
    """The routes."""

    def __init__(self, settings: WebSettings, listeners: Listeners, pages: Pages, who: WhoIs) -> None:
        self._listeners = listeners
        self._pages = pages
        self._who = who
        self._home = f"{settings.base_path}/my"
        self._headers = listening_headers(settings)

    def routes(self) -> list[BaseRoute]:
        return [Route("/my/listen", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        here = self._who(request.cookies)
        if here is None:
            return RedirectResponse(self._home, status_code=303, headers={"Vary": "Cookie"})
        reader = self._pages.reader(asked(request.headers), here.account.language)
        page = self._pages.render(
            "listen.html",
            reader,
            {
                "home": self._home,
                "here": f"{self._home}/listen",
                "account": here.account,
                "channels": self._listeners.own_channels(here.account),
                "device": browser_name(request.headers.get("user-agent", "")),
                "talks": self._pages.talks,
                "later": self._pages.later,
                "reasons": _REASONS,
            },
        )
        return HTMLResponse(page, headers={"Vary": "Accept-Language, Cookie", **self._headers})


def listening_headers(settings: WebSettings) -> dict[str, str]:
    """What differs from other pages: the socket, by name."""
    policy = security_headers(settings.frame_ancestors)["Content-Security-Policy"]
    sockets = f"ws{settings.origin.removeprefix('http')}"
    return {"Content-Security-Policy": policy.replace("connect-src 'self'", f"connect-src 'self' {sockets}")}


def browser_name(user_agent: str) -> str:
    """What other devices of the account call this one: `Firefox, Linux`."""
    shown = user_agent[:400]
    browser = next((name for sign, name in _BROWSERS if sign in shown), "")
    system = next((name for name in _SYSTEMS if name in shown), "").replace("Mac OS X", "Mac")
    return ", ".join(filter(None, (browser, system))) or "browser"
