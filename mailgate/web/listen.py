"""The page that listens: offers and answers at once, for who is signed in at /my, for as long as it is open.

    GET    /my/listen         the page; who is not signed in → 303 to /my, where one does
    WS     /my/listen/socket  what it says and hears, see mailgate.web.socket
    POST   /my/listen/push    the browser's subscription → this device is woken when the page is closed (204)
    DELETE /my/listen/push    no more of that (204)
    …      manifest and service worker: see mailgate.web.installed

It lies below /my because the session's cookie does, which is sent nowhere else. The page holds words and forms to be
copied, and no offer: these come by the socket (mailgate.listen.protocol), and static/listen.js shows them. By which
telephone somebody is called is named by marks; no number stands in the page.

A device that is woken stays signed in here, and here only, by a cookie of its own (HttpOnly, SameSite=Lax), until it
wants no more, is removed by `mailgate account device`, or signs out at /my.

Answers to POST and DELETE: 403 for a form of somebody else's making, 401 where nobody is signed in, 422 for a
subscription that is not taken.

Standards: CSP Level 3 (WebSockets by name, since browsers before it do not count them to 'self').
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from mailgate.accounts import subscription
from mailgate.accounts.model import Account
from mailgate.listening import Listeners
from mailgate.offers.answer import Reason
from mailgate.offers.own import Own
from mailgate.offers.own_page import stands
from mailgate.pushing import Pushes, PushRefused
from mailgate.web.guard import security_headers
from mailgate.web.language import asked
from mailgate.web.my import SESSION_COOKIE
from mailgate.web.pages import Pages
from mailgate.web.request import TooLarge, from_elsewhere, is_ours, read_form
from mailgate.web.settings import WebSettings

log = logging.getLogger(__name__)

DEVICE_COOKIE = "mailgate_device"
DEVICE_S = 180 * 86400
"""Browsers keep a cookie 400 days at the most (RFC 6265bis, 5.5); each look at the page begins the time anew."""
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


def who_is(own: Own, pushes: Pushes | None) -> WhoIs:
    """By the session of /my, and by the device's own cookie; where they name different accounts, by the session."""

    def who(cookies: Mapping[str, str]) -> SignedIn | None:
        session, key = cookies.get(SESSION_COOKIE, ""), cookies.get(DEVICE_COOKIE, "")
        account = own.account(session)
        found = pushes.whose(key) if pushes else None
        if account is None:
            return SignedIn(account=found[0], device_id=found[1].device_id, secret=key) if found else None
        theirs = found is not None and found[0].account_id == account.account_id
        return SignedIn(account=account, device_id=found[1].device_id if found and theirs else "", secret=session)

    return who


class ListenPages:
    """The routes."""

    def __init__(
        self,
        settings: WebSettings,
        listeners: Listeners,
        own: Own,
        pages: Pages,
        who: WhoIs,
        *,
        rings: bool = False,
    ) -> None:
        self._rings = rings
        self._listeners = listeners
        self._pushes = listeners.pushes
        self._own = own
        self._secure = settings.public_url.startswith("https:")
        self._pages = pages
        self._who = who
        self._home = f"{settings.base_path}/my"
        self._headers = listening_headers(settings, microphone=rings)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/my/listen", self.show, methods=["GET"]),
            Route("/my/listen/push", self.subscribe, methods=["POST"]),
            Route("/my/listen/push", self.unsubscribe, methods=["DELETE"]),
        ]

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
                "rings": self._rings_of(here),
                "later": self._pages.later,
                "reasons": _REASONS,
                "push": self._push_of(here),
            },
        )
        answer = HTMLResponse(page, headers={"Vary": "Accept-Language, Cookie", **self._headers})
        if here.device_id:
            self._keep(answer, request.cookies[DEVICE_COOKIE])
        return answer

    def _rings_of(self, here: SignedIn) -> Mapping[str, object] | None:
        """What the page needs to be a telephone; None where none is."""
        return {"key": self._own.form_key(here.secret), "stands": stands(here.account)} if self._rings else None

    def _push_of(self, here: SignedIn) -> Mapping[str, object] | None:
        """What the page needs to subscribe; None where nobody is woken."""
        if self._pushes is None:
            return None
        on = bool(here.device_id) and self._pushes.is_on(here.account, here.device_id)
        return {"key": self._own.form_key(here.secret), "server_key": self._pushes.server_key, "on": on}

    # --- waking ---------------------------------------------------------------------------------------------------

    async def subscribe(self, request: Request) -> Response:
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        pushes, here, fields = posted
        name = browser_name(request.headers.get("user-agent", ""))
        try:
            wished = subscription.checked(fields.get("endpoint", ""), fields.get("p256dh", ""), fields.get("auth", ""))
            kept = await pushes.subscribe(here.account, here.device_id, name, wished)
        except (ValueError, PushRefused) as error:
            log.info("subscription refused: %s", error, extra={"action": "push_refused"})
            return JSONResponse({"why": str(error)}, status_code=422)
        answer = Response(status_code=204)
        if kept.key:
            self._keep(answer, kept.key)
        return answer

    async def unsubscribe(self, request: Request) -> Response:
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        pushes, here, _ = posted
        answer = Response(status_code=204)
        if here.device_id:
            await pushes.unsubscribe(here.account, here.device_id)
            self._listeners.recheck()
            answer.delete_cookie(DEVICE_COOKIE, path=self._home)
        return answer

    async def signed_out(self, account: Account, request: Request, answer: Response) -> None:
        """Who signs out in a browser is shown nothing there, and woken there no more."""
        found = self._pushes.whose(request.cookies.get(DEVICE_COOKIE, "")) if self._pushes else None
        if self._pushes and found:
            await self._pushes.unsubscribe(found[0], found[1].device_id)
        answer.delete_cookie(DEVICE_COOKIE, path=self._home)
        self._listeners.recheck(account.account_id)

    async def _posted(self, request: Request) -> tuple[Pushes, SignedIn, Mapping[str, str]] | Response:
        """A form that this page has sent, or the answer where it is none."""
        if from_elsewhere(request):
            return JSONResponse({"why": "not from this page"}, status_code=403)
        try:
            fields = await read_form(request)
        except TooLarge:
            return JSONResponse({"why": "too large"}, status_code=413)
        here = self._who(request.cookies)
        if here is None or self._pushes is None:
            return JSONResponse({"why": "nobody is signed in"}, status_code=401)
        if not is_ours(request, fields, self._own.form_key(here.secret), here.account.account_id):
            return JSONResponse({"why": "not from this page"}, status_code=403)
        return self._pushes, here, fields

    def _keep(self, answer: Response, key: str) -> None:
        answer.set_cookie(
            DEVICE_COOKIE,
            key,
            max_age=DEVICE_S,
            path=self._home,
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )


def listening_headers(settings: WebSettings, *, microphone: bool = False) -> dict[str, str]:
    """What differs from other pages: the socket, by name; manifest and service worker; the microphone where calls come
    to the page."""
    headers = security_headers(settings.frame_ancestors, talk_origin=settings.origin)
    policy = headers["Content-Security-Policy"]
    changed = {"Content-Security-Policy": f"{policy}; manifest-src 'self'; worker-src 'self'"}
    return {**changed, "Permissions-Policy": headers["Permissions-Policy"]} if microphone else changed


def browser_name(user_agent: str) -> str:
    """What other devices of the account call this one: `Firefox, Linux`."""
    shown = user_agent[:400]
    browser = next((name for sign, name in _BROWSERS if sign in shown), "")
    system = next((name for name in _SYSTEMS if name in shown), "").replace("Mac OS X", "Mac")
    return ", ".join(filter(None, (browser, system))) or "browser"
