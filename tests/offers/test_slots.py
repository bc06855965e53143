"""Which times can be taken: within hours and validity, not promised twice, and no more than the trunk carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.offers.hours import parse
from mailgate.offers.slots import Rules, SlotRefused, Taken, check, choices

RULES = Rules(capacity=3, horizon_s=3 * 86400.0, lead_s=600.0)
HOURS = parse("Mon-Fri 9-11", "Europe/Paris")
MONDAY = datetime(2027, 1, 18, 9, tzinfo=ZoneInfo("Europe/Paris")).timestamp()
LONG = MONDAY + 90 * 86400.0
NOTHING = Taken()


def refused(start: float, taken: Taken = NOTHING, *, zone: str = "Europe/Paris", now: float = MONDAY - 3600.0) -> str:
    try:
        check(start, zone, HOURS, RULES, taken, now=now, expires_at=LONG)
    except SlotRefused as error:
        return error.reason
    return ""


def test_what_is_shown_is_what_may_be_taken() -> None:
    found = choices(HOURS, RULES, NOTHING, now=MONDAY - 3600.0, expires_at=LONG)
    assert found[0] == MONDAY and len(found) == 3 * 8
    assert [refused(each) for each in found] == [""] * len(found)


def test_neither_too_soon_nor_too_far_nor_beyond_the_offer() -> None:
    found = choices(HOURS, RULES, NOTHING, now=MONDAY, expires_at=MONDAY + 3600.0)
    assert found == [MONDAY + n * 900 for n in (1, 2, 3)], "ten minutes ahead, and wholly within the offer's hour"
    assert refused(MONDAY, now=MONDAY) == "gone"
    assert refused(MONDAY + 5 * 86400.0) == "gone"


@pytest.mark.parametrize("start", [MONDAY + 60, MONDAY - 900, MONDAY + 7200, MONDAY + 0.5, 0.0, -1.0, 1e12])
def test_only_times_that_were_on_offer(start: float) -> None:
    assert refused(start) == "gone"


def test_a_destination_is_promised_once_at_a_time() -> None:
    taken = Taken(slots={(MONDAY, 15): (1, 1), (MONDAY + 900, 15): (1, 0)})
    assert refused(MONDAY, taken) == "taken"
    assert refused(MONDAY + 900, taken) == ""
    found = choices(HOURS, RULES, taken, now=MONDAY - 3600.0, expires_at=LONG)
    assert MONDAY not in found and MONDAY + 900 in found


def test_the_trunk_carries_so_many_and_no_more() -> None:
    assert refused(MONDAY, Taken(slots={(MONDAY, 15): (2, 0)})) == ""
    assert refused(MONDAY, Taken(slots={(MONDAY, 15): (3, 0)})) == "full"
    # slots of another length, from before the rules were changed, hold their lines as well
    longer = Taken(slots={(MONDAY - 1800, 60): (2, 0), (MONDAY + 840, 5): (1, 0)})
    assert refused(MONDAY, longer) == "full"
    assert refused(MONDAY + 1800, longer) == ""


def test_nobody_is_woken_who_has_not_asked_for_it() -> None:
    assert refused(MONDAY, zone="America/New_York") == "rest"
    check(MONDAY, "America/New_York", HOURS, RULES, NOTHING, now=MONDAY - 3600, expires_at=LONG, any_hour=True)
    assert refused(MONDAY, zone="Mars/Olympus") == "zone"


@given(
    st.dictionaries(
        st.tuples(st.integers(-8, 24).map(lambda n: MONDAY + n * 450.0), st.sampled_from([5, 15, 30, 60])),
        st.tuples(st.integers(1, 3), st.integers(0, 1)),
        max_size=12,
    )
)
def test_the_list_and_the_judge_agree(slots: dict[tuple[float, int], tuple[int, int]]) -> None:
    taken = Taken(slots=slots)
    rules = replace(RULES, horizon_s=4 * 3600.0)
    found = choices(HOURS, rules, taken, now=MONDAY - 3600.0, expires_at=LONG)
    everything = [MONDAY + n * 900.0 for n in range(8)]
    assert found == [each for each in everything if not refused(each, taken)]
