"""Acceptances by a list: the next attempt begins with the end of the one before, for some causes, and in time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Channel, Confirmed, Ended, Kind, Outcome, Ringing
from mailgate.calls.pairs import FALLS
from mailgate.offers.answer import Notify
from mailgate.offers.events import Accepted, Expired, PlaceCall, Revoked, Try
from mailgate.offers.fresh import fresh
from mailgate.offers.offer import FALL_WITHIN_S, IllegalTransition, Offer, Terms, step
from mailgate.offers.table import IN_CALL, WAITING, State
from mailgate.offers.view import view
from mailgate.store import offers as rows_of
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys

ADA = Channel(Kind.TEL, "+33199001234")
SIP, TEL, HOME = Channel(Kind.SIP, "ben"), Channel(Kind.TEL, "+33199000002"), Channel(Kind.TEL, "+33199000003")
TERMS = Terms(
    account_id="a",
    offeror_name="Ada Lovelace",
    destination_name="Ada Lovelace",
    destination=(ADA,),
    offeree_address="ben@example.net",
)
REST = (Try(attempt_id="2", leg1=TEL), Try(attempt_id="3", leg1=HOME))


def accepted(**changes: object) -> Offer:
    made = Offer(offer_id="o", terms=TERMS, created_at=0.0, expires_at=1000.0)
    offer, effects = step(replace(made, **changes), Accepted(attempt_id="1", leg1=SIP, rest=REST), 10.0)  # type: ignore[arg-type]
    assert effects == (PlaceCall(attempt_id="1"),)
    return offer


@pytest.mark.parametrize("outcome", Outcome)
def test_only_who_was_not_reached_is_called_elsewhere(outcome: Outcome) -> None:
    offer, effects = step(accepted(), Ended(attempt_id="1", outcome=outcome), 20.0)
    assert offer.attempt is not None
    if outcome not in FALLS:
        assert offer.state not in IN_CALL and not [e for e in effects if isinstance(e, PlaceCall)]
        return
    assert offer.state is State.PLACING
    assert effects == (PlaceCall(attempt_id="2"),), "and nobody is told of a call that was missed"
    assert (offer.attempt.attempt_id, offer.attempt.leg1, offer.attempt.ordinal) == ("2", TEL, 2)
    assert offer.fallen is not None and (offer.fallen.outcome, offer.fallen.ended_at) == (outcome, 20.0)
    assert view(offer, 20.0).falls == 1


def test_it_ends_with_the_last_of_the_list() -> None:
    offer = accepted()
    for attempt_id in ("1", "2", "3"):
        assert offer.state is State.PLACING
        offer, _ = step(replace(offer, fallen=None), Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_BUSY), 20.0)
    assert offer.state is State.OPEN and offer.attempts_left == 7
    assert offer.fallen is None and offer.attempt is not None and offer.attempt.falls == 2


@pytest.mark.parametrize("event", [Revoked(), Expired()])
def test_what_ends_the_offer_ends_the_list(event: Revoked | Expired) -> None:
    now = 1000.0 if isinstance(event, Expired) else 15.0
    offer, _ = step(replace(accepted(), expires_at=now), event, now)
    offer, effects = step(offer, Ended(attempt_id="1", outcome=Outcome.OFFEREE_NO_ANSWER), now)
    assert offer.state in (State.REVOKED, State.EXPIRED)
    assert not [e for e in effects if isinstance(e, PlaceCall)]


def test_nobody_is_called_long_after_the_press() -> None:
    late, _ = step(accepted(), Ended(attempt_id="1", outcome=Outcome.OFFEREE_NO_ANSWER), 10.0 + FALL_WITHIN_S + 1)
    assert late.state is State.OPEN


def test_the_offer_s_attempts_bound_the_list() -> None:
    offer, effects = step(accepted(attempts_left=1), Ended(attempt_id="1", outcome=Outcome.OFFEREE_BUSY), 20.0)
    assert offer.state is State.EXHAUSTED and effects == ()


def test_another_channel_of_the_destination_is_the_same_attempt() -> None:
    offer = accepted()
    for event in (Answered(attempt_id="1", leg=1), Confirmed(attempt_id="1", leg=1), Ringing(attempt_id="1", leg=2)):
        offer, _ = step(offer, event, 12.0)
    offer, effects = step(offer, Again(attempt_id="1", nth=1), 13.0)
    assert (offer.state, effects) == (State.DESTINATION_RINGING, ())
    offer, _ = step(offer, Again(attempt_id="1", nth=1), 13.0)  # told twice, after a reconnection
    assert view(offer, 13.0).falls == 1
    offer, effects = step(offer, Ended(attempt_id="1", outcome=Outcome.DESTINATION_NO_ANSWER), 20.0)
    assert offer.state is State.OPEN, "who pressed 1 is not called elsewhere"
    assert [type(e) for e in effects] == [Notify]


events = st.sampled_from(
    [
        *(cls(attempt_id=n, leg=leg) for cls in (Ringing, Answered, Confirmed) for n in "123" for leg in (1, 2)),
        *(Again(attempt_id=n, nth=1) for n in "123"),
        *(Bridged(attempt_id=n, bridged_at=15.0) for n in "123"),
        *(Ended(attempt_id=n, outcome=o) for n in "123" for o in Outcome),
    ]
)


@given(st.lists(events, max_size=20))
def test_each_attempt_is_ordered_once_whatever_is_told(walk: list[CallEvent]) -> None:
    offer, ordered = accepted(), ["1"]
    for event in walk:
        try:
            offer, effects = step(replace(offer, fallen=None), event, 20.0)
        except IllegalTransition:
            continue
        ordered += [e.attempt_id for e in effects if isinstance(e, PlaceCall)]
    assert ordered == ["1", "2", "3"][: len(ordered)]
    assert offer.state in IN_CALL | WAITING | {State.USED}


def test_the_store_keeps_each_attempt_and_what_is_to_come_sealed(tmp_path: Path) -> None:
    create(tmp_path / "store.db")
    store, sealer = Store(tmp_path / "store.db"), Sealer(keys.KeyRing((keys.Key("k1", bytes(32)),)))
    made = Offer(offer_id="o", terms=TERMS, created_at=0.0, expires_at=1000.0)
    store.transact_now(lambda rows: rows_of.insert(rows, sealer, [fresh(made, fingerprint=b"f", key_id="k1")]))

    def stepped(event: Accepted | Ended) -> Offer:
        def work(rows: object) -> Offer:
            seen = rows_of.by_id(rows, sealer, "o")  # type: ignore[arg-type]
            assert seen is not None
            changed, _ = step(seen, event, 20.0)
            assert rows_of.swap(rows, sealer, seen, changed, event="x", at=20.0)  # type: ignore[arg-type]
            return changed

        return store.transact_now(work)

    stepped(Accepted(attempt_id="1", leg1=SIP, rest=REST))
    changed = stepped(Ended(attempt_id="1", outcome=Outcome.OFFEREE_NO_ANSWER, cause=19))
    kept = store.read(lambda rows: rows_of.by_id(rows, sealer, "o"))
    assert kept == replace(changed, fallen=None)
    assert kept is not None and kept.attempt is not None and kept.attempt.rest == REST[1:]
    first, second = store.read(lambda rows: rows_of.attempts(rows, sealer, "o"))
    assert (first.outcome, first.cause, second.outcome, second.falls) == (Outcome.OFFEREE_NO_ANSWER, 19, None, 1)
    store.close()
    assert b"199000003" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
