"""Times in a chat: the few that are named, and the one that an answer by word means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailgate import when
from mailgate.offers.hours import zone_of
from mailgate.offers.slots import Rules
from mailgate.offers.words import At

FEW = 4
APART_S = 3600.0
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(name: str) -> ZoneInfo:
    return zone_of(name) or ZoneInfo("UTC")


def awake(times: Sequence[float], zone: str, rules: Rules) -> list[float]:
    """Those at which the reader is not disturbed in their own time zone."""
    return [at for at in times if not rules.rest.disturbed(at, rules.minutes, _zone(zone))]


def few(times: Sequence[float]) -> list[float]:
    """The earliest, and some more that lie apart."""
    found: list[float] = []
    for at in times:
        if len(found) < FEW and (not found or at - found[-1] >= APART_S):
            found.append(at)
    return found


def chosen(times: Sequence[float], zone: str, said: At, now: float) -> float | None:
    """The earliest of these that has the hour and minute, and is on the day, that were said; None where none is."""
    for at in times:
        local = datetime.fromtimestamp(at, _zone(zone))
        if (local.hour, local.minute) == (said.hour, said.minute) and _on(local, said.day, now):
            return at
    return None


def _on(local: datetime, day: str, now: float) -> bool:
    today = datetime.fromtimestamp(now, local.tzinfo).date()
    match day:
        case "":
            return True
        case "0" | "1":
            return local.date() == today + timedelta(days=int(day))
        case _ if day in _WEEKDAYS:
            return _WEEKDAYS[local.weekday()] == day
        case _:
            return local.date().isoformat() == day


def shown(at: float, zone: str, language: str) -> str:
    """Weekday and time, short."""
    said = language.partition("-")[0].lower()
    return f"{when.day(at, _zone(zone), said)}, {when.clock(at, _zone(zone), said)}"


def in_words(at: float, zone: str, language: str) -> str:
    """With the name of the time zone."""
    return when.moment(at, _zone(zone), language.partition("-")[0].lower())
