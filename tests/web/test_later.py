"""A call at another time: shown in the reader's zone, taken by a person once, moved, given up, put into a calendar."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime
from html import unescape
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
from web_gateway import ADA, BEN, Gateway, MakeGateway, nonce_of, slot_rules

from mailgate.calls.model import Answered, Channel, Ended, Kind, Outcome
from mailgate.offers.events import Due, Passed
from mailgate.offers.notice import Kind as Told
from mailgate.offers.service import Rules
from mailgate.offers.slots import Missed
from mailgate.offers.table import State

ENGLISH = {"Accept-Language": "en"}
PARIS = ZoneInfo("Europe/Paris")
# The gateway's clock begins on Friday 2027-01-15 at 9:00 in Paris.
TEN = datetime(2027, 1, 15, 10, tzinfo=PARIS).timestamp()
HOUR, DAY = 3600.0, 86400.0


async def times_page(gateway: Gateway, token: str, query: str = "?zone=Europe/Paris") -> str:
    return unescape((await gateway.client.get(f"/a/{token}/later{query}", headers=ENGLISH)).text)


def times(page: str) -> dict[str, int]:
    """What there is to choose: label → UNIX seconds."""
    found = re.findall(r'name="at" value="(\d+)"[^>]*><span>([^<]+)<', page)
    return {label.replace("\N{NARROW NO-BREAK SPACE}", " "): int(at) for at, label in found}


async def book(gateway: Gateway, token: str, at: float | str = TEN, **typed: str) -> httpx.Response:
    """What a person does: looks, chooses a time, types a number, presses."""
    page = await times_page(gateway, token)
    fields = {
        "nonce": nonce_of(page, "/later"),
        "subject": "",
        "zone": "Europe/Paris",
        "at": at if isinstance(at, str) else str(int(at)),
    }
    fields |= {"region": "FR", "number": "01 99 00 56 78"} | typed
    return await gateway.client.post(f"/a/{token}/later", data=fields, headers=ENGLISH)


async def cancel(gateway: Gateway, token: str, **typed: str) -> httpx.Response:
    page = (await gateway.client.get(f"/a/{token}")).text
    fields = {"nonce": nonce_of(page, "/later/cancel"), "subject": "", "sure": "yes"} | typed
    return await gateway.client.post(f"/a/{token}/later/cancel", data=fields)


async def due(gateway: Gateway, token: str) -> str:
    """The slot's time comes; the attempt's id."""
    attempt_id = f"{int(gateway.clock()):032x}"
    await gateway.offers.apply(gateway.offers.offer_id_of(token), Due(attempt_id=attempt_id))
    await gateway.placed(1)
    return attempt_id


async def test_a_time_is_booked_shown_and_told(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    answer = await book(gateway, token)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}")
    view = gateway.offers.look(token)
    assert (view.state, view.slot_at, view.slot_zone) == (State.BOOKED, TEN, "Europe/Paris")
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "Your call is booked" in page
    assert "Friday, January 15, 2027, 10:00 AM (Central European Standard Time)" in page
    assert BEN not in page and "99 00 56 78" not in page
    [notice] = gateway.notices()
    assert (notice.kind, notice.address, float(notice.values["start"])) == (Told.SLOT_BOOKED, "ada@example.org", TEN)
    assert gateway.calls.orders == [], "nobody is called before the time"


@pytest.mark.parametrize("language", ["en", "de", "fr"])
async def test_the_times_are_those_of_the_reader_s_own_zone(gateway: Gateway, language: str) -> None:
    token = await gateway.open()
    for zone, hour in (("Europe/Paris", 10), ("Europe/London", 9), ("Asia/Kathmandu", 14)):
        answer = await gateway.client.get(f"/a/{token}/later?zone={zone}", headers={"Accept-Language": language})
        there = datetime.fromtimestamp(TEN, ZoneInfo(zone))
        assert there.hour == hour
        said = re.search(rf'value="{int(TEN)}"[^>]*><span>([^<]+)<', answer.text)
        assert said is not None and f"{there:%M}" in said[1], (zone, said)
        assert f'<option value="{zone}" selected>' in answer.text


async def test_without_a_zone_the_reader_s_country_tells_it_and_else_the_gateway(gateway: Gateway) -> None:
    token = await gateway.open()
    for language, zone in (("de-DE", "Europe/Paris"), ("ja-JP", "Asia/Tokyo"), ("en-US", "Europe/Paris")):
        page = (await gateway.client.get(f"/a/{token}/later", headers={"Accept-Language": language})).text
        # Germany has two zones (Büsingen), the United States many
        assert f'<option value="{zone}" selected>' in page, language
        assert f'data-zone="{zone}"' in page, "the script may know better"


async def test_a_zone_that_is_none_is_told(gateway: Gateway) -> None:
    token = await gateway.open()
    for zone in ("Mars/Olympus", "../../etc/passwd", "%00", "x" * 500):
        page = await times_page(gateway, token, f"?zone={zone}")
        assert "We do not know that time zone" in page
        assert "data-zone" not in page, "or the script would ask for it again and again"


async def test_days_are_chosen_by_links(gateway: Gateway) -> None:
    token = await gateway.open()
    page = await times_page(gateway, token)
    days = re.findall(r'href="[^"]*\?day=([0-9-]+)&zone=Europe/Paris#times"', page)
    assert days[0] == "2027-01-15" and len(days) == 8
    other = await times_page(gateway, token, f"?zone=Europe/Paris&day={days[3]}")
    shown = {datetime.fromtimestamp(at, PARIS).date().isoformat() for at in times(other).values()}
    assert shown == {days[3]}
    for nonsense in ("1999-01-01", "yesterday", "'"):
        assert times(await times_page(gateway, token, f"?zone=Europe/Paris&day={nonsense}")) == times(page)


async def test_early_and_late_hours_are_shown_to_who_asks_for_them(gateway: Gateway) -> None:
    token = await gateway.open()
    page = await times_page(gateway, token)
    hours = {datetime.fromtimestamp(at, PARIS).hour for at in times(page).values()}
    assert hours == set(range(9, 21))
    assert "Show early and late hours too" in page
    late = datetime(2027, 1, 15, 22, tzinfo=PARIS).timestamp()
    assert (await book(gateway, token, late)).status_code == 422
    every = await times_page(gateway, token, "?zone=Europe/Paris&any=1")
    assert int(late) in times(every).values() and "Show early and late" not in every
    assert (await book(gateway, token, late, any="1")).status_code == 303


async def test_pressed_often_it_is_booked_once(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    page = await times_page(gateway, token)
    fields = {"nonce": nonce_of(page, "/later"), "zone": "Europe/Paris", "at": str(int(TEN)), "region": "FR"}
    fields |= {"number": "01 99 00 56 78"}
    answers = await asyncio.gather(*(gateway.client.post(f"/a/{token}/later", data=fields) for _ in range(20)))
    answers.append(await gateway.client.post(f"/a/{token}/later", data=fields))
    assert {a.status_code for a in answers} == {303}
    assert gateway.history(token) == ["booked"]
    assert len(gateway.notices()) == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"at": ""}, "Please choose one of the times"),
        ({"at": "soon"}, "Please choose one of the times"),
        ({"at": str(int(TEN) + 60)}, "can no longer be chosen"),
        ({"at": "99999999999"}, "can no longer be chosen"),
        ({"number": ""}, "Please enter the number"),
        ({"number": "112"}, "emergency"),
        ({"number": ADA}, "the same telephone twice"),
        ({"number": "sip:ben@sip.example"}, "does not look like a telephone number"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    gateway: Gateway, typed: dict[str, str], words: str
) -> None:
    token = await gateway.open()
    answer = await book(gateway, token, mail="yes", **typed)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'name="mail" value="yes" checked' in answer.text
    if "number" in typed:
        assert f'value="{int(TEN)}" checked' in answer.text, "the time stays chosen"
        assert 'aria-describedby="number-hint number-error"' in answer.text
    else:
        assert 'value="01 99 00 56 78"' in answer.text
        assert 'aria-describedby="later-error"' in answer.text
    assert gateway.history(token) == []


async def test_a_sip_address_where_allowed(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    assert (await book(gateway, token, number="sip:ben@sip.example")).status_code == 303
    attempt_id = await due_at(gateway, token)
    assert gateway.calls.orders[-1].leg1 == Channel(Kind.SIP, "ben@sip.example") and attempt_id


async def due_at(gateway: Gateway, token: str) -> str:
    gateway.clock.at = TEN
    return await due(gateway, token)


async def test_without_the_page_s_nonce_nothing_is_booked(gateway: Gateway) -> None:
    token, other = await gateway.open(), await gateway.open()
    foreign = nonce_of(await times_page(gateway, other), "/later")
    for nonce in ("", "x", foreign):
        answer = await book(gateway, token, nonce=nonce)
        assert answer.status_code == 403
        assert f'value="{int(TEN)}" checked' in answer.text
    assert (await book(gateway, token, subject="yes")).status_code == 403
    assert gateway.history(token) == []


async def test_what_another_has_taken_is_not_shown_and_told_when_pressed(gateway: Gateway) -> None:
    first, second = await gateway.open(), await gateway.open()
    assert int(TEN) in times(await times_page(gateway, second)).values()
    await book(gateway, first)
    assert int(TEN) not in times(await times_page(gateway, second)).values()
    answer = await book(gateway, second)
    assert answer.status_code == 422
    assert "Somebody else has just taken that time" in answer.text


async def test_moved_and_cancelled(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    await book(gateway, token)
    page = await times_page(gateway, token)
    assert "Choose another time" in page and "Booked so far" in page
    assert (await book(gateway, token, TEN + HOUR, number="")).status_code == 303
    assert gateway.offers.look(token).slot_at == TEN + HOUR
    assert (await cancel(gateway, token, sure="")).status_code == 303
    assert (await cancel(gateway, token, subject="yes")).status_code == 303
    assert (await cancel(gateway, token, nonce="x")).status_code == 303
    assert gateway.history(token) == ["booked", "moved"], "not by a form as it is served"
    assert (await cancel(gateway, token)).status_code == 303
    assert gateway.history(token) == ["booked", "moved", "cancelled"]
    assert [n.kind for n in gateway.notices()] == [Told.SLOT_BOOKED, Told.SLOT_MOVED, Told.SLOT_CANCELLED]
    assert "offers you a call" in (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text


async def test_a_scanner_finds_nothing_to_do_on_the_page_of_a_booking(gateway: Gateway) -> None:
    token = await gateway.open()
    await book(gateway, token)
    page = (await gateway.client.get(f"/a/{token}")).text
    moving = await times_page(gateway, token)
    for path, nonce in (("later", nonce_of(moving, "/later")), ("later/cancel", nonce_of(page, "/later/cancel"))):
        for filled in ("", "yes", "1", "+33199005678"):
            fields = {"nonce": nonce, "subject": filled, "zone": "Europe/Paris", "number": filled, "region": "FR"}
            await gateway.client.post(f"/a/{token}/{path}", data=fields)
            await gateway.client.get(f"/a/{token}/{path}")
    assert gateway.history(token) == ["booked"]


async def test_who_asks_for_it_is_mailed_the_file(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    await book(gateway, token, mail="yes")
    assert {n.address for n in gateway.notices()} == {"ada@example.org", "ben@example.net"}


async def test_the_calendar_file(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6))
    token = await gateway.open()
    assert (await gateway.client.get(f"/a/{token}/later/call.ics")).status_code == 303
    await book(gateway, token)
    answer = await gateway.client.get(f"/a/{token}/later/call.ics", headers=ENGLISH)
    assert answer.headers["content-type"].startswith("text/calendar; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="call.ics"'
    parsed = icalendar.Calendar.from_ical(answer.text)
    assert parsed["METHOD"] == "PUBLISH"
    [event] = parsed.walk("VEVENT")
    view = gateway.offers.look(token)
    assert (event["UID"], event["SEQUENCE"]) == (f"{view.offer_id}@example.org", 1)
    assert event["DTSTART"].dt.timestamp() == TEN
    ways = [str(way) for way in event["CONFERENCE"]]
    assert ways == [f"http://127.0.0.1/a/{token}", f"tel:+33199000001,,,{view.pin}"]
    for number in (ADA, BEN):
        assert number[1:] not in answer.text.replace("\r\n ", "")
    await book(gateway, token, TEN + HOUR, number="")
    moved = icalendar.Calendar.from_ical((await gateway.client.get(f"/a/{token}/later/call.ics")).text)
    assert (moved.walk("VEVENT")[0]["UID"], moved.walk("VEVENT")[0]["SEQUENCE"]) == (event["UID"], 2)


async def test_when_the_time_comes_the_page_follows_and_says_how_it_went(gateway: Gateway) -> None:
    token = await gateway.open()
    await book(gateway, token)
    attempt_id = await due_at(gateway, token)
    assert "We are calling you" in (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER))
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "You did not pick up" in page and "Choose a time" in page
    gateway.clock.at += DAY
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "The call did not come about" in page and "you were not put through" in page
    assert (await book(gateway, token, TEN + 2 * DAY)).status_code == 303
    assert gateway.offers.look(token).state is State.BOOKED


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        (Missed.LATE, "our telephone lines were not available"),
        (Missed.DO_NOT_DISTURB, "Ada Lovelace takes no calls just now"),
        (Missed.NOT_CALLABLE, "may not be called any more"),
    ],
)
async def test_a_time_that_passed_is_explained(gateway: Gateway, missed: Missed, words: str) -> None:
    token = await gateway.open()
    await gateway.press(token)  # an earlier call, of which the page does not tell now
    await gateway.offers.on_call_event(Ended(attempt_id=await gateway.placed(), outcome=Outcome.OFFEREE_BUSY))
    await book(gateway, token)
    gateway.clock.at = TEN
    await gateway.offers.apply(gateway.offers.offer_id_of(token), Passed(missed=missed))
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "The call did not come about" in page and words in page
    assert "Choose a time" in page and "Call me now" in page


async def test_the_destination_first(gateway: Gateway) -> None:
    gateway.account(rings_first=True)
    token = await gateway.open()
    await book(gateway, token)
    attempt_id = await due_at(gateway, token)
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "We are calling Ada Lovelace first" in page
    await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "Ada Lovelace is picking up" in page and "Your telephone rings in a moment" in page


async def test_instead_of_waiting_one_may_be_called_now(gateway: Gateway) -> None:
    token = await gateway.open()
    await book(gateway, token)
    assert (await gateway.press(token)).status_code == 303
    attempt_id = await gateway.placed()
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_BUSY))
    assert gateway.offers.look(token).state is State.BOOKED, "and keeps the time where it failed"


async def test_where_no_times_are_offered_there_is_nothing_of_them(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(slots=None, later=False)
    token = await gateway.open()
    assert "/later" not in (await gateway.client.get(f"/a/{token}")).text
    assert (await gateway.client.get(f"/a/{token}/later")).status_code == 404


async def test_no_time_left_is_said(make_gateway: MakeGateway) -> None:
    rules = replace(slot_rules(), hours="Sun 3-3:15", horizon_s=DAY)
    gateway = await make_gateway(slots=rules)
    page = await times_page(gateway, await gateway.open())
    assert "no time to choose from" in page and 'name="at"' not in page


@pytest.mark.parametrize("path", ["later", "later/cancel", "later/call.ics"])
async def test_tokens_that_are_none_and_offers_that_have_ended(gateway: Gateway, path: str) -> None:
    assert (await gateway.client.get(f"/a/{'x' * 36}/{path}")).status_code in (303, 404)
    assert (await gateway.client.post(f"/a/{'x' * 36}/{path}", data={"at": "1"})).status_code in (404, 405)
    token = await gateway.open()
    page = await times_page(gateway, token)
    await gateway.offers.revoke(gateway.offers.offer_id_of(token))
    assert (await gateway.client.get(f"/a/{token}/{path}")).status_code in (303, 410)
    fields = {"nonce": nonce_of(page, "/later"), "at": str(int(TEN)), "number": BEN, "sure": "yes"}
    assert (await gateway.client.post(f"/a/{token}/{path}", data=fields)).status_code in (303, 405, 410)
    assert gateway.history(token) == ["revoked"]


async def test_a_page_left_open_is_asked_to_press_again(gateway: Gateway) -> None:
    token = await gateway.open()
    page = await times_page(gateway, token)
    gateway.clock.at += 1801
    fields = {"nonce": nonce_of(page, "/later"), "zone": "Europe/Paris", "at": str(int(TEN)), "region": "FR"}
    answer = await gateway.client.post(f"/a/{token}/later", data=fields | {"number": "01 99 00 56 78"}, headers=ENGLISH)
    assert answer.status_code == 200 and "had been open for a while" in answer.text
    assert gateway.history(token) == []


async def test_the_page_is_small_and_tells_no_number(gateway: Gateway) -> None:
    token = await gateway.open()
    for language in ("en", "de", "fr"):
        answer = await gateway.client.get(f"/a/{token}/later?any=1", headers={"Accept-Language": language})
        assert len(answer.content) < 30_000, language
        assert ADA[1:] not in answer.text


# --- the offeror's side ---------------------------------------------------------------------------------------------


async def signed_in(gateway: Gateway) -> None:
    """Ada's session is in the client's cookies from here on."""
    await gateway.client.post("/my/link", data={"address": "ada@example.org"})
    secret = gateway.notices()[-1].values["secret"]
    assert (await gateway.client.post(f"/my/in/{secret}", data={})).status_code == 303


async def my_page(gateway: Gateway) -> tuple[str, str]:
    page = (await gateway.client.get("/my", headers=ENGLISH)).text
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None, page
    return page, found[1]


async def test_the_offeror_sees_a_booking_and_may_cancel_it(gateway: Gateway) -> None:
    gateway.account(time_zone="Asia/Tokyo", hours="Mon-Sun 0-24")
    token = await gateway.open()
    await book(gateway, token)
    await signed_in(gateway)
    page, key = await my_page(gateway)
    assert "Booked for Friday, January 15, 2027, 6:00" in page, "in the account's own zone"
    fields = {"key": key, "offer": gateway.offers.offer_id_of(token)}
    assert (await gateway.client.post("/my/cancel", data=fields | {"key": "x"})).status_code == 403
    assert (await gateway.client.post("/my/cancel", data=fields)).status_code == 303
    assert gateway.history(token) == ["booked", "cancelled"]
    assert "Booked for" not in (await my_page(gateway))[0]


async def test_the_offeror_sets_hours(gateway: Gateway) -> None:
    gateway.account()
    await signed_in(gateway)
    page, key = await my_page(gateway)
    assert 'value="Mon-Sun 0-24"' in page, "the usual ones"
    fields = {"key": key, "hours": "Fri 14-15", "zone": "Europe/Paris", "first": "yes"}
    wrong = await gateway.client.post("/my/hours", data=fields | {"hours": "Freitags"}, headers=ENGLISH)
    assert wrong.status_code == 422 and "We cannot read that" in wrong.text and 'value="Freitags"' in wrong.text
    assert (await gateway.client.post("/my/hours", data=fields | {"zone": "x"})).status_code == 422
    assert (await gateway.client.post("/my/hours", data=fields)).status_code == 303
    page, _ = await my_page(gateway)
    assert 'value="Fri 14-15"' in page and 'name="first" value="yes" checked' in page
    token = await gateway.open()
    found = times(await times_page(gateway, token)).values()
    assert {datetime.fromtimestamp(at, PARIS).hour for at in found} == {14}
    await book(gateway, token, min(found))
    gateway.clock.at = min(found)
    await due(gateway, token)
    assert gateway.offers.look(token).destination_first
    assert (await gateway.client.post("/my/hours", data={"key": key, "hours": "", "zone": ""})).status_code == 303
    assert 'value="Mon-Sun 0-24"' in (await my_page(gateway))[0]


async def test_a_number_that_the_offeror_gave_is_known_by_four_of_its_digits(gateway: Gateway) -> None:
    token = await gateway.open(offeree=Channel(Kind.TEL, BEN))
    page = await times_page(gateway, token)
    assert 'name="digits"' in page and BEN not in page and "5678" not in page
    for digits, words in (("", "four digits"), ("0000", "not the digits")):
        answer = await book(gateway, token, number="", digits=digits)
        assert answer.status_code == 422 and "digits-error" in answer.text, words
    assert (await book(gateway, token, number="", digits=BEN[-6:-2])).status_code == 303
    gateway.clock.at = TEN
    await due(gateway, token)
    assert gateway.calls.orders[-1].leg1 == Channel(Kind.TEL, BEN)
