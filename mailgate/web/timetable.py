"""Moments that can be chosen, as a page shows them: by day in the reader's time zone, each with its time. Pure.

Times in the hours of rest are left out until they are asked for. Where the clocks are set back a time comes twice in a
night: both are shown with their distance from UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, get_timezone_gmt

from mailgate import when
from mailgate.offers.hours import Rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day with something to choose; `key` is its date (ISO 8601)."""

    key: str
    short: str
    full: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A moment to choose: UNIX seconds, and its words."""

    at: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """All days, the one that is shown, and its times. `hidden`: there are times that only the early and late see."""

    days: tuple[Day, ...] = ()
    shown: Day | None = None
    times: tuple[Time, ...] = ()
    hidden: bool = False


def lay_out(
    starts: Sequence[float], zone: ZoneInfo, language: str, *, rest: Rest, minutes: int, any_hour: bool, day: str
) -> Timetable:
    """The timetable of some moments, with the times of that day (ISO 8601), else of the first that has any."""
    seen = [at for at in starts if any_hour or not rest.disturbed(at, minutes, zone)]
    by_day: dict[date, list[float]] = {}
    for at in seen:
        by_day.setdefault(datetime.fromtimestamp(at, zone).date(), []).append(at)
    days = tuple(_day(each[0], zone, language) for each in by_day.values())
    shown = next((each for each in days if each.key == day), days[0] if days else None)
    times: tuple[Time, ...] = ()
    if shown is not None:
        times = _times(by_day[date.fromisoformat(shown.key)], zone, language)
    return Timetable(days=days, shown=shown, times=times, hidden=len(seen) < len(starts))


def day_of(at: float, zone: ZoneInfo) -> str:
    """The date (ISO 8601) of a moment."""
    return datetime.fromtimestamp(at, zone).date().isoformat()


def _day(at: float, zone: ZoneInfo, language: str) -> Day:
    local = datetime.fromtimestamp(at, zone)
    return Day(
        key=local.date().isoformat(),
        short=format_skeleton("MMMEd", local, locale=language),
        full=when.day(at, zone, language),
    )


def _times(moments: Sequence[float], zone: ZoneInfo, language: str) -> tuple[Time, ...]:
    labels = [when.clock(at, zone, language) for at in moments]
    often = Counter(labels)
    return tuple(
        Time(at=int(at), label=label if often[label] == 1 else f"{label} ({_gmt(at, zone, language)})")
        for at, label in zip(moments, labels, strict=True)
    )


def _gmt(at: float, zone: ZoneInfo, language: str) -> str:
    return get_timezone_gmt(datetime.fromtimestamp(at, zone), locale=language)
