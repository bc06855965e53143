"""A call in which the destination is rung first is told like every other."""

from __future__ import annotations

import pytest

from mailgate.calls.mirror import MIRRORED, mirrored
from mailgate.calls.model import Answered, Bridged, CallEvent, Channel, Confirmed, Ended, Kind, Outcome, Ringing
from mailgate.calls.plan import Limits, order
from mailgate.offers.offer import Attempt

ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")


@pytest.mark.parametrize("event", [Ringing, Answered, Confirmed])
def test_legs_are_exchanged(event: type[Ringing]) -> None:
    assert mirrored(event(attempt_id="a", leg=1)) == event(attempt_id="a", leg=2)
    assert mirrored(event(attempt_id="a", leg=2)) == event(attempt_id="a", leg=1)


def test_a_bridge_is_a_bridge() -> None:
    event: CallEvent = Bridged(attempt_id="a", bridged_at=1.0)
    assert mirrored(event) == event


def test_every_end_is_told_of_whose_it_was() -> None:
    assert set(MIRRORED) == set(Outcome)
    for outcome, other in MIRRORED.items():
        assert mirrored(Ended(attempt_id="a", outcome=outcome, cause=17)) == Ended(
            attempt_id="a", outcome=other, cause=17
        )
        if outcome.value.startswith("destination-"):
            assert not other.value.startswith("destination-")
    assert Outcome.NOT_ME not in MIRRORED.values(), "what the offeror presses suppresses no offeree"


def test_the_order_has_the_destination_first() -> None:
    attempt = Attempt(attempt_id="a", ordinal=1, leg1=BEN, started_at=0.0, destination_first=True)
    made = order(attempt, (ADA,), Limits(ring1_s=20, ring2_s=40), announcement="/to/offeree", announcement2="/to/ada")
    assert (made.leg1, made.leg2) == (ADA, BEN)
    assert (made.announcement, made.announcement2) == ("/to/ada", "/to/offeree")
    assert (made.ring1_s, made.ring2_s) == (40, 20)
    assert made.confirm1 and made.confirm2
    sip = Channel(Kind.SIP, "ada")
    assert not order(attempt, (sip,), Limits()).confirm1, "a registered telephone has no voicemail before it"
