"""The section about calls at a later time: when they may be booked, and how many at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from mailgate.config.kinds import Section
from mailgate.offers import hours


def _hours(text: str) -> str:
    hours.parse(text, "UTC")
    return text


def _time_zone(text: str) -> str:
    if text and hours.zone_of(text) is None:
        raise ValueError("not a time zone, such as Europe/Paris")
    return text


def _rest(text: str) -> str:
    rest_of(text)
    return text


def rest_of(text: str) -> hours.Rest:
    """`8-21`: people may be called from 8 to 21 of their own day. Raises BadHours."""
    (span,) = hours.parse(f"Mon {text}", "UTC").week[0]
    return hours.Rest(begin=span.begin, end=span.end)


TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Later(Section):
    """Calls at a time that the recipient chooses."""

    enabled: bool = True
    slot_minutes: int = Field(default=15, ge=5, le=120)
    horizon_days: float = Field(default=14, gt=0, le=90)
    """How far ahead a time can be chosen, as far as the offer is good."""
    lead_minutes: float = Field(default=5, ge=0, le=1440)
    """The earliest time begins so long from now."""
    hours: Annotated[str, AfterValidator(_hours)] = "Mon-Fri 9-18"
    """Of accounts that have no hours of their own."""
    time_zone: TimeZone = ""
    """Of those hours; empty: that of the gateway's region where it has but one, else UTC."""
    day: Annotated[str, AfterValidator(_rest)] = "8-21"
    """Recipients choose within these hours of their own day, unless they ask for early and late ones."""
    capacity: int = Field(default=0, ge=0, le=100_000)
    """Calls that the trunks carry at once: no more are promised for one time, nor begun at it. 0: half of their
    capacities together, since a call takes two lines; 30 where one of them has no limit."""
