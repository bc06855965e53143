"""The offer's state machine: every pair of state and event, and what holds on every way through it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.calls.model import Again, Answered, Bridged, Channel, Confirmed, Ended, Kind, Outcome, Ringing
from mailgate.offers.answer import (
    MISSED,
    MOST_REPLIES,
    Declined,
    News,
    Notify,
    NotMe,
    Reason,
    Redirected,
    Replied,
)
from mailgate.offers.events import (
    Accepted,
    AnswerLost,
    Booked,
    Cancelled,
    Due,
    Event,
    Expired,
    HangUp,
    Moved,
    Passed,
    PlaceCall,
    Proven,
    Revoked,
    Suppress,
    name_of,
)
from mailgate.offers.offer import Attempt, IllegalTransition, Offer, Terms, step
from mailgate.offers.slots import Missed, Slot
from mailgate.offers.table import AFTER_CALL_TARGETS, ENDED, IN_CALL, TRANSITIONS, WAITING, Name, Rule, State

ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")
EVE = Channel(Kind.TEL, "+33199009999")
TERMS = Terms(
    account_id="a",
    offeror_name="Ada Lovelace",
    destination_name="Ada Lovelace",
    destination=(ADA,),
    offeree_address="ben@example.net",
)
ATTEMPT = Attempt(attempt_id="1", ordinal=1, leg1=BEN, started_at=10.0)
EARLY, BEFORE, AFTER = 20.0, 50.0, 150.0
SLOT = Slot(start=30.0, minutes=1, zone="Europe/Paris", leg1=BEN)
SLOTS = {State.BOOKED: SLOT, State.MISSED: replace(SLOT, missed=Missed.LATE)}


def offer_in(state: State, **changes: object) -> Offer:
    attempt = None if state in WAITING else ATTEMPT
    offer = Offer(
        offer_id="o",
        terms=TERMS,
        state=state,
        created_at=0.0,
        expires_at=100.0,
        attempt=attempt,
        slot=SLOTS.get(state),
    )
    return replace(offer, **changes)  # type: ignore[arg-type]


EVENTS: dict[Name, tuple[Event, float]] = {
    Name.ACCEPTED: (Accepted(attempt_id="2", leg1=BEN), BEFORE),
    Name.OFFEREE_RINGS: (Ringing(attempt_id="1", leg=1), BEFORE),
    Name.OFFEREE_ANSWERED: (Answered(attempt_id="1", leg=1), BEFORE),
    Name.OFFEREE_CONFIRMED: (Confirmed(attempt_id="1", leg=1), BEFORE),
    Name.DESTINATION_RINGS: (Ringing(attempt_id="1", leg=2), BEFORE),
    Name.DESTINATION_ANSWERED: (Answered(attempt_id="1", leg=2), BEFORE),
    Name.DESTINATION_CONFIRMED: (Confirmed(attempt_id="1", leg=2), BEFORE),
    Name.DESTINATION_AGAIN: (Again(attempt_id="1", nth=1), BEFORE),
    Name.BRIDGED: (Bridged(attempt_id="1", bridged_at=40.0), BEFORE),
    Name.CALL_ENDED: (Ended(attempt_id="1", outcome=Outcome.OFFEREE_BUSY, cause=17), BEFORE),
    Name.ANSWER_LOST: (AnswerLost(attempt_id="1"), BEFORE),
    Name.DECLINED: (Declined(reason=Reason.NOT_NOW, text="on a train"), BEFORE),
    Name.REPLIED: (Replied(text="tomorrow?"), BEFORE),
    Name.REDIRECTED: (Redirected(destination_name="Support", destination=(EVE,)), BEFORE),
    Name.BOOKED: (Booked(slot=SLOT), EARLY),
    Name.MOVED: (Moved(slot=replace(SLOT, start=40.0)), EARLY),
    Name.CANCELLED: (Cancelled(), EARLY),
    Name.DUE: (Due(attempt_id="2"), BEFORE),
    Name.PASSED: (Passed(missed=Missed.DO_NOT_DISTURB), BEFORE),
    Name.NOT_ME: (NotMe(), BEFORE),
    Name.PROVEN: (Proven(browser="b1"), BEFORE),
    Name.REVOKED: (Revoked(), BEFORE),
    Name.EXPIRED: (Expired(), AFTER),
}

# The order in which a call goes. Written down apart from the table: a call event never leads back.
PROGRESS = [
    State.PLACING,
    State.OFFEREE_RINGING,
    State.OFFEREE_ASKED,
    State.DESTINATION_RINGING,
    State.DESTINATION_ASKED,
    State.CONNECTED,
]
REACHED = {
    Name.OFFEREE_RINGS: State.OFFEREE_RINGING,
    Name.OFFEREE_ANSWERED: State.OFFEREE_ASKED,
    Name.OFFEREE_CONFIRMED: State.DESTINATION_RINGING,
    Name.DESTINATION_RINGS: State.DESTINATION_RINGING,
    Name.DESTINATION_ANSWERED: State.DESTINATION_ASKED,
    Name.DESTINATION_CONFIRMED: State.DESTINATION_ASKED,
    Name.BRIDGED: State.CONNECTED,
}
SLOT_EVENTS = {
    Name.MOVED: State.BOOKED,
    Name.CANCELLED: State.OPEN,
    Name.DUE: State.PLACING,
    Name.PASSED: State.MISSED,
}
ENDS = {Name.REVOKED: State.REVOKED, Name.EXPIRED: State.EXPIRED, Name.NOT_ME: State.SUPPRESSED}


def expected(state: State, name: Name) -> State | None:
    """What must happen, told in rules instead of a table; None: illegal."""
    if state in ENDED:
        return None
    if name is Name.ACCEPTED:
        return State.PLACING if state in WAITING else None
    if name is Name.DECLINED:
        return State.DECLINED if state in WAITING and state is not State.DECLINED else None  # once is enough
    if name is Name.BOOKED:
        return State.BOOKED if state in WAITING and state is not State.BOOKED else None  # what is booked is moved
    if name in SLOT_EVENTS:
        return SLOT_EVENTS[name] if state is State.BOOKED else None
    if name in (Name.REPLIED, Name.REDIRECTED, Name.PROVEN):
        return state if state in WAITING else None
    if name in ENDS:
        return state if state in IN_CALL else ENDS[name]
    if state not in IN_CALL:
        return None
    if name is Name.ANSWER_LOST:
        return State.UNSETTLED if state is State.PLACING else None
    if name is Name.CALL_ENDED:
        return State.OPEN
    if name is Name.DESTINATION_AGAIN:  # the one event of Asterisk that leads back: to another telephone of that party
        return State.DESTINATION_RINGING if state is not State.CONNECTED else None
    target = REACHED[name]
    if state is State.UNSETTLED or PROGRESS.index(target) > PROGRESS.index(state):
        return target
    # leg 2 is said to ring by the key on leg 1 and again by Asterisk; its key comes while it is asked
    repeated = {
        (State.DESTINATION_RINGING, Name.DESTINATION_RINGS),
        (State.DESTINATION_ASKED, Name.DESTINATION_CONFIRMED),
    }
    return state if (state, name) in repeated else None


@pytest.mark.parametrize("name", Name, ids=lambda n: n.value)
@pytest.mark.parametrize("state", State, ids=lambda s: s.value)
def test_every_event_in_every_state_is_legal_or_refused(state: State, name: Name) -> None:
    event, now = EVENTS[name]
    offer = offer_in(state)
    target = expected(state, name)
    if target is None:
        with pytest.raises(IllegalTransition):
            step(offer, event, now)
        assert offer == offer_in(state)
    else:
        changed, _ = step(offer, event, now)
        assert changed.state is target
        assert changed.version == offer.version + 1


def test_the_table_names_no_event_and_no_state_that_the_rules_do_not_know() -> None:
    assert set(TRANSITIONS) == {(s, n) for s in State for n in Name if expected(s, n) is not None}


def test_accepting_asks_for_exactly_one_call_and_counts_the_attempt() -> None:
    changed, effects = step(offer_in(State.OPEN), Accepted(attempt_id="x", leg1=BEN), 50.0)
    assert effects == (PlaceCall(attempt_id="x"),)
    assert changed.attempts_left == 9
    assert changed.attempt == Attempt(attempt_id="x", ordinal=1, leg1=BEN, started_at=50.0)


def test_an_offer_whose_time_is_over_cannot_be_accepted_even_before_anyone_noticed() -> None:
    with pytest.raises(IllegalTransition, match="time is over"):
        step(offer_in(State.OPEN), Accepted(attempt_id="x", leg1=BEN), 100.0)


def test_an_offer_does_not_expire_early() -> None:
    with pytest.raises(IllegalTransition):
        step(offer_in(State.OPEN), Expired(), 99.9)


@pytest.mark.parametrize("state", sorted(IN_CALL, key=lambda s: s.value), ids=lambda s: s.value)
def test_events_of_another_attempt_change_nothing(state: State) -> None:
    with pytest.raises(IllegalTransition):
        step(offer_in(state), Ended(attempt_id="0", outcome=Outcome.COMPLETED), 50.0)


@pytest.mark.parametrize("outcome", Outcome, ids=lambda o: o.value)
def test_each_outcome_is_kept_and_only_a_connected_call_uses_the_offer(outcome: Outcome) -> None:
    changed, effects = step(offer_in(State.OFFEREE_ASKED), Ended(attempt_id="1", outcome=outcome, cause=7), 50.0)
    assert changed.attempt is not None
    assert (changed.attempt.outcome, changed.attempt.cause, changed.attempt.ended_at) == (outcome, 7, 50.0)
    assert changed.state is (State.USED if outcome is Outcome.COMPLETED else State.OPEN)
    told = (Notify(news=News.MISSED, outcome=outcome),) if outcome in MISSED else ()
    assert effects == ((Suppress(channel=BEN),) if outcome is Outcome.NOT_ME else told)


def test_every_outcome_on_the_destinations_side_is_a_missed_call() -> None:
    assert {o for o in Outcome if o.value.startswith("destination-")} == MISSED


def test_declining_tells_the_offeror_and_the_holder_may_think_again() -> None:
    offer, effects = step(offer_in(State.OPEN), Declined(reason=Reason.BY_MAIL, text="no voice"), 50.0)
    assert effects == (Notify(news=News.DECLINED, reason=Reason.BY_MAIL, text="no voice"),)
    offer, effects = step(offer, Accepted(attempt_id="x", leg1=BEN), 60.0)
    assert (offer.state, effects) == (State.PLACING, (PlaceCall(attempt_id="x"),))
    offer, _ = step(offer, Ended(attempt_id="x", outcome=Outcome.OFFEREE_BUSY), 61.0)
    assert offer.state is State.OPEN, "the mind was changed: it is not declined any more"


def test_answers_in_words_are_counted_and_bounded() -> None:
    offer = offer_in(State.DECLINED)
    for number in range(MOST_REPLIES):
        offer, effects = step(offer, Replied(text=f"answer {number}"), 50.0)
        assert effects == (Notify(news=News.REPLIED, text=f"answer {number}"),)
    with pytest.raises(IllegalTransition, match="enough answers"):
        step(offer, Replied(text="and again"), 50.0)


def test_another_destination_holds_from_the_next_call_on() -> None:
    offer, effects = step(offer_in(State.OPEN), Redirected(destination_name="Support", destination=(EVE,)), 50.0)
    assert effects == ()
    assert (offer.terms.destination_name, offer.terms.destination) == ("Support", (EVE,))
    assert offer.terms.offeror_name == TERMS.offeror_name


@pytest.mark.parametrize("name", [Name.DECLINED, Name.REPLIED, Name.REDIRECTED], ids=lambda n: n.value)
def test_nothing_is_said_to_an_offer_whose_time_is_over(name: Name) -> None:
    with pytest.raises(IllegalTransition, match="time is over"):
        step(offer_in(State.OPEN), EVENTS[name][0], 100.0)


def test_not_me_ends_the_offer_at_once_and_a_call_that_is_no_conversation_yet() -> None:
    offer, effects = step(offer_in(State.OFFEREE_RINGING), NotMe(), 50.0)
    assert effects == (HangUp(attempt_id="1"),)
    offer, _ = step(offer, Revoked(), 50.5)
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_LEFT), 51.0)
    assert offer.state is State.SUPPRESSED, "who spoke first is heard"
    assert offer.attempt is not None and offer.attempt.outcome is Outcome.REVOKED


def test_two_uses_give_two_connected_calls() -> None:
    offer = offer_in(State.CONNECTED, uses_left=2)
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.COMPLETED), 50.0)
    assert (offer.state, offer.uses_left) == (State.OPEN, 1)


def test_the_last_attempt_that_fails_ends_the_offer() -> None:
    offer = offer_in(State.OFFEREE_RINGING, attempts_left=0)
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_BUSY), 50.0)
    assert offer.state is State.EXHAUSTED


def test_revoking_before_the_bridge_hangs_up_and_holds_afterwards() -> None:
    offer, effects = step(offer_in(State.DESTINATION_RINGING), Revoked(), 50.0)
    assert effects == (HangUp(attempt_id="1"),)
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_LEFT), 51.0)
    assert offer.state is State.REVOKED
    assert offer.attempt is not None and offer.attempt.outcome is Outcome.REVOKED


def test_revoking_does_not_cut_a_conversation() -> None:
    offer, effects = step(offer_in(State.CONNECTED), Revoked(), 50.0)
    assert effects == ()
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.COMPLETED), 51.0)
    assert offer.state is State.REVOKED
    assert offer.attempt is not None and offer.attempt.outcome is Outcome.COMPLETED


def test_a_revocation_outlasts_an_expiry() -> None:
    offer, _ = step(offer_in(State.CONNECTED), Revoked(), 50.0)
    offer, _ = step(offer, Expired(), 150.0)
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.COMPLETED), 151.0)
    assert offer.state is State.REVOKED


def test_an_offer_that_expires_in_a_call_ends_with_it() -> None:
    offer, effects = step(offer_in(State.OFFEREE_RINGING), Expired(), 150.0)
    assert effects == ()
    offer, _ = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_BUSY), 151.0)
    assert offer.state is State.EXPIRED


def test_bridge_time_is_asterisk_s_and_an_answer_that_was_missed_is_filled_in() -> None:
    offer, _ = step(offer_in(State.PLACING), Bridged(attempt_id="1", bridged_at=42.0), 50.0)
    assert offer.attempt is not None
    assert (offer.attempt.answered_at, offer.attempt.bridged_at) == (42.0, 42.0)


events = st.sampled_from([event for event, _ in EVENTS.values()])


@given(
    walk=st.lists(st.tuples(events, st.floats(0, 200)), max_size=30), uses=st.integers(1, 3), tries=st.integers(1, 4)
)
def test_on_every_way_calls_uses_and_attempts_add_up(walk: list[tuple[Event, float]], uses: int, tries: int) -> None:
    offer = offer_in(State.OPEN, uses_left=uses, attempts_left=tries)
    placed = completed = booked_and_gone = 0
    for number, (event, now) in enumerate(walk):
        if isinstance(event, Accepted | Due):
            event = replace(event, attempt_id=f"a{number}")
        elif hasattr(event, "attempt_id") and offer.attempt is not None:
            event = replace(event, attempt_id=offer.attempt.attempt_id)
        before = offer
        try:
            offer, effects = step(offer, event, now)
        except IllegalTransition:
            assert offer is before
            continue
        placed += sum(isinstance(e, PlaceCall) for e in effects)
        completed += isinstance(event, Ended) and event.outcome is Outcome.COMPLETED
        assert before.state not in ENDED
        assert offer.version == before.version + 1
        assert (offer.state is State.BOOKED) <= (offer.slot is not None and offer.slot.missed is None)
        assert (offer.state is State.MISSED) <= (offer.slot is not None and offer.slot.missed is not None)
        booked_and_gone += isinstance(event, Booked) - _leaves(before, offer)
        assert booked_and_gone == (offer.slot is not None and offer.slot.missed is None)
        if isinstance(event, Due):
            assert before.slot is not None and not before.slot.attempt_id, "a slot is rung once"
    assert placed == tries - offer.attempts_left <= tries
    assert completed == uses - offer.uses_left <= uses
    assert (offer.state in IN_CALL) == (offer.attempt is not None and offer.attempt.outcome is None)


def _leaves(before: Offer, after: Offer) -> bool:
    """Whether the time that was booked is a promise no more."""
    kept = after.slot is not None and after.slot.missed is None
    return before.slot is not None and before.slot.missed is None and not kept


def test_the_targets_after_a_call_are_those_that_the_diagram_draws() -> None:
    assert set(AFTER_CALL_TARGETS) == {State.PLACING, State.OPEN, State.BOOKED, State.MISSED} | ENDED
    assert Rule.AFTER_CALL in TRANSITIONS.values()


def test_every_event_has_a_name_of_its_own() -> None:
    assert {name_of(event) for event, _ in EVENTS.values()} == set(Name)


def test_no_number_shows_in_what_might_be_logged() -> None:
    offer = offer_in(State.CONNECTED)
    text = repr(offer) + repr(EVENTS[Name.ACCEPTED][0]) + repr(Suppress(channel=BEN))
    assert ADA.address[1:] not in text and BEN.address[1:] not in text
