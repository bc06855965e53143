"""Forwarding policies: the rules as a table, and what the state machine makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.calls.model import Channel, Ended, Kind, Outcome
from mailgate.errors import CallRefused
from mailgate.offers.events import Accepted, Proven
from mailgate.offers.forwarding import MOST_HOLDERS, Forwarding, Hand, Standing, after, dialled, standing, with_marks
from mailgate.offers.offer import Offer, Terms, step
from mailgate.offers.table import State

BIND, VERIFY, BEARER = Forwarding.BIND, Forwarding.VERIFY, Forwarding.BEARER
HOLDER, STRANGER, UNPROVEN = Standing.HOLDER, Standing.STRANGER, Standing.UNPROVEN
FIRST = Hand(browser="b1", number="n1")
HELD = frozenset({"b1", "n1"})
BEN = Channel(Kind.TEL, "+33199005678")
OFFER = Offer(
    offer_id="o",
    terms=Terms(
        account_id="a",
        offeror_name="Ada",
        destination_name="Ada",
        destination=(Channel(Kind.TEL, "+33199001234"),),
        offeree_address="ben@example.net",
    ),
    created_at=0.0,
    expires_at=100.0,
)


@pytest.mark.parametrize(
    ("policy", "holders", "hand", "found"),
    [
        (BIND, frozenset(), FIRST, HOLDER),
        (BIND, frozenset(), Hand(), HOLDER),
        (BIND, HELD, FIRST, HOLDER),
        (BIND, HELD, Hand(browser="b1", number="n2"), HOLDER),
        (BIND, HELD, Hand(browser="b2", number="n1"), HOLDER),
        (BIND, HELD, Hand(browser="b2", number="n2"), STRANGER),
        (BIND, HELD, Hand(browser="b2"), STRANGER),
        (BIND, HELD, Hand(), STRANGER),
        (VERIFY, frozenset(), FIRST, UNPROVEN),
        (VERIFY, frozenset({"b1"}), Hand(browser="b1", number="n9"), HOLDER),
        (VERIFY, frozenset({"b1"}), Hand(browser="b2", number="n1"), UNPROVEN),
        (VERIFY, frozenset({"b1"}), Hand(), UNPROVEN),
        (BEARER, HELD, Hand(browser="b2", number="n2"), HOLDER),
        (BEARER, frozenset(), Hand(), HOLDER),
    ],
)
def test_standing(policy: Forwarding, holders: frozenset[str], hand: Hand, found: Standing) -> None:
    assert standing(policy, holders, hand) is found


@pytest.mark.parametrize(
    ("policy", "holders", "hand", "found"),
    [
        (BIND, frozenset(), Hand(number="n1"), HOLDER),
        (BIND, frozenset({"b1"}), Hand(number="n1"), HOLDER),  # bound by the page: the first telephone that dials in
        (BIND, HELD, Hand(number="n1"), HOLDER),
        (BIND, HELD, Hand(number="n2"), STRANGER),
        (BIND, HELD, Hand(), STRANGER),
        (VERIFY, frozenset({"b1"}), Hand(), HOLDER),  # the PIN is shown after the code only
        (BEARER, HELD, Hand(), HOLDER),
    ],
)
def test_dialled_in(policy: Forwarding, holders: frozenset[str], hand: Hand, found: Standing) -> None:
    assert dialled(policy, holders, hand) is found


@pytest.mark.parametrize(
    ("policy", "holders", "hand", "kept"),
    [
        (BIND, frozenset(), FIRST, HELD),
        (BIND, HELD, Hand(browser="b1", number="n2"), HELD | {"n2"}),
        (BIND, frozenset(), Hand(number="n1"), {"n1"}),
        (VERIFY, frozenset({"b1"}), FIRST, {"b1"}),
        (BEARER, frozenset(), FIRST, frozenset()),
    ],
)
def test_holders_after(policy: Forwarding, holders: frozenset[str], hand: Hand, kept: frozenset[str]) -> None:
    assert after(policy, holders, hand) == kept


def test_there_is_an_end_to_holders() -> None:
    assert len(with_marks(HELD, (f"n{n}" for n in range(100)))) == MOST_HOLDERS


def test_the_first_to_accept_holds_it_after_the_call_too() -> None:
    offer, _ = step(OFFER, Accepted(attempt_id="1", leg1=BEN, hand=FIRST), 1.0)
    assert offer.holders == HELD
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_BUSY), 2.0)
    with pytest.raises(CallRefused) as caught:
        step(offer, Accepted(attempt_id="2", leg1=BEN, hand=Hand(browser="b2", number="n2")), 3.0)
    assert caught.value.reason == "stranger"
    proven, effects = step(offer, Proven(browser="b2"), 3.0)
    assert (proven.state, proven.version, effects) == (State.OPEN, offer.version + 1, ())
    again, _ = step(proven, Accepted(attempt_id="2", leg1=BEN, hand=Hand(browser="b2", number="n2")), 4.0)
    assert again.state is State.PLACING and again.holders == {"b1", "n1", "b2", "n2"}


def test_nobody_accepts_before_the_code() -> None:
    offer = replace(OFFER, forwarding=VERIFY)
    with pytest.raises(CallRefused) as caught:
        step(offer, Accepted(attempt_id="1", leg1=BEN, hand=FIRST), 1.0)
    assert caught.value.reason == "unproven"
    offer, _ = step(offer, Proven(browser="b1"), 2.0)
    assert step(offer, Accepted(attempt_id="1", leg1=BEN, hand=FIRST), 3.0)[0].state is State.PLACING


hands = st.builds(Hand, browser=st.sampled_from(["", "b1", "b2", "b3"]), number=st.sampled_from(["", "n1", "n2"]))


@given(st.lists(hands, max_size=12))
def test_who_once_held_a_bound_offer_holds_it_on(presses: list[Hand]) -> None:
    holders: frozenset[str] = frozenset()
    held: list[Hand] = []
    for hand in presses:
        if standing(BIND, holders, hand) is HOLDER:
            holders = after(BIND, holders, hand)
            held.append(hand)
        else:
            assert holders and not hand.marks & holders
    assert all(standing(BIND, holders, hand) is HOLDER for hand in held if hand.marks)
