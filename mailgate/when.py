"""A moment in words, in a reader's language and time zone. Pure.

Unicode CLDR by Babel: https://babel.pocoo.org/en/latest/dates.html
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_location, get_timezone_name


def moment(at: float, zone: ZoneInfo, language: str) -> str:
    """Day, time and the name of the time zone: an hour means nothing to who may be elsewhere."""
    return f"{day(at, zone, language)}, {clock(at, zone, language)} ({zone_name(at, zone, language)})"


def day(at: float, zone: ZoneInfo, language: str) -> str:
    """With weekday and year."""
    return format_date(datetime.fromtimestamp(at, zone), "full", language)


def clock(at: float, zone: ZoneInfo, language: str) -> str:
    """Hours and minutes."""
    return format_time(datetime.fromtimestamp(at, zone), "short", zone, language)


def zone_name(at: float, zone: ZoneInfo, language: str) -> str:
    """What the zone's time is called at that moment, winter or summer."""
    return get_timezone_name(datetime.fromtimestamp(at, zone), "long", locale=language)


@lru_cache(maxsize=4096)
def city(zone: str, language: str) -> str:
    """The city that the zone is named after."""
    return get_timezone_location(ZoneInfo(zone), language, return_city=True).rpartition("/")[2]
