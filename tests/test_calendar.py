"""Calendar files, read back by two other programs: what moves replaces, what is cancelled goes, no number is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import vobject

from mailgate.calendar import Entry, Method, words, write

START = 1_800_003_600.0
ENTRY = Entry(
    uid="3f1c@example.org",
    sequence=3,
    start=START,
    end=START + 900.0,
    stamp=START - 86400.0,
    summary="Call with Ada; Countess, of Lovelace",
    description="One line,\nand another; with \\ and a very long tail: " + "tail " * 40 + "ünïcödé 📞",
    language="en",
    organisation='The "Analytical" Engines, Ltd; London',
    organizer="calls@example.org",
    attendee="ada@example.org",
    page="https://call.example.org/a/" + "t" * 36,
    pin="123456",
    number="+33199000000",
)


@pytest.mark.parametrize("method", Method, ids=lambda m: m.value)
def test_two_other_programs_read_the_same(method: Method) -> None:
    raw = write(ENTRY, method)
    first = icalendar.Calendar.from_ical(raw)
    [event] = first.walk("VEVENT")
    assert not event.errors
    second = vobject.readOne(raw.decode())
    assert str(first["METHOD"]) == second.method.value == method.value
    assert str(first["VERSION"]) == second.version.value == "2.0"
    assert str(event["UID"]) == second.vevent.uid.value == ENTRY.uid
    assert event["SEQUENCE"] == int(second.vevent.sequence.value) == 3
    assert event["DTSTART"].dt == second.vevent.dtstart.value == datetime.fromtimestamp(START, UTC)
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(minutes=15)
    assert str(event["SUMMARY"]) == second.vevent.summary.value == ENTRY.summary
    assert str(event["DESCRIPTION"]) == second.vevent.description.value == ENTRY.description
    assert str(event["STATUS"]) == second.vevent.status.value
    assert event["STATUS"] == ("CANCELLED" if method is Method.CANCEL else "CONFIRMED")
    assert event["ORGANIZER"] == second.vevent.organizer.value == "mailto:calls@example.org"


def test_lines_are_folded_and_ended_as_calendars_want_them() -> None:
    raw = write(ENTRY, Method.REQUEST)
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    assert max(len(line) for line in raw.split(b"\r\n")) <= 75, "RFC 5545, 3.1: octets"


def test_what_leads_to_the_call() -> None:
    [event] = icalendar.Calendar.from_ical(write(ENTRY, Method.PUBLISH)).walk("VEVENT")
    page, telephone = event["CONFERENCE"]
    assert (str(page), page.params["FEATURE"], page.params["LABEL"]) == (ENTRY.page, "AUDIO", "The call’s page")
    assert (str(telephone), telephone.params["FEATURE"]) == ("tel:+33199000000,,,123456", "PHONE")
    assert page.params["VALUE"] == "URI"
    assert event["URL"] == ENTRY.page
    [alarm] = event.walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(minutes=-10)


def test_the_offeror_gets_no_page_and_no_pin() -> None:
    raw = write(replace(ENTRY, page="", pin="", description=""), Method.REQUEST)
    assert b"CONFERENCE" not in raw and b"/a/" not in raw and b"123456" not in raw
    [event] = icalendar.Calendar.from_ical(raw).walk("VEVENT")
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"


@pytest.mark.parametrize("name", ["x\r\nATTENDEE:mailto:eve@example.net", "x\nBEGIN:VALARM", "x\r\n\r\nEND:VEVENT"])
def test_no_name_and_no_address_makes_a_line_of_its_own(name: str) -> None:
    [event] = icalendar.Calendar.from_ical(
        write(replace(ENTRY, summary=name, description=name, attendee=""), Method.PUBLISH)
    ).walk("VEVENT")
    assert "ATTENDEE" not in event
    assert len(event.walk("VALARM")) == 1


def test_every_language_says_the_same() -> None:
    english = words("en")
    for language in ("de", "fr", "de-AT", "xx"):
        assert words(language).keys() == english.keys()
    assert words("xx") is english and words("de-AT") is words("de") is not english
