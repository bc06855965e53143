"""When somebody may be called: weekly hours in a time zone, and the hours of rest that everybody has. Pure.

Hours are written as `Mon-Fri 9-18; Sat 10:00-12:30`; days begin on Monday. Wall times become moments once for each
day, so that a day on which the clocks change is as long as it is: an hour that does not exist has no slots, one that
comes twice has slots twice.

Standards: the IANA time zone database through zoneinfo (PEP 615); PEP 495 for times that come twice or never.
Known limit: a span lies within one day; who works past midnight writes two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailgate.errors import MailgateError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
_LONGEST = 300
"""Characters of written hours that are looked at: seven days with several spans each."""

_PIECE = re.compile(r"([A-Za-z]{3})(?:-([A-Za-z]{3}))?\s+(.+)\Z")
_SPAN = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?-([0-9]{1,2})(?::([0-9]{2}))?\Z")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}\Z")  # as tzdata's own names are built


class BadHours(MailgateError):
    """Hours that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From and until, in minutes of a day's wall clock: 0 ≤ begin < end ≤ 1440."""

    begin: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= _DAY_MINUTES:
            raise BadHours("a time of day begins before it ends, within 0:00 to 24:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A week: for each day from Monday on its spans, in order and apart. `zone` is an IANA name."""

    zone: str
    week: tuple[tuple[Span, ...], ...]


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, None where there is none. Safe for what a stranger sends: it is looked up nowhere
    but in the database."""
    if len(name) > 64 or not _ZONE.match(name):
        return None
    try:
        return _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=1024)
def parse(text: str, zone: str) -> Hours:
    """Hours as they are written, in that zone. `Mon-Fri 9-18`, `Mon 9-12,14-18; Fri-Sun 10:00-11:30`. Raises
    BadHours."""
    if zone_of(zone) is None:
        raise BadHours(f"{zone!r} is no time zone; one is Europe/Paris")
    if len(text) > _LONGEST:
        raise BadHours(f"longer than {_LONGEST} characters")
    week: list[list[Span]] = [[] for _ in DAYS]
    for piece in filter(None, (each.strip() for each in text.split(";"))):
        match = _PIECE.match(piece)
        if match is None:
            raise BadHours(f"{piece!r} is not of the form Mon-Fri 9-18")
        first = _day(match[1])
        last = _day(match[2]) if match[2] else first
        spans = [_span(each.strip()) for each in match[3].split(",")]
        for offset in range((last - first) % 7 + 1):
            week[(first + offset) % 7] += spans
    if not any(week):
        raise BadHours("no time at all; write for example Mon-Fri 9-18")
    return Hours(zone=zone, week=tuple(_apart(spans) for spans in week))


def written(hours: Hours) -> str:
    """The shortest text that `parse` reads the same hours from."""
    pieces, day = [], 0
    while day < 7:
        last = day
        while last < 6 and hours.week[last + 1] == hours.week[day]:
            last += 1
        if hours.week[day]:
            days = DAYS[day] if day == last else f"{DAYS[day]}-{DAYS[last]}"
            pieces.append(f"{days} {','.join(f'{_clock(s.begin)}-{_clock(s.end)}' for s in hours.week[day])}")
        day = last + 1
    return "; ".join(pieces)


def starts(hours: Hours, *, after: float, until: float, minutes: int) -> Iterator[float]:
    """The beginnings of slots of so many minutes that lie in the hours and wholly between two moments (UNIX seconds),
    the earliest first, each `minutes` after the one before within a span."""
    zone = _zone(hours.zone)
    length = minutes * 60.0
    day = datetime.fromtimestamp(after, zone).date()
    last = datetime.fromtimestamp(until, zone).date()
    while day <= last:
        for span in hours.week[day.weekday()]:
            at, end = _moment(day, span.begin, zone, fold=0), min(until, _moment(day, span.end, zone, fold=1))
            if at < after:
                at += -((at - after) // length) * length
            while at + length <= end:
                yield at
                at += length
        day += timedelta(days=1)


def within(hours: Hours, at: float) -> bool:
    """Whether that moment (UNIX seconds) lies in the hours."""
    local = datetime.fromtimestamp(at, _zone(hours.zone))
    minute = local.hour * 60 + local.minute
    return any(span.begin <= minute < span.end for span in hours.week[local.weekday()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The hours of a day in which nobody is called who has not chosen so: before `begin` and from `end` on, minutes of
    the wall clock."""

    begin: int = 8 * 60
    end: int = 21 * 60

    def disturbed(self, at: float, minutes: int, zone: ZoneInfo) -> bool:
        """Whether a slot at that moment would disturb somebody who lives in the zone."""
        first = datetime.fromtimestamp(at, zone)
        last = datetime.fromtimestamp(at + minutes * 60, zone)
        ends = last.hour * 60 + last.minute + (_DAY_MINUTES if last.date() > first.date() else 0)
        return first.hour * 60 + first.minute < self.begin or ends > self.end


def _moment(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> float:
    if minute == _DAY_MINUTES:
        day, minute = day + timedelta(days=1), 0
    return datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone).timestamp()


def _day(name: str) -> int:
    try:
        return DAYS.index(name.capitalize())
    except ValueError:
        raise BadHours(f"{name!r} is no day; they are {', '.join(DAYS)}") from None


def _span(text: str) -> Span:
    match = _SPAN.match(text)
    if match is None or int(match[2] or 0) > 59 or int(match[4] or 0) > 59:
        raise BadHours(f"{text!r} is not of the form 9-18 or 9:30-12:00")
    return Span(int(match[1]) * 60 + int(match[2] or 0), int(match[3]) * 60 + int(match[4] or 0))


def _apart(spans: list[Span]) -> tuple[Span, ...]:
    """In order, what overlaps or touches made one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.begin <= joined[-1].end:
            joined[-1] = Span(joined[-1].begin, max(span.end, joined[-1].end))
        else:
            joined.append(span)
    return tuple(joined)


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02}" if minute % 60 else str(minute // 60)
