"""The offeror's own pages: sign in by a mailed link, see what became of one's offers, take back, redirect, be quiet.

    GET  /my                 the list; without a session, a field for one's address
    POST /my/link            the address → a link is mailed, where an account writes from it
    GET  /my/in/{secret}     what the link opens: a button, and changes nothing
    POST /my/in/{secret}     the button, with the proof from this browser or typed → 303 to the list, signed in
    POST /my/revoke, /my/redirect, /my/cancel, /my/quiet, /my/hours, /my/out
    …    /my/verify: see mailgate.web.my_verify

A session is a cookie that scripts cannot read and other sites cannot use (HttpOnly, SameSite=Lax); each form holds a
key of the session besides. See mailgate.offers.own for what the proof is for.

Standards: RFC 6265bis (cookies), Fetch Metadata (Sec-Fetch-Site: a POST from another site is refused).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailgate import when
from mailgate.accounts.model import Account
from mailgate.calls.model import Outcome
from mailgate.offers.answer import MISSED
from mailgate.offers.hours import BadHours, zone_of
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own import LINK_S, SESSION_S, Own, OwnOffer
from mailgate.offers.service import UnknownOffer
from mailgate.offers.slots import Rules
from mailgate.offers.table import State
from mailgate.web import zones
from mailgate.web.language import asked
from mailgate.web.my_verify import VerifyForms, told
from mailgate.web.pages import Pages, Reader
from mailgate.web.request import TooLarge, from_elsewhere, is_ours, read_form
from mailgate.web.settings import WebSettings

log = logging.getLogger(__name__)

SESSION_COOKIE = "mailgate_session"
SignedOut = Callable[[Account, Request, Response], Awaitable[None]]
"""What else ends where somebody signs out, by account and request; the answer may be changed."""
_PROOF = "mailgate_proof"
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
_DIGITS = re.compile(r"[0-9]{6}\Z")


class MyPages:
    """The routes of the offeror's own pages. `slots`: the rules for calls at another time, None where there are none;
    `now` gives UNIX seconds; `signed_out`: of the page that listens, where there is one."""

    def __init__(
        self,
        settings: WebSettings,
        own: Own,
        pages: Pages,
        slots: Rules | None,
        now: Callable[[], float],
        *,
        signed_out: SignedOut | None = None,
    ) -> None:
        self._own = own
        self._now = now
        self._slots = slots
        self._signed_out = signed_out
        self._pages = pages
        self._home = f"{settings.base_path}/my"
        self._secure = settings.public_url.startswith("https:")

    def routes(self) -> list[Route]:
        posts = {
            "revoke": self.revoke,
            "redirect": self.redirect,
            "cancel": self.cancel,
            "quiet": self.quiet,
            "hours": self.hours,
            "out": self.out,
        }
        return [
            Route("/my", self.home, methods=["GET"]),
            Route("/my/link", self.ask, methods=["POST"]),
            Route("/my/in/{secret}", self.arrive, methods=["GET"]),
            Route("/my/in/{secret}", self.sign_in, methods=["POST"]),
            *(Route(f"/my/{name}", endpoint, methods=["POST"]) for name, endpoint in posts.items()),
            *(Route(f"/my/{name}", self.back, methods=["GET"]) for name in ("link", *posts)),
            *VerifyForms(self._own.verifying, self._signed_in, self._go_home).routes(),
        ]

    # --- signing in ---------------------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        session = request.cookies.get(SESSION_COOKIE, "")
        account = self._own.account(session)
        if account is None:
            proof = _proof(request) if "asked" in request.query_params else ""
            return self._page("my_ask.html", self._reader(request), proof=proof, address="", wrong=False)
        return self._list(request, account, session)

    async def back(self, request: Request) -> Response:
        return self._go_home()

    async def ask(self, request: Request) -> Response:
        fields = await self._fields(request)
        if isinstance(fields, Response):
            return fields
        address = fields.get("address", "").strip()[:320]
        if "@" not in address[1:-1] or fields.get("subject"):  # `subject` is hidden: no person fills it in
            return self._page("my_ask.html", self._reader(request), 422, proof="", address=address, wrong=True)
        proof = await self._own.ask(address)
        answer = self._go_home("?asked=1")
        self._set(answer, _PROOF, proof, LINK_S)
        return answer

    async def arrive(self, request: Request) -> Response:
        return self._door(request, wrong=False)

    async def sign_in(self, request: Request) -> Response:
        fields = await self._fields(request)
        if isinstance(fields, Response):
            return fields
        secret, proof = request.path_params["secret"], fields.get("proof", "").strip() or _proof(request)
        session = None
        if _SECRET.match(secret) and _DIGITS.match(proof):
            session = await self._own.sign_in(secret, proof)
        if session is None:
            return self._door(request, wrong=True)
        answer = self._go_home()
        self._set(answer, SESSION_COOKIE, session, SESSION_S)
        answer.delete_cookie(_PROOF, path=self._home)
        return answer

    def _door(self, request: Request, *, wrong: bool) -> Response:
        asks = wrong or not _proof(request)
        secret = request.path_params["secret"]
        path = f"{self._home}/in/{secret if _SECRET.match(secret) else 'x'}"
        return self._page(
            "my_door.html", self._reader(request), 422 if wrong else 200, action=path, here=path, asks=asks, wrong=wrong
        )

    # --- what one does with offers --------------------------------------------------------------------------------

    async def revoke(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        return await self._done(request, self._own.revoke(account, fields.get("offer", "")))

    async def redirect(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        to = fields.get("destination", "")
        return await self._done(request, self._own.redirect(account, fields.get("offer", ""), to))

    async def cancel(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        return await self._done(request, self._own.cancel(account, fields.get("offer", "")))

    async def hours(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        typed = replace(
            account,
            hours=fields.get("hours", "")[:400],
            time_zone=fields.get("zone", "")[:64],
            rings_first=fields.get("first") == "yes",
        )
        try:
            await self._own.set_hours(
                account, hours=typed.hours, time_zone=typed.time_zone, rings_first=typed.rings_first
            )
        except BadHours as error:
            log.info("hours that cannot be read: %s", error, extra={"account": account.account_id})
            return self._list(request, typed, request.cookies[SESSION_COOKIE], wrong_hours=True)
        return self._go_home()

    async def quiet(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        if fields.get("quiet") in ("on", "off"):
            await self._own.set_do_not_disturb(account, fields["quiet"] == "on")
        return self._go_home()

    async def out(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        await self._own.sign_out(request.cookies[SESSION_COOKIE])
        answer = self._go_home()
        answer.delete_cookie(SESSION_COOKIE, path=self._home)
        if self._signed_out is not None:
            await self._signed_out(signed_in[0], request, answer)
        return answer

    async def _done(self, request: Request, doing: Awaitable[None]) -> Response:
        try:
            await doing
        except UnknownOffer:
            return self._plain("not_found", 404, request.headers)
        except IllegalTransition as error:
            log.info("the offer had moved on: %s", error)  # the list shows how it stands
        return self._go_home()

    async def _signed_in(self, request: Request) -> tuple[Account, Mapping[str, str]] | Response:
        """Whose session it is, and the form; or the answer where there is no session, or the form is not its own."""
        fields = await self._fields(request)
        if isinstance(fields, Response):
            return fields
        session = request.cookies.get(SESSION_COOKIE, "")
        account = self._own.account(session)
        if account is None:
            return self._go_home()
        if not is_ours(request, fields, self._own.form_key(session), account.account_id):
            return self._plain("foreign", 403, request.headers)
        return account, fields

    async def _fields(self, request: Request) -> Mapping[str, str] | Response:
        if from_elsewhere(request):
            return self._plain("foreign", 403, request.headers)
        try:
            return await read_form(request)
        except TooLarge:
            return self._plain("too_large", 413, request.headers)

    # --- answers ------------------------------------------------------------------------------------------------

    def _list(self, request: Request, account: Account, session: str, *, wrong_hours: bool = False) -> Response:
        reader = self._pages.reader(asked(request.headers), account.language)
        shown = [self._entry(reader, account, own) for own in self._own.list(account)]
        return self._page(
            "my.html",
            reader,
            422 if wrong_hours else 200,
            account=account,
            hours=self._hours(reader, account, wrong=wrong_hours),
            key=self._own.form_key(session),
            offers=shown,
            quiet=account.do_not_disturb,
            listens=self._signed_out is not None,
            unverified=self._own.verifying.waiting(account),
            told=told(request),
        )

    def _hours(self, reader: Reader, account: Account, *, wrong: bool) -> Mapping[str, object] | None:
        """When the account may be called, as the template shows it; None where no times are offered."""
        rules = self._slots
        if rules is None:
            return None
        zone = account.time_zone or rules.zone
        return {
            "written": account.hours or ("" if wrong else rules.hours),
            "zone": zone,
            "zones": zones.choices(reader.region, (zone, rules.zone), self._now(), reader.texts.language),
            "first": account.rings_first,
            "wrong": wrong,
        }

    def _slot(self, reader: Reader, account: Account, own: OwnOffer) -> str:
        """The time that is booked, in words; empty where none is."""
        view = own.view
        if view.slot_at is None or view.state is not State.BOOKED:
            return ""
        zone = zone_of(account.time_zone) or zone_of(self._slots.zone if self._slots else "") or ZoneInfo("UTC")
        return when.moment(view.slot_at, zone, reader.texts.language)

    def _entry(self, reader: Reader, account: Account, own: OwnOffer) -> Mapping[str, object]:
        """An offer as the template shows it."""
        view = own.view
        state = "call" if view.in_call else view.state.value
        others = [d for d in account.destinations if d.display_name != view.destination_name]
        return {
            "id": view.offer_id,
            "to": own.to,
            "state": state,
            "made": self._pages.moment(own.created_at, reader),
            "until": self._pages.moment(view.expires_at, reader),
            "destination": view.destination_name,
            "outcome": "" if view.in_call else _outcome(view.outcome),
            "talked": self._pages.duration(reader, round(view.bridged_s)),
            "ended": self._pages.moment(view.ended_at, reader) if view.ended_at else "",
            "answers": [
                {
                    "reason": each.reason.value if each.reason else "",
                    "text": each.text,
                    "at": self._pages.moment(each.at, reader),
                }
                for each in own.answers
            ],
            "slot": self._slot(reader, account, own),
            "may_revoke": own.may_revoke,
            "others": others if own.may_redirect else [],
        }

    def _reader(self, request: Request) -> Reader:
        return self._pages.reader(asked(request.headers))

    def _page(self, name: str, reader: Reader, status: int = 200, **values: object) -> Response:
        page = self._pages.render(name, reader, {"home": self._home, "here": self._home, **values})
        return HTMLResponse(page, status_code=status, headers={"Vary": "Accept-Language, Cookie"})

    def _plain(self, kind: str, status: int, headers: Headers) -> Response:
        reader = self._pages.reader(asked(headers))
        return HTMLResponse(self._pages.plain(kind, reader), status_code=status)

    def _go_home(self, query: str = "") -> Response:
        return RedirectResponse(f"{self._home}{query}", status_code=303)

    def _set(self, answer: Response, name: str, value: str, ttl_s: float) -> None:
        answer.set_cookie(
            name, value, max_age=int(ttl_s), path=self._home, secure=self._secure, httponly=True, samesite="lax"
        )


def _proof(request: Request) -> str:
    """The proof that this browser keeps, if any."""
    kept = request.cookies.get(_PROOF, "")
    return kept if _DIGITS.match(kept) else ""


def _outcome(outcome: Outcome | None) -> str:
    """The name of the text: an offeror is told whether they talked, whether they missed it, or neither."""
    if outcome is None or outcome in (Outcome.REVOKED, Outcome.LOST):
        return ""
    if outcome is Outcome.COMPLETED:
        return "my.talked"
    return "my.missed" if outcome in MISSED else "my.tried"
