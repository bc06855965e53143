"""A booked call as a calendar file (text/calendar), for either party. Pure: in goes an Entry, out come octets.

The UID stays the same for all that becomes of an offer's slot, and SEQUENCE grows, so that a moved call replaces the
earlier one in a calendar and a cancelled one takes it out. Times are written in UTC, which every calendar shows in its
own zone and no change of the clocks can move. What leads to the call (CONFERENCE) is the offeree's page, or the
gateway's number with the PIN; neither party's number is ever in it.

METHOD: REQUEST and CANCEL by mail to whom the call is with, already taken as accepted (nobody is asked to answer a
machine); PUBLISH for a file that is fetched from the page.

Standards: RFC 5545 (iCalendar); RFC 5546, 3.2 (methods); RFC 7986, 5.11 (CONFERENCE).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from importlib.resources import files

from icalendar import Alarm, Calendar, Event, vCalAddress, vUri

CONTENT_TYPE = "text/calendar"
FILE_NAME = "call.ics"
REMIND_S = 600


class Method(Enum):
    """What the file asks of a calendar."""

    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One booked call. Times are UNIX seconds; `stamp` is when the file was made.

    `organizer` is the gateway's own address. `attendee`: to whom the file is mailed, empty for one that is fetched.
    `page` and `pin` are the offeree's, empty in the offeror's file; `number`: the gateway's, E.164, shown by both.
    """

    uid: str
    sequence: int
    start: float
    end: float
    stamp: float
    summary: str
    description: str
    language: str
    organisation: str
    organizer: str
    attendee: str = field(default="", repr=False)
    page: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)
    number: str = ""


def write(entry: Entry, method: Method) -> bytes:
    """The file: UTF-8, lines folded and ended as RFC 5545, 3.1 says."""
    calendar = Calendar()
    calendar.add("prodid", "-//mailgate//calls//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method.value)
    calendar.add_component(_event(entry, method))
    return bytes(calendar.to_ical())


def words(language: str) -> Mapping[str, str]:
    """What calendar files say: templates/mail/calendar.toml; in English where the language has no words of its own."""
    every = _words()
    return every.get(language.partition("-")[0].lower()) or every["en"]


@cache
def _words() -> dict[str, Mapping[str, str]]:
    return tomllib.loads(files("templates").joinpath("mail", "calendar.toml").read_text(encoding="utf-8"))


def _event(entry: Entry, method: Method) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", _utc(entry.stamp))
    event.add("dtstart", _utc(entry.start))
    event.add("dtend", _utc(entry.end))
    event.add("summary", entry.summary, parameters={"LANGUAGE": entry.language})
    if entry.description:
        event.add("description", entry.description, parameters={"LANGUAGE": entry.language})
    event.add("status", "CANCELLED" if method is Method.CANCEL else "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("class", "PRIVATE")
    organizer = vCalAddress(f"mailto:{entry.organizer}")
    organizer.params["CN"] = entry.organisation
    event.add("organizer", organizer)
    if entry.attendee:
        attendee = vCalAddress(f"mailto:{entry.attendee}")
        attendee.params.update({"PARTSTAT": "ACCEPTED", "RSVP": "FALSE", "ROLE": "REQ-PARTICIPANT"})
        event.add("attendee", attendee)
    if method is not Method.CANCEL:
        _add_ways(event, entry)
        event.add_component(_reminder(entry))
    return event


def _add_ways(event: Event, entry: Entry) -> None:
    says = words(entry.language)
    if entry.page:
        event.add("url", vUri(entry.page))
        _add_conference(event, entry.page, "AUDIO", says["page"], entry.language)
    if entry.pin and entry.number:
        # dialled with pauses, as in the example of RFC 7986, 5.11
        _add_conference(event, f"tel:{entry.number},,,{entry.pin}", "PHONE", says["dial-in"], entry.language)


def _add_conference(event: Event, uri: str, feature: str, label: str, language: str) -> None:
    parameters = {"VALUE": "URI", "FEATURE": feature, "LABEL": label, "LANGUAGE": language}
    event.add("conference", vUri(uri), parameters=parameters)


def _reminder(entry: Entry) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", timedelta(seconds=-REMIND_S))
    alarm.add("description", entry.summary)
    return alarm


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)
