"""A slot in the offer's state machine: when it is rung, what ends it, and who is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailgate.calls.model import Channel, Ended, Kind, Outcome
from mailgate.offers.answer import Declined, News, Notify, NotMe, Reason, Redirected, Replied
from mailgate.offers.events import (
    Accepted,
    Booked,
    Cancelled,
    Due,
    Effect,
    Event,
    Expired,
    HangUp,
    Moved,
    Passed,
    PlaceCall,
    Revoked,
    Suppress,
)
from mailgate.offers.offer import IllegalTransition, Offer, Terms, step
from mailgate.offers.slots import LATE_S, Access, Missed, Slot
from mailgate.offers.table import State

ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")
OFFER = Offer(
    offer_id="o",
    terms=Terms(
        account_id="a",
        offeror_name="Ada",
        destination_name="Ada",
        destination=(ADA,),
        offeree_address="ben@example.net",
    ),
    created_at=0.0,
    expires_at=100_000.0,
)
SLOT = Slot(start=10_000.0, minutes=15, zone="Europe/Paris", leg1=BEN)
NOON, LATER = 10_000.0, 20_000.0


def booked(**changes: object) -> Offer:
    offer, _ = step(OFFER, Booked(slot=replace(SLOT, **changes)), 100.0)  # type: ignore[arg-type]
    return offer


def rung(offer: Offer | None = None) -> Offer:
    offer, effects = step(offer or booked(), Due(attempt_id="x"), NOON + 1)
    assert effects == (PlaceCall(attempt_id="x"),)
    return offer


def told(effects: tuple[Effect, ...]) -> list[News]:
    return [effect.news for effect in effects if isinstance(effect, Notify)]


def test_booking_tells_the_offeror_and_calls_nobody() -> None:
    access = Access(token="t", pin="123456")
    offer, effects = step(OFFER, Booked(slot=SLOT, access=access), 100.0)
    assert offer.state is State.BOOKED
    assert offer.slot == replace(SLOT, sequence=1)
    assert effects == (Notify(news=News.SLOT_BOOKED, slot=offer.slot, access=access),)
    assert offer.attempts_left == OFFER.attempts_left


@pytest.mark.parametrize("start", [99.0, 100_000.0 - 15 * 60 + 1, 100_000.0])
def test_a_slot_lies_wholly_in_the_time_that_is_left(start: float) -> None:
    with pytest.raises(IllegalTransition, match="within the offer's validity"):
        step(OFFER, Booked(slot=replace(SLOT, start=start)), 100.0)
    with pytest.raises(IllegalTransition, match="within the offer's validity"):
        step(booked(), Moved(slot=replace(SLOT, start=start)), 100.0)


def test_its_sequence_grows_and_it_is_never_rung_twice() -> None:
    offer, effects = step(booked(), Moved(slot=replace(SLOT, start=LATER, attempt_id="forged")), 200.0)
    assert offer.slot == replace(SLOT, start=LATER, sequence=2)
    assert told(effects) == [News.SLOT_MOVED]
    with pytest.raises(IllegalTransition, match="not come"):
        step(offer, Due(attempt_id="x"), NOON + 1)


@pytest.mark.parametrize(("now", "why"), [(NOON - 0.1, "not come"), (NOON + LATE_S + 0.1, "is over")])
def test_a_slot_is_rung_at_its_time_and_not_much_later(now: float, why: str) -> None:
    with pytest.raises(IllegalTransition, match=why):
        step(booked(), Due(attempt_id="x"), now)
    for good in (NOON, NOON + LATE_S):
        assert step(booked(), Due(attempt_id="x"), good)[0].state is State.PLACING


def test_it_does_not_pass_before_its_time() -> None:
    with pytest.raises(IllegalTransition, match="not come"):
        step(booked(), Passed(missed=Missed.LATE), NOON - 1)


def test_the_attempt_is_the_slot_s() -> None:
    offer = rung(booked(destination_first=True))
    assert offer.attempt is not None and offer.slot is not None
    assert (offer.attempt.leg1, offer.attempt.destination_first) == (BEN, True)
    assert offer.slot.attempt_id == offer.attempt.attempt_id == "x"
    assert offer.attempts_left == OFFER.attempts_left - 1


def test_a_conversation_ends_the_slot_and_nobody_need_be_told() -> None:
    offer, effects = step(rung(), Ended(attempt_id="x", outcome=Outcome.COMPLETED), LATER)
    assert (offer.state, offer.slot, effects) == (State.USED, None, ())


@pytest.mark.parametrize(
    "outcome",
    [o for o in Outcome if o not in (Outcome.COMPLETED, Outcome.REVOKED, Outcome.LINES_BUSY)],
    ids=lambda o: o.value,
)
def test_a_slot_that_reaches_nobody_is_missed_told_once_and_may_be_booked_again(outcome: Outcome) -> None:
    offer, effects = step(rung(), Ended(attempt_id="x", outcome=outcome), NOON + 60)
    assert offer.state is State.MISSED
    assert offer.slot is not None and offer.slot.missed is Missed.NOT_REACHED
    assert [e for e in effects if isinstance(e, Notify)] == [
        Notify(news=News.SLOT_MISSED, outcome=outcome, slot=offer.slot)
    ]
    assert (Suppress(channel=BEN) in effects) == (outcome is Outcome.NOT_ME)
    again, effects = step(offer, Booked(slot=replace(SLOT, start=LATER)), NOON + 70)
    assert (again.state, told(effects)) == (State.BOOKED, [News.SLOT_BOOKED])
    assert again.slot == replace(SLOT, start=LATER, sequence=again.version)


def test_where_all_lines_were_busy_nothing_was_sent_and_the_slot_is_kept() -> None:
    busy = Ended(attempt_id="x", outcome=Outcome.LINES_BUSY)
    offer, effects = step(rung(), busy, NOON + 2)
    assert (offer.state, offer.slot, effects) == (State.BOOKED, replace(SLOT, sequence=1), ())
    assert offer.attempts_left == OFFER.attempts_left
    again, _ = step(offer, Due(attempt_id="y"), NOON + 10)
    assert again.state is State.PLACING
    late, effects = step(rung(), busy, NOON + LATE_S + 1)
    assert (late.state, told(effects)) == (State.MISSED, [News.SLOT_MISSED])


@pytest.mark.parametrize("missed", list(Missed), ids=lambda m: m.value)
def test_what_could_not_be_rung_is_told(missed: Missed) -> None:
    offer, effects = step(booked(), Passed(missed=missed), NOON)
    assert offer.state is State.MISSED
    assert offer.slot is not None and offer.slot.missed is missed
    assert effects == (Notify(news=News.SLOT_MISSED, slot=offer.slot),)
    called, _ = step(offer, Accepted(attempt_id="y", leg1=BEN), NOON + 1)
    assert (called.state, called.slot) == (State.PLACING, None)


@pytest.mark.parametrize(
    ("event", "state", "news"),
    [
        (Cancelled(), State.OPEN, [News.SLOT_CANCELLED]),
        (Declined(reason=Reason.NOT_NOW), State.DECLINED, [News.DECLINED, News.SLOT_CANCELLED]),
        (Revoked(), State.REVOKED, [News.SLOT_CANCELLED]),
        (NotMe(), State.SUPPRESSED, [News.SLOT_CANCELLED]),
    ],
    ids=["cancelled", "declined", "revoked", "not-me"],
)
def test_what_ends_the_slot_takes_it_out_of_calendars(event: Event, state: State, news: list[News]) -> None:
    offer, effects = step(booked(), event, 200.0)
    assert (offer.state, offer.slot, told(effects)) == (state, None, news)
    gone = next(e.slot for e in effects if isinstance(e, Notify) and e.slot)
    assert gone.sequence == 2, "newer than what the calendars have"


def test_a_slot_that_the_offer_has_outlived_is_missed() -> None:
    offer, effects = step(booked(), Expired(), OFFER.expires_at)
    assert (offer.state, offer.slot, told(effects)) == (State.EXPIRED, None, [News.SLOT_MISSED])


@pytest.mark.parametrize(
    "event", [Replied(text="hello"), Redirected(destination_name="Support", destination=(ADA,))], ids=["reply", "to"]
)
def test_words_and_another_destination_leave_it(event: Event) -> None:
    offer, _ = step(booked(), event, 200.0)
    assert (offer.state, offer.slot) == (State.BOOKED, replace(SLOT, sequence=1))


def calling_before() -> Offer:
    offer, effects = step(booked(), Accepted(attempt_id="n", leg1=BEN), 500.0)
    assert (offer.state, effects) == (State.PLACING, (PlaceCall(attempt_id="n"),))
    return offer


def test_who_calls_before_and_fails_keeps_the_slot() -> None:
    offer, effects = step(calling_before(), Ended(attempt_id="n", outcome=Outcome.OFFEREE_BUSY), 520.0)
    assert (offer.state, offer.slot, effects) == (State.BOOKED, replace(SLOT, sequence=1), ())
    assert rung(offer).state is State.PLACING


def test_who_calls_before_and_talks_needs_it_no_more() -> None:
    offer = replace(calling_before(), uses_left=2)
    offer, effects = step(offer, Ended(attempt_id="n", outcome=Outcome.COMPLETED), 900.0)
    assert (offer.state, offer.slot, told(effects)) == (State.OPEN, None, [News.SLOT_CANCELLED])


def test_a_call_that_goes_on_into_the_slot_stands_for_it() -> None:
    offer, effects = step(calling_before(), Ended(attempt_id="n", outcome=Outcome.DESTINATION_BUSY), NOON + 5)
    assert (offer.state, told(effects)) == (State.MISSED, [News.SLOT_MISSED])


def test_the_last_attempt_takes_the_slot_with_it() -> None:
    offer = replace(calling_before(), attempts_left=0)
    offer, effects = step(offer, Ended(attempt_id="n", outcome=Outcome.OFFEREE_BUSY), 520.0)
    assert (offer.state, offer.slot, told(effects)) == (State.EXHAUSTED, None, [News.SLOT_CANCELLED])


def test_a_revocation_while_the_slot_rings_hangs_up_and_ends_it() -> None:
    offer, effects = step(rung(), Revoked(), NOON + 5)
    assert effects == (HangUp(attempt_id="x"),)
    offer, effects = step(offer, Ended(attempt_id="x", outcome=Outcome.OFFEREE_LEFT), NOON + 6)
    assert (offer.state, offer.slot, told(effects)) == (State.REVOKED, None, [News.SLOT_CANCELLED])


def test_a_revocation_in_a_call_before_the_slot_ends_the_slot_too() -> None:
    offer, _ = step(calling_before(), Revoked(), 510.0)
    offer, effects = step(offer, Ended(attempt_id="n", outcome=Outcome.OFFEREE_LEFT), 511.0)
    assert (offer.state, offer.slot, told(effects)) == (State.REVOKED, None, [News.SLOT_CANCELLED])


def test_no_number_shows_in_what_might_be_logged() -> None:
    text = repr(booked()) + repr(Booked(slot=SLOT, access=Access(token="secret", pin="123456")))
    assert BEN.address[1:] not in text and "secret" not in text and "123456" not in text
