"""Hours: read and written, and the slots that lie in them on every day of every zone, those with other clocks too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.offers.hours import BadHours, Hours, Rest, Span, parse, starts, written, zone_of

PARIS = ZoneInfo("Europe/Paris")
ZONES = sorted(name for name in available_timezones() if zone_of(name) is not None)
DAY_S = 86400.0


def at(zone: str, *moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type, misc]


def clocks(found: list[float], zone: str) -> list[str]:
    return [datetime.fromtimestamp(each, ZoneInfo(zone)).strftime("%H:%M") for each in found]


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("Mon-Fri 9-18", "Mon-Fri 9-18"),
        ("mon-fri 09:00-18:00", "Mon-Fri 9-18"),
        ("Sat 10-12:30; Mon-Fri 9-12,13-18", "Mon-Fri 9-12,13-18; Sat 10-12:30"),
        ("Fri-Mon 0-24", "Mon 0-24; Fri-Sun 0-24"),
        ("Mon 9-12,11-13,13-14", "Mon 9-14"),
        ("Tue 9-10; Tue 14-15;", "Tue 9-10,14-15"),
        ("Mon-Sun 23:45-24:00", "Mon-Sun 23:45-24"),
    ],
)
def test_hours_as_people_write_them(text: str, again: str) -> None:
    hours = parse(text, "Europe/Paris")
    assert written(hours) == again
    assert parse(again, "Europe/Paris") == hours


@pytest.mark.parametrize(
    ("text", "zone", "why"),
    [
        ("", "Europe/Paris", "no time at all"),
        ("always", "Europe/Paris", "not of the form"),
        ("Mon-Fri", "Europe/Paris", "not of the form"),
        ("Lun 9-18", "Europe/Paris", "is no day"),
        ("Mon 18-9", "Europe/Paris", "begins before it ends"),
        ("Mon 9-25", "Europe/Paris", "within 0:00 to 24:00"),
        ("Mon 9:60-10", "Europe/Paris", "not of the form 9-18"),
        ("Mon 9-24:30", "Europe/Paris", "within 0:00 to 24:00"),
        ("Mon 9-18", "Paris", "no time zone"),
        ("Mon 9-18", "../../etc/passwd", "no time zone"),
        ("Mon 9-18", "", "no time zone"),
        ("Mon 9-10;" * 100, "Europe/Paris", "longer than"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, zone: str, why: str) -> None:
    with pytest.raises(BadHours, match=why):
        parse(text, zone)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "Europe/../Paris", "Europe/Paris\0", "x" * 65, "Europe", "é"])
def test_what_is_no_zone_is_looked_for_nowhere(name: str) -> None:
    assert zone_of(name) is None


def test_a_day_s_slots() -> None:
    hours = parse("Mon-Fri 9-10:30,14-14:40", "Europe/Paris")
    monday = at("Europe/Paris", 2027, 1, 18)
    found = list(starts(hours, after=monday, until=monday + DAY_S, minutes=15))
    assert clocks(found, "Europe/Paris") == ["09:00", "09:15", "09:30", "09:45", "10:00", "10:15", "14:00", "14:15"]
    rest = list(starts(hours, after=monday + 9 * 3600 + 1, until=monday + 10 * 3600, minutes=15))
    assert clocks(rest, "Europe/Paris") == ["09:15", "09:30", "09:45"], "the grid is the span's, not the moment's"
    assert not list(starts(hours, after=monday - 2 * DAY_S, until=monday, minutes=15)), "a weekend"


def test_where_the_clocks_go_forward_an_hour_has_no_slots() -> None:
    hours = parse("Sun 1-4", "Europe/Paris")
    night = at("Europe/Paris", 2027, 3, 28)
    found = list(starts(hours, after=night, until=night + DAY_S, minutes=30))
    assert clocks(found, "Europe/Paris") == ["01:00", "01:30", "03:00", "03:30"]
    gone = parse("Sun 2-3", "Europe/Paris")
    assert not list(starts(gone, after=night, until=night + DAY_S, minutes=30))


def test_where_the_clocks_go_back_an_hour_has_its_slots_twice() -> None:
    hours = parse("Sun 2-3", "Europe/Paris")
    night = at("Europe/Paris", 2027, 10, 31)
    found = list(starts(hours, after=night, until=night + DAY_S + 3600, minutes=30))
    assert clocks(found, "Europe/Paris") == ["02:00", "02:30", "02:00", "02:30"]
    assert [b - a for a, b in pairwise(found)] == [1800.0] * 3


def test_the_slot_is_the_same_hour_before_and_after_the_clocks_change() -> None:
    hours = parse("Mon-Sun 9-10", "Europe/Paris")
    found = list(starts(hours, after=at("Europe/Paris", 2027, 3, 25), until=at("Europe/Paris", 2027, 4, 1), minutes=60))
    assert clocks(found, "Europe/Paris") == ["09:00"] * 7
    assert {b - a for a, b in pairwise(found)} == {DAY_S, DAY_S - 3600}


spans = st.lists(
    st.tuples(st.integers(0, 95), st.integers(1, 96)).filter(lambda s: s[0] < s[1]), min_size=1, max_size=3
)


@given(
    zone=st.sampled_from(ZONES),
    begin=st.integers(
        int(datetime(1975, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2060, 1, 1, tzinfo=UTC).timestamp())
    ),
    days=st.integers(1, 5),
    quarters=spans,
    minutes=st.sampled_from([5, 15, 20, 30, 60]),
)
def test_in_every_zone_and_year_slots_lie_in_the_hours_and_apart(
    zone: str, begin: int, days: int, quarters: list[tuple[int, int]], minutes: int
) -> None:
    week = parse("; ".join(f"Mon-Sun {_hm(a)}-{_hm(b)}" for a, b in quarters), zone)
    until = begin + days * DAY_S
    found = list(starts(week, after=begin, until=until, minutes=minutes))
    assert found == sorted(set(found))
    assert all(b - a >= minutes * 60 for a, b in pairwise(found)), "no two overlap"
    there = ZoneInfo(zone)
    for each in found:
        assert begin <= each and each + minutes * 60 <= until
        local = datetime.fromtimestamp(each, there)
        minute = local.hour * 60 + local.minute
        assert any(s.begin <= minute < s.end for s in week.week[local.weekday()]), (local, written(week))
        assert local.timestamp() == each, "a moment that the zone's clocks do show"
    for day in range(days - 1):  # an hour that is as long as it says has all its slots
        noon = datetime.combine(date.fromtimestamp(begin) + timedelta(days=day + 1), datetime.min.time(), there)
        _all_there(week, found, noon.date(), there, minutes, begin, until)


def _all_there(
    hours: Hours, found: list[float], day: date, zone: ZoneInfo, minutes: int, begin: float, until: float
) -> None:
    midnight = datetime.combine(day, datetime.min.time(), zone)
    after = midnight + timedelta(days=1)
    if after.timestamp() - midnight.timestamp() != DAY_S or any(
        (midnight + timedelta(minutes=m)).utcoffset() != midnight.utcoffset() for m in range(0, 1440, 15)
    ):
        return  # the clocks change on that day
    for span in hours.week[day.weekday()]:
        first = midnight.timestamp() + span.begin * 60
        expected = (span.end - span.begin) // minutes
        inside = [first + n * minutes * 60 for n in range(expected)]
        assert [each for each in inside if begin <= each and each + minutes * 60 <= until and each not in found] == []


def _hm(quarter: int) -> str:
    return f"{quarter // 4}:{quarter % 4 * 15:02}"


def test_rest_is_that_of_whoever_is_called() -> None:
    rest = Rest(begin=8 * 60, end=21 * 60)
    nine = at("Europe/Paris", 2027, 1, 18, 9)
    assert not rest.disturbed(nine, 15, PARIS)
    assert rest.disturbed(nine, 15, ZoneInfo("America/New_York")), "three in the morning there"
    assert not rest.disturbed(at("Europe/Paris", 2027, 1, 18, 20, 45), 15, PARIS), "until nine in the evening"
    assert rest.disturbed(at("Europe/Paris", 2027, 1, 18, 20, 50), 15, PARIS)
    assert rest.disturbed(at("Europe/Paris", 2027, 1, 18, 7, 59), 15, PARIS)
    assert rest.disturbed(at("Europe/Paris", 2027, 1, 18, 23, 55), 15, PARIS), "over midnight"


def test_a_span_within_a_day() -> None:
    with pytest.raises(BadHours):
        Span(600, 600)
