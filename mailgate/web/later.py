"""Accept later: choose a time to be called at, move it, give it up, put it into a calendar.

    GET  /a/{token}/later            the times of a day (?day=2027-01-15&zone=Europe/Paris&any=1); changes nothing
    POST /a/{token}/later            a time and a number → 303 to the page, which shows the booking
    POST /a/{token}/later/cancel     with the box ticked → 303 to the page
    GET  /a/{token}/later/call.ics   the calendar file of what is booked

No time is chosen in a page as it is served, and no box ticked: a form posted as served, or with its hidden field filled
in, changes nothing. A booking takes a number that no page holds; moving and cancelling take a choice that it has not
made. The time zone is the browser's (later.js), else that of the reader's country, and can be changed without a script.

What was free a moment ago may be taken: then the page says so and shows what is free now (422).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mailgate import calendar
from mailgate.calendar import Entry, Method
from mailgate.calls.model import Channel
from mailgate.errors import CallRefused
from mailgate.offers.booking import Asked, Bookings
from mailgate.offers.hours import zone_of
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.service import UnknownOffer
from mailgate.offers.slots import SlotRefused
from mailgate.offers.table import ENDED, State
from mailgate.offers.view import View
from mailgate.web import timetable, zones
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Form, Pages, Reader, slot_mark
from mailgate.web.posted import Front
from mailgate.web.request import TooLarge, read_form
from mailgate.web.settings import WebSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What stands in the page: how the times are shown, and what was chosen and typed. `refusal` is a text under
    `refused.later-`, about the times; `notice` one under `notice.`."""

    zone: str = ""
    day: str = ""
    any_hour: bool = False
    at: int = 0
    mail: bool = False
    refusal: str = ""
    notice: str = ""
    guessed: bool = False  # nobody has named the zone yet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Posted:
    token: str
    view: View
    reader: Reader
    fields: Mapping[str, str]


class LaterPages:
    """The routes of an offer's other time. `dial(typed, region)` gives a Channel or raises CallRefused."""

    def __init__(
        self,
        settings: WebSettings,
        bookings: Bookings,
        pages: Pages,
        nonces: Nonces,
        dial: Callable[[str, str], Channel],
        now: Callable[[], float],
        front: Front,
    ) -> None:
        self._settings = settings
        self._bookings = bookings
        self._pages = pages
        self._nonces = nonces
        self._dial = dial
        self._now = now
        self._front = front

    def routes(self) -> list[Route]:
        return [
            Route("/a/{token}/later", self.show, methods=["GET"]),
            Route("/a/{token}/later", self.book, methods=["POST"]),
            Route("/a/{token}/later/cancel", self.cancel, methods=["POST"]),
            Route("/a/{token}/later/cancel", self.back, methods=["GET"]),
            Route(f"/a/{{token}}/later/{calendar.FILE_NAME}", self.file, methods=["GET"]),
        ]

    async def back(self, request: Request) -> Response:
        """Who reloads or bookmarks the address that a form was sent to gets the page."""
        return self._front.to_page(request.path_params["token"])

    async def show(self, request: Request) -> Response:
        token, asked = request.path_params["token"], request.query_params
        view = self._front.look(token)
        if isinstance(view, str):
            return self._front.worthless(view, request)
        reader = self._front.reader(request, view)
        if self._front.bar(view, reader):
            return self._front.to_page(token)  # which says why, and how to go on
        if not view.may_accept:
            return self._elsewhere(token, view, reader)
        zone = asked.get("zone", "")
        choice = _Choice(
            zone=self._zone(zone, view, reader).key,
            day=asked.get("day", "")[:10],
            any_hour="any" in asked,
            refusal="zone" if zone and zone_of(zone) is None else "",
            guessed=not zone and not view.slot_zone,
        )
        return self._page(token, view, reader, choice, Form(region=reader.region))

    # --- book, move ---------------------------------------------------------------------------------------------

    async def book(self, request: Request) -> Response:
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        token, view, reader, fields = posted.token, posted.view, posted.reader, posted.fields
        if self._front.bar(view, reader):
            return self._front.to_page(token)
        chosen = fields.get("at", "")
        at = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 12 else 0
        if not view.may_accept or (view.slot_at == at and view.state is State.BOOKED and not fields.get("number")):
            return self._elsewhere(token, view, reader)
        choice = self._chosen(fields, view, reader, at)
        region = fields.get("region", "")
        form = Form(
            region=region if region in self._pages.regions else reader.region,
            number=fields.get("number", "")[:320],
            digits=bool(fields.get("digits", "").strip()) and not fields.get("number", "").strip(),
        )
        verdict = self._verdict(posted)
        if verdict is Verdict.STALE and view.state is State.BOOKED and view.slot_at == at:
            return self._front.to_page(token)  # the second press of a double press
        if verdict is not Verdict.GOOD:
            stale = verdict is Verdict.STALE
            choice = replace(choice, notice="stale" if stale else "unsure_answer")
            return self._page(token, view, reader, choice, form, 200 if stale else 403)
        if not at:
            return self._page(token, view, reader, replace(choice, refusal="when"), form, 422)
        browser = self._front.browser(request)
        try:
            leg1 = self._channel(posted, form)
            asked = Asked(start=at, zone=choice.zone, leg1=leg1, any_hour=choice.any_hour, mail=choice.mail)
            await self._bookings.book(token, asked, browser=browser)
        except SlotRefused as error:
            log.info("slot refused", extra={"offer": view.offer_id, "reason": error.reason})
            return self._page(token, view, reader, replace(choice, refusal=error.reason), form, 422)
        except CallRefused as error:
            log.info("slot refused", extra={"offer": view.offer_id, "reason": error.reason})
            wrong = "digits" if error.reason.startswith("digits-") else "number"
            return self._page(token, view, reader, choice, form.refusing(wrong, error.reason), 422)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        except IllegalTransition as error:
            log.info("slot came too late: %s", error, extra={"offer": view.offer_id})
        return self._front.keep(self._front.to_page(token), browser)

    def _chosen(self, fields: Mapping[str, str], view: View, reader: Reader, at: int) -> _Choice:
        zone = self._zone(fields.get("zone", ""), view, reader)
        day = timetable.day_of(at, zone) if at else fields.get("day", "")[:10]
        return _Choice(zone=zone.key, day=day, any_hour="any" in fields, at=at, mail=fields.get("mail") == "yes")

    def _channel(self, posted: _Posted, form: Form) -> Channel | None:
        """Where to call; None for a booking that is moved and keeps its number. Raises CallRefused, UnknownOffer."""
        if form.digits:
            number = self._bookings.known.number(posted.token, posted.fields["digits"][:20])
            return self._dial(number, form.region)
        typed = form.number.strip()
        if not typed:
            if posted.view.state is State.BOOKED:
                return None
            raise CallRefused("digits-empty" if posted.view.tail else "empty")
        if typed[:4].lower() == "sip:" and not self._settings.allow_sip:
            raise CallRefused("not-a-number")
        return self._dial(typed, form.region)

    # --- cancel, and the calendar -------------------------------------------------------------------------------

    async def cancel(self, request: Request) -> Response:
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        if self._front.bar(posted.view, posted.reader):
            return self._front.to_page(posted.token)
        if posted.view.state is not State.BOOKED or posted.fields.get("sure") != "yes":
            return self._front.to_page(posted.token)
        if self._verdict(posted) is not Verdict.GOOD:
            return self._front.to_page(posted.token)  # it shows what is booked, with a fresh form
        try:
            await self._bookings.cancel(posted.token)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        except IllegalTransition as error:
            log.info("cancelled too late: %s", error, extra={"offer": posted.view.offer_id})
        return self._front.to_page(posted.token)

    async def file(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._front.look(token)
        if isinstance(view, str):
            return self._front.worthless(view, request)
        if view.state is not State.BOOKED or view.slot_at is None:
            return self._front.to_page(token)
        reader = self._front.reader(request, view)
        return Response(
            calendar.write(self._entry(token, view, view.slot_at, reader), Method.PUBLISH),
            media_type=f"{calendar.CONTENT_TYPE}; charset=utf-8; method={Method.PUBLISH.value}",
            headers={
                "Content-Disposition": f'attachment; filename="{calendar.FILE_NAME}"',
                "Vary": "Accept-Language",
            },
        )

    def _entry(self, token: str, view: View, start: float, reader: Reader) -> Entry:
        says = calendar.words(reader.texts.language)
        page = f"{self._settings.public_url}/a/{token}"
        values = {"destination": view.destination_name, "gateway": self._pages.gateway(), "page": page}
        text = says["text-offeree"].format_map(values)
        if view.pin:
            text += " " + says["text-dial-in"].format_map({**values, "pin": view.pin})
        return Entry(
            uid=f"{view.offer_id}@{self._settings.organizer.rpartition('@')[2]}",
            sequence=view.slot_sequence,
            start=start,
            end=start + view.slot_minutes * 60.0,
            stamp=self._now(),
            summary=says["summary-offeree"].format_map(values),
            description=text,
            language=reader.texts.language,
            organisation=self._settings.organisation,
            organizer=self._settings.organizer,
            page=page,
            pin=view.pin,
            number=self._settings.gateway_number,
        )

    # --- answers ------------------------------------------------------------------------------------------------

    def _page(self, token: str, view: View, reader: Reader, choice: _Choice, form: Form, status: int = 200) -> Response:
        try:
            starts = self._bookings.choices(token)
        except UnknownOffer:
            return self._front.to_page(token)  # which says that it is gone
        rules, language = self._bookings.rules, reader.texts.language
        zone = zone_of(choice.zone) or ZoneInfo("UTC")
        table = timetable.lay_out(
            starts, zone, language, rest=rules.rest, minutes=rules.minutes, any_hour=choice.any_hour, day=choice.day
        )
        moves = view.state is State.BOOKED
        values = {
            **self._pages.form(reader, form),
            "path": self._pages.path(token),
            "here": f"{self._pages.path(token)}/later",
            "nonce": self._nonces.make(token, slot_mark(view)),
            "table": table,
            "choice": choice,
            "zones": zones.choices(reader.region, (choice.zone, rules.zone), self._now(), language),
            "moves": moves,
            "tail": "" if moves else view.tail,
            "destination": view.destination_name,
            "slot": self._pages.slot(view, reader) if moves else "",
            "gateway": self._pages.gateway(),
        }
        page = self._pages.render("later.html", reader, values)
        return HTMLResponse(page, status_code=status, headers={"Vary": "Accept-Language, Cookie"})

    def _zone(self, asked: str, view: View, reader: Reader) -> ZoneInfo:
        """The zone that was asked for, else the booking's, else that of the reader's country, else the gateway's."""
        guessed = zones.guess(reader.region, self._bookings.rules.zone)
        return zone_of(asked) or zone_of(view.slot_zone) or zone_of(guessed) or ZoneInfo("UTC")

    def _elsewhere(self, token: str, view: View, reader: Reader) -> Response:
        if view.state in ENDED:
            return self._front.page(token, view, reader, 410, None)
        return self._front.to_page(token)

    async def _posted(self, request: Request) -> _Posted | Response:
        token = request.path_params["token"]
        try:
            fields = await read_form(request)
        except TooLarge:
            return self._front.too_large(request)
        view = self._front.look(token)
        if isinstance(view, str):
            return self._front.worthless(view, request)
        return _Posted(token=token, view=view, reader=self._front.reader(request, view), fields=fields)

    def _verdict(self, posted: _Posted) -> Verdict:
        """What the page nonce is worth; `subject` is hidden: no person fills it in."""
        if posted.fields.get("subject"):
            return Verdict.FORGED
        verdict = self._nonces.check(posted.fields.get("nonce", ""), posted.token, slot_mark(posted.view))
        if verdict is not Verdict.GOOD:
            extra = {"offer": posted.view.offer_id, "verdict": verdict.value}
            log.info("a time without a good page nonce", extra=extra)
        return verdict
