"""The plan over both parties' channels: what may stand in it, in which order, and that it ends."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.calls.model import Channel, Kind, Outcome
from mailgate.calls.pairs import FALLS, MOST_PAIRS, MOST_WAYS, Pair, Run, Way, plan, runs, supported
from mailgate.offers.hours import parse

GATEWAY = "+33199000000"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()  # a Monday
NIGHT = datetime(2026, 11, 23, 23, tzinfo=UTC).timestamp()
WORK = parse("Mon-Fri 9-18", "UTC")

CHANNELS = (
    *(Channel(Kind.TEL, f"+3319900000{n}") for n in range(4)),  # the first one is the gateway's own
    *(Channel(Kind.SIP, name) for name in ("ada", "Ada", "ben", "ben@example.org")),
    Channel(Kind.BROWSER, "0" * 32),
    Channel(Kind.DIAL_IN, "1795305367.2"),
    Channel(Kind.HELD, "PJSIP/trunk-0000002a"),
)
WAYS = st.builds(Way, channel=st.sampled_from(CHANNELS), hours=st.sampled_from([None, WORK]))
LISTS = st.lists(WAYS, max_size=8)
MOMENTS = st.sampled_from([NOON, NIGHT])
AWAY = st.sets(st.sampled_from(CHANNELS))


def tel(end: int) -> Way:
    return Way(channel=Channel(Kind.TEL, f"+331990000{end:02}"))


def sip(name: str) -> Way:
    return Way(channel=Channel(Kind.SIP, name))


def places(ways: list[Way]) -> dict[Channel, int]:
    """Where each channel stands first in the list."""
    order = list(dict.fromkeys(way.channel for way in ways[:MOST_WAYS]))
    channels = [way.channel for way in ways]
    return {channel: channels.index(channel) for channel in order}


@given(LISTS, LISTS, MOMENTS, AWAY)
def test_no_pair_is_unavailable_unsupported_or_out_of_hours(
    ben: list[Way], ada: list[Way], at: float, away: set[Channel]
) -> None:
    for pair in plan(ben, ada, at=at, unavailable=away, own_number=GATEWAY):
        assert not {pair.leg1, pair.leg2} & away
        assert supported(pair.leg1, pair.leg2, GATEWAY)
        assert any(way.channel == pair.leg1 and way.open(at) for way in ben)
        assert any(way.channel == pair.leg2 and way.open(at) for way in ada)


@given(LISTS, LISTS, MOMENTS, AWAY)
def test_no_pair_is_skipped_that_both_would_prefer(
    ben: list[Way], ada: list[Way], at: float, away: set[Channel]
) -> None:
    """Whatever could be connected and is no worse for either than a pair of the plan stands before it."""
    found = plan(ben, ada, at=at, unavailable=away, own_number=GATEWAY)
    place1, place2 = places(ben), places(ada)
    open1 = {c for c, n in place1.items() if ben[n].open(at)} - away
    open2 = {c for c, n in place2.items() if ada[n].open(at)} - away
    usable = [Pair(a, b) for a in open1 for b in open2 if supported(a, b, GATEWAY)]
    for n, pair in enumerate(found):
        better = {
            other
            for other in usable
            if other != pair and place1[other.leg1] <= place1[pair.leg1] and place2[other.leg2] <= place2[pair.leg2]
        }
        assert better <= set(found[:n])
    assert bool(found) == bool(usable)


@given(LISTS, LISTS, MOMENTS, AWAY)
def test_it_ends_and_tries_nothing_twice(ben: list[Way], ada: list[Way], at: float, away: set[Channel]) -> None:
    found = plan(ben, ada, at=at, unavailable=away, own_number=GATEWAY)
    assert len(found) == len(set(found)) <= MOST_PAIRS
    assert len(found) <= MOST_WAYS**2


@given(LISTS, LISTS, MOMENTS)
def test_attempts_hold_every_pair_once_and_keep_the_order(ben: list[Way], ada: list[Way], at: float) -> None:
    found = plan(ben, ada, at=at)
    made = runs(found)
    flat = [Pair(run.leg1, leg2) for run in made for leg2 in run.legs2]
    assert len(flat) == len(found) and set(flat) == set(found)
    assert len({run.leg1 for run in made}) == len(made)
    assert [run.leg1 for run in made] == list(dict.fromkeys(pair.leg1 for pair in found))
    if made:
        assert (made[0].leg1, made[0].legs2[0]) == (found[0].leg1, found[0].leg2)


def test_the_offeree_decides_where_both_places_add_up_to_the_same() -> None:
    a, b, x, y = sip("ben"), tel(2), sip("ada"), tel(34)
    assert plan([a, b], [x, y], at=NOON) == tuple(
        Pair(first.channel, second.channel) for first, second in ((a, x), (a, y), (b, x), (b, y))
    )
    assert runs(plan([a, b], [x, y], at=NOON)) == (
        Run(a.channel, (x.channel, y.channel)),
        Run(b.channel, (x.channel, y.channel)),
    )


def test_who_shares_a_telephone_is_connected_by_another() -> None:
    home, mobile, desk = tel(1), tel(2), sip("ada")
    found = plan([home, mobile], [home, desk], at=NOON)
    assert found == (
        Pair(home.channel, desk.channel),
        Pair(mobile.channel, home.channel),
        Pair(mobile.channel, desk.channel),
    )


@pytest.mark.parametrize(("at", "first"), [(NOON, "sip"), (NIGHT, "tel")])
def test_hours_take_a_channel_out(at: float, first: str) -> None:
    office = Way(channel=Channel(Kind.SIP, "ada"), hours=WORK)
    (pair, *_) = plan([tel(2)], [office, tel(34)], at=at)
    assert pair.leg2.kind.value == first


def test_nothing_is_planned_where_one_side_cannot_be_reached() -> None:
    assert plan([], [tel(34)], at=NOON) == ()
    assert plan([tel(2)], [sip("ada")], at=NOON, unavailable={Channel(Kind.SIP, "ada")}) == ()
    assert runs(()) == ()


def test_who_was_reached_is_not_called_again() -> None:
    reached = {
        *(Outcome.OFFEREE_REJECTED, Outcome.OFFEREE_HUNG_UP, Outcome.NOT_ME, Outcome.DECLINED_BY_KEY),
        *(Outcome.OFFEREE_LEFT, Outcome.COMPLETED, Outcome.REVOKED, Outcome.FAULT, Outcome.LOST),
    }
    assert not reached & FALLS
    assert not {o for o in Outcome if o.name.startswith("DESTINATION_")} & FALLS


def test_a_long_list_is_cut_at_its_end() -> None:
    many = [tel(n) for n in range(10, 19)]
    others = [tel(n) for n in range(40, 49)]
    found = plan(many, others, at=NOON)
    assert len(found) == MOST_PAIRS
    seen = {p.leg1 for p in found} | {p.leg2 for p in found}
    assert seen <= {w.channel for w in itertools.chain(many[:MOST_WAYS], others[:MOST_WAYS])}
