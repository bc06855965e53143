"""The accept page: shows an offer, takes the press, shows the call.

    GET  /a/{token}          the page by the offer's state; changes nothing, whoever asks how often
    POST /a/{token}/call     the press → 303 to the page
    GET  /a/{token}/events   the page's live stream (server-sent events)
    …    /a/{token}/decline, /reply, /never: see mailgate.web.answer; /holder: see mailgate.web.holder
    …    /api/v1: for programs, see mailgate.web.api.app
    …    /a/{token}/later: a call at another time, see mailgate.web.later
    …    /my: the offeror's own pages, see mailgate.web.my; /my/listen: offers at once, see mailgate.web.listen
    POST /a/{token}/talk     the press of who talks from the page; WS /a/{token}/sip, its call (talk.py, sip_relay.py)
    GET  /static/{name}      style and script; /icon.png, the icon in messages that load it; /healthz

A press makes a call only with a page nonce (the page was looked at, lately) and a number, which no page holds. What
comes too late (a second press, another tab, a reloaded POST) leads to the page, which shows the true state.

Answers: 404 for a text that we never made, 410 for an offer that has ended, 403 for a press without the page's
nonce, 422 for a number that cannot be called, 413 for a body over 16 KiB; each a page in the reader's language.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from mailgate.calls.model import Channel
from mailgate.errors import CallRefused
from mailgate.listening import Listeners
from mailgate.offers.api_keys import ApiKeys
from mailgate.offers.booking import Bookings
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own import Own
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.programs import Programs
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.offers.view import View
from mailgate.web.answer import AnswerPages
from mailgate.web.api.app import create_api
from mailgate.web.api.pages import described
from mailgate.web.browser import Browsers
from mailgate.web.figures import Figures
from mailgate.web.guard import Guard
from mailgate.web.holder import HolderPages
from mailgate.web.language import LanguageSwitch, asked
from mailgate.web.later import LaterPages
from mailgate.web.listening import Listening, Rings, listening
from mailgate.web.live import Streams
from mailgate.web.my import MyPages
from mailgate.web.my_order import OrderPages
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Form, Pages, Reader
from mailgate.web.posted import Front
from mailgate.web.qr import QrCode
from mailgate.web.request import TooLarge, read_form
from mailgate.web.settings import WebSettings
from mailgate.web.sip_relay import SipRelay
from mailgate.web.talk import Talk
from tokens.errors import TokenError

log = logging.getLogger(__name__)

Dial = Callable[[str, str], Channel]
"""`dial(number or "sip:" address as typed, region) -> Channel`; raises CallRefused. See mailgate.calls.dialling."""

_BARRED = {"stranger": "stranger", "unproven": "", "unverified": ""}
"""Refusals that the page has a card for, and the notice in its form, if any."""
_NOTICES = {Verdict.MISSING: "unsure", Verdict.FORGED: "unsure", Verdict.STALE: "stale"}


def create_app(
    settings: WebSettings,
    offers: Offers,
    dial: Dial,
    *,
    own: Own | None = None,
    programs: tuple[Programs, ApiKeys] | None = None,
    bookings: Bookings | None = None,
    now: Callable[[], float] = time.time,
    metrics: Callable[[], bytes] = bytes,
    listeners: Listeners | None = None,
    own_order: OwnOrder | None = None,
    rings: Rings | None = None,
) -> FastAPI:
    """The application; without `own` there are no pages of the offeror's, without `programs` no API, without `bookings`
    nobody can choose a time, without `rings` no page is a telephone. `now` gives UNIX seconds, `metrics` the counters
    in Prometheus's text format.

    `app.state.close()` ends all that would last.
    """
    nonces = Nonces(settings.keys, ttl_s=settings.nonce_ttl_s, now=now)
    pages = Pages(settings, nonces, now, offers.holders.bar, later=bookings is not None)
    browsers = Browsers(settings, new=lambda: secrets.token_hex(16))
    accept = _AcceptPage(settings, offers, dial, pages, nonces, browsers)
    beside = AnswerPages(offers.answers, pages, nonces, accept.front())
    holder = HolderPages(offers.holders, browsers, pages, nonces, accept.front())

    icon_body = files("templates").joinpath("icons", "call.png").read_bytes()

    async def static(request: Request) -> Response:
        return pages.assets.answer(request.path_params["name"]) or accept.plain("not_found", 404, request.headers)

    async def icon(request: Request) -> Response:
        """What a message with `icon = "remote"` shows: the same for everybody, so that it tells nothing."""
        return Response(icon_body, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return accept.plain("method" if status == 405 else "not_found", status, request.headers)

    talk_routes: list[BaseRoute] = []
    relay: SipRelay | None = None
    if pages.talks and settings.talk:
        relay = SipRelay(settings.talk, offers, settings.origin)
        talk = Talk(settings.talk, offers, pages, nonces, browsers, new_nonce=lambda: secrets.token_hex(16), now=now)
        talk_routes = [
            Route("/a/{token}/talk", talk.press, methods=["POST"]),
            WebSocketRoute("/a/{token}/sip", relay.serve),
        ]

    heard = listening(settings, listeners, own, pages, rings, now)

    def close() -> None:
        accept.streams.close()
        if relay:
            relay.close()

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: refused},
        # plain routes: nothing here is an API, and FastAPI's injection would cost as much as the page
        routes=[
            Route("/a/{token}", accept.show, methods=["GET"]),
            Route("/a/{token}/call", accept.press, methods=["POST"]),
            Route("/a/{token}/call", accept.back, methods=["GET"]),
            Route("/a/{token}/events", accept.events, methods=["GET"]),
            *beside.routes(),
            *holder.routes(),
            *QrCode(settings.public_url, accept.front().look, accept.front().worthless).routes(),
            *LanguageSwitch(settings, pages.languages).routes(),
            *(LaterPages(settings, bookings, pages, nonces, dial, now, accept.front()).routes() if bookings else ()),
            *(_my(settings, own, pages, bookings, now, heard) if own else ()),
            *(OrderPages(own, own_order, pages, accept.front()).routes() if own and own_order else ()),
            *talk_routes,
            *heard.routes,
            *(_api(settings, programs, dial, pages, now) if programs else ()),
            Route("/static/{name}", static, methods=["GET"]),
            Route("/icon.png", icon, methods=["GET"]),
            Route("/healthz", healthy, methods=["GET"]),
            Route("/metrics", Figures(metrics, settings.metrics_networks).show, methods=["GET"]),
        ],
    )
    app.state.streams = accept.streams
    app.state.nonces = nonces
    app.state.close = close
    app.add_middleware(
        Guard,
        frame_ancestors=settings.frame_ancestors,
        failure_page=lambda headers: pages.plain("failure", pages.reader(asked(headers))),
    )
    return app


def _my(
    settings: WebSettings, own: Own, pages: Pages, bookings: Bookings | None, now: Callable[[], float], heard: Listening
) -> list[Route]:
    rules = bookings.rules if bookings else None
    return MyPages(settings, own, pages, rules, now, signed_out=heard.signed_out).routes()


def _api(
    settings: WebSettings, programs: tuple[Programs, ApiKeys], dial: Dial, pages: Pages, now: Callable[[], float]
) -> list[BaseRoute]:
    def render(document: dict[str, Any]) -> str:
        return pages.render("api.html", pages.reader("en"), {"api": described(document), "here": ""})

    return [Mount("/api/v1", app=create_api(settings, *programs, dial, render=render, now=now))]


class _AcceptPage:
    """The routes of one offer's page."""

    def __init__(
        self, settings: WebSettings, offers: Offers, dial: Dial, pages: Pages, nonces: Nonces, browsers: Browsers
    ) -> None:
        self._settings = settings
        self._offers = offers
        self._dial = dial
        self._pages = pages
        self._nonces = nonces
        self._browsers = browsers
        self._accepting: set[str] = set()
        self.streams = Streams()

    def front(self) -> Front:
        """What the routes beside the call need of this page."""
        return Front(
            look=self._look,
            reader=self._reader,
            page=self._page,
            to_page=self._to_page,
            worthless=self._worthless,
            too_large=lambda request: self.plain("too_large", 413, request.headers),
            bar=lambda view, reader: self._offers.holders.bar(view, reader.browser),
            browser=self._browsers.of_or_new,
            keep=self._browsers.keep,
        )

    # --- looking ------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._look(token)
        if isinstance(view, str):
            return self._worthless(view, request)
        return self._page(token, view, self._reader(request, view), 410 if view.state in ENDED else 200)

    async def back(self, request: Request) -> Response:
        """Who reloads or bookmarks the address that a form was sent to gets the page."""
        return self._to_page(request.path_params["token"])

    async def events(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._look(token)
        if isinstance(view, str):
            return self._worthless(view, request)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type="text/event-stream")
        reader = self._reader(request, view)
        seen = request.headers.get("last-event-id", "") or request.query_params.get("seen", "")
        stream = self.streams.follow(
            self._watch(token), lambda news, more: self._pages.news(token, news, reader, more=more, seen=seen)
        )
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")

    async def _watch(self, token: str) -> AsyncIterator[View]:
        with suppress(UnknownOffer):  # withdrawn between look and watch
            async for view in self._offers.watch(token):
                yield view

    # --- pressing -----------------------------------------------------------------------------------------------

    async def press(self, request: Request) -> Response:
        token = request.path_params["token"]
        try:
            fields = await read_form(request)
        except TooLarge:
            return self.plain("too_large", 413, request.headers)
        view = self._look(token)
        if isinstance(view, str):
            return self._worthless(view, request)
        reader = self._reader(request, view)
        if view.state in ENDED:
            return self._page(token, view, reader, 410)
        if view.in_call or view.offer_id in self._accepting:
            return self._to_page(token)
        form = self._typed(fields, reader)
        verdict = self._nonces.check(fields.get("nonce", ""), token, view.attempts)
        if verdict is not Verdict.GOOD or fields.get("subject"):  # `subject` is hidden: no person fills it in
            notice = _NOTICES.get(verdict, "unsure")
            log.info("press without a good page nonce", extra={"offer": view.offer_id, "verdict": verdict.value})
            status = 200 if notice == "stale" else 403
            return self._page(token, view, reader, status, form=form.noticing(notice))
        # nothing is awaited between the check of the nonce and this mark: of many presses one goes on
        self._accepting.add(view.offer_id)
        browser = reader.browser or self._browsers.of_or_new(request)
        try:
            await self._offers.accept(token, self._channel(token, fields, form), browser=browser)
        except CallRefused as error:
            log.info("press refused", extra={"offer": view.offer_id, "reason": error.reason})
            if error.reason == "do-not-disturb":  # nothing is wrong with what was typed
                return self._page(token, view, reader, 409, form=form.noticing("do_not_disturb"))
            if error.reason in _BARRED:  # the page says why, and how to go on
                seen = self._look(token)
                shown = view if isinstance(seen, str) else seen
                return self._page(token, shown, reader, 409, form=form.noticing(_BARRED[error.reason]))
            return self._page(token, view, reader, 422, form=form.refusing(_field(form, error), error.reason))
        except UnknownOffer:
            return self._worthless("gone", request)
        except IllegalTransition as error:
            log.info("press came too late: %s", error, extra={"offer": view.offer_id})
        finally:
            self._accepting.discard(view.offer_id)
        return self._browsers.keep(self._to_page(token), browser)

    def _typed(self, fields: Mapping[str, str], reader: Reader) -> Form:
        region = fields.get("region", "")
        return Form(
            region=region if region in self._pages.regions else reader.region,
            number=fields.get("number", "")[:40],
            digits="digits" in fields and not fields.get("number", "").strip(),
            sip=fields.get("sip", "")[:320] if self._settings.allow_sip else "",
            by_sip=self._settings.allow_sip and "sip" in fields,
        )

    def _channel(self, token: str, fields: Mapping[str, str], form: Form) -> Channel:
        """Raises CallRefused, UnknownOffer."""
        if form.digits:
            return self._dial(self._offers.known.number(token, fields["digits"][:20]), form.region)
        typed = (form.sip if form.by_sip else form.number).strip()
        if not typed:
            raise CallRefused("empty")
        if form.by_sip:
            return self._dial(f"sip:{typed[4:] if typed[:4].lower() == 'sip:' else typed}", form.region)
        if typed[:4].lower() == "sip:":  # the number's field is no way around `allow_sip`
            raise CallRefused("not-a-number")
        return self._dial(typed, form.region)

    # --- answers ------------------------------------------------------------------------------------------------

    def _look(self, token: str) -> View | str:
        """The view, or the name of the plain page where there is none."""
        try:
            return self._offers.look(token)
        except TokenError:
            return "not_found"
        except UnknownOffer:
            return "gone"

    def _reader(self, request: Request, view: View) -> Reader:
        reader = self._pages.reader(asked(request.headers), view.language)
        browser = self._browsers.of(request)
        return replace(reader, browser=browser) if browser else reader

    def _page(self, token: str, view: View, reader: Reader, status: int, form: Form | None = None) -> Response:
        return HTMLResponse(
            self._pages.offer(token, view, reader, form),
            status_code=status,
            headers={"Vary": "Accept-Language, Cookie", **self._pages.headers},
        )

    def _to_page(self, token: str) -> Response:
        return RedirectResponse(self._pages.path(token), status_code=303)

    def _worthless(self, kind: str, request: Request) -> Response:
        return self.plain(kind, 404 if kind == "not_found" else 410, request.headers)

    def plain(self, kind: str, status: int, headers: Headers) -> Response:
        """A page of a title and a sentence; see Pages.plain."""
        reader = self._pages.reader(asked(headers))
        return HTMLResponse(self._pages.plain(kind, reader), status_code=status)


def _field(form: Form, error: CallRefused) -> str:
    """The field that a refusal stands at. A number that was known and may not be dialled is no fault of the digits."""
    if form.by_sip:
        return "sip"
    return "digits" if form.digits and error.reason.startswith("digits-") else "number"
