"""Time zones to choose from: those of the reader's country, and cities of the world for each offset. Pure.

There are 400 zones and more; a list of all would be most of a page. Whoever's zone is in neither has one with the same
clock in the list, and the browser's script names the very one.

Source: Unicode CLDR by Babel (which country a zone belongs to, what its city is called).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel.core import get_global

from mailgate import when
from mailgate.offers.hours import zone_of

WORLD = (
    "Pacific/Honolulu",
    "America/Anchorage",
    "America/Los_Angeles",
    "America/Denver",
    "America/Phoenix",
    "America/Chicago",
    "America/Mexico_City",
    "America/New_York",
    "America/Bogota",
    "America/Halifax",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires",
    "Atlantic/Azores",
    "UTC",
    "Europe/London",
    "Africa/Lagos",
    "Europe/Paris",
    "Africa/Johannesburg",
    "Europe/Athens",
    "Africa/Cairo",
    "Africa/Nairobi",
    "Europe/Istanbul",
    "Asia/Riyadh",
    "Asia/Tehran",
    "Asia/Dubai",
    "Asia/Kabul",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Perth",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Sydney",
    "Pacific/Auckland",
)


def guess(region: str, otherwise: str) -> str:
    """The zone of a country that has one only, else `otherwise`."""
    found = _by_region().get(region, ())
    return found[0] if len(found) == 1 else otherwise


def choices(region: str, also: Iterable[str], at: float, language: str) -> list[tuple[str, str]]:
    """Names and labels, by offset from UTC at that moment, west to east; `also` are in it whatever they are."""
    names = dict.fromkeys((*also, *_by_region().get(region, ()), *WORLD))
    return list(_labelled(tuple(names), int(at // 86400), language))


@lru_cache(maxsize=256)
def _labelled(names: tuple[str, ...], day: int, language: str) -> tuple[tuple[str, str], ...]:
    entries: dict[tuple[int, str], str] = {}
    for name in names:
        zone = zone_of(name)
        if zone is not None:  # of several names of one city the first is taken: browsers name some by older ones
            entries.setdefault((_offset_s(zone, day * 86400.0), when.city(name, language)), name)
    return tuple((name, f"{city} ({_written(offset)})") for (offset, city), name in sorted(entries.items()))


def _offset_s(zone: ZoneInfo, at: float) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _written(offset_s: int) -> str:
    """`UTC+1`, `UTC−3:30`, `UTC`."""
    if not offset_s:
        return "UTC"
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    sign = "+" if offset_s > 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


@cache
def _by_region() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for zone, region in get_global("zone_territories").items():
        if zone_of(zone) is not None:
            found.setdefault(region, []).append(zone)
    return {region: tuple(zones) for region, zones in found.items()}
