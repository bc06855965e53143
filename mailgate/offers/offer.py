"""The offer's state machine: `step(offer, event, now) -> (offer, effects)`, pure.

Rules, which hold for every caller:
- Nothing here acts. A step says what the offer becomes and which effects must follow; the service commits the
  former before it runs the latter.
- `table.TRANSITIONS` is the whole truth of what may happen in which state. An event that it does not list raises
  IllegalTransition and changes nothing.
- An *attempt* is one try to connect both parties, with an id of its own. At most one attempt of an offer is under
  way, and the step that begins it asks for exactly one Originate. Events of any other attempt are illegal.
- What Asterisk says may come late or with gaps (the gateway was down): an event may skip states forward, never back.
- A use is a connected call, not a click. Validity, uses and attempts are checked each by itself.
- What ends an offer while a call is under way is kept in `closing` and takes hold when the call is over.
- To decline ends nothing: who holds the offer may still accept it while it lives. An answer in words changes no state.
- An attempt that does not reach the offeree falls back on their next channel, where they have named more than one: a
  new attempt, begun in the same step that ends the one before.
- A slot belongs to the offer and lies within its validity. It is rung once, by Due, not before its time and not much
  later (again only where all lines were busy: then nothing rang, and nothing was sent). Who calls before the slot keeps
  it, unless both have talked by then. What ends the offer ends the slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Channel, Ended, Outcome
from mailgate.calls.pairs import FALLS
from mailgate.errors import CallRefused, MailgateError
from mailgate.offers import forwarding
from mailgate.offers.answer import MISSED, MOST_REPLIES, Declined, News, Notify, NotMe, Redirected, Replied
from mailgate.offers.events import (
    Accepted,
    AnswerLost,
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
    Proven,
    Revoked,
    Suppress,
    Try,
    name_of,
)
from mailgate.offers.forwarding import Forwarding, Hand, Standing
from mailgate.offers.slots import LATE_S, Missed, Slot
from mailgate.offers.table import ENDED, IN_CALL, TRANSITIONS, WITHDRAWN, Name, Rule, State

FALL_WITHIN_S = 180.0
"""How long after an attempt's beginning the next one may still begin: later, with the gateway away meanwhile, nobody
waits for a call any more. A telephone rings for 120 s at the most."""


class IllegalTransition(MailgateError):
    """The event cannot happen in the offer's state; nothing was changed."""

    def __init__(self, state: State, event: Name, why: str = "") -> None:
        super().__init__(f"{event.value} in state {state.value}" + (f": {why}" if why else ""))
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed when the offer was made; only the offeror changes it, by Redirected."""

    account_id: str
    offeror_name: str
    destination_name: str
    destination: tuple[Channel, ...] = field(repr=False)
    offeree_address: str
    offeree_name: str = ""  # what the offeror is shown instead of the address, which not every caller may learn
    offeree: Channel | None = field(default=None, repr=False)  # where the offeror has said how to reach them
    language: str = "en"
    message_id: str = ""

    @property
    def offeree_shown(self) -> str:
        """How the offeror knows the offeree: by name, else by address, else by the end of the number."""
        if self.offeree_name or self.offeree_address or self.offeree is None:
            return self.offeree_name or self.offeree_address
        return f"… {self.offeree.address[-2:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to connect both parties. Times are UNIX seconds, None where it has not come to that.

    `destination_first`: the offeror asked to be rung before the offeree. `leg1` is the offeree's side all the same.
    `rest`: what is tried where this one does not reach the offeree; `falls`: how many of the same acceptance have not
    before it; `again`: how many channels of the destination have not within it.
    """

    attempt_id: str
    ordinal: int
    leg1: Channel = field(repr=False)
    held: Channel | None = field(default=None, repr=False)  # leg 2, where the offeror waits on the line
    started_at: float
    answered_at: float | None = None
    bridged_at: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    cause: int = 0
    bridged_s: float = 0.0
    destination_first: bool = False
    rest: tuple[Try, ...] = ()
    falls: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer as it stands. `version` grows by one with each step: the store's compare-and-set goes by it. `slot`: the
    time that was chosen, and of a missed one until another is chosen. `fallen`: the attempt that this very step has
    ended, where the next one has begun with it; the store keeps it as an attempt like any other."""

    offer_id: str
    terms: Terms
    state: State = State.OPEN
    version: int = 0
    created_at: float
    expires_at: float
    uses_left: int = 1
    attempts_left: int = 10
    attempt: Attempt | None = None
    closing: State | None = None
    replies: int = 0
    forwarding: Forwarding = Forwarding.BIND
    holders: frozenset[str] = frozenset()
    """Marks of who may take it up; see `mailgate.offers.forwarding`."""
    slot: Slot | None = None
    fallen: Attempt | None = None


def step(offer: Offer, event: Event, now: float) -> tuple[Offer, tuple[Effect, ...]]:
    """What the offer becomes by the event, and what must be done once that is committed.

    Raises IllegalTransition where the event cannot happen now, CallRefused (`stranger`, `unproven`) where the
    forwarding policy does not let this hand accept; the offer is immutable, so nothing has changed.
    """
    name = name_of(event)
    target = TRANSITIONS.get((offer.state, name))
    if target is None:
        raise IllegalTransition(offer.state, name)
    effects: tuple[Effect, ...] = ()
    match event:
        case Accepted():
            _in_time(offer, name, now)
            holders = _holders_after(offer, event.hand, dialled=event.dialled)
            changed, effects = _begin(offer, event.attempt_id, event.leg1, now, held=event.held, rest=event.rest)
            changed = replace(changed, holders=holders)
        case Proven():
            _in_time(offer, name, now)
            changed = replace(offer, holders=forwarding.with_marks(offer.holders, {event.browser}))
        case Booked() | Moved() | Cancelled() | Due() | Passed():
            _in_time(offer, name, now)
            changed, effects = _later(offer, event, name, now)
            if isinstance(event, Booked | Moved):
                changed = replace(changed, holders=_holders_after(offer, event.hand))
        case Declined():
            _in_time(offer, name, now)
            changed, effects = offer, (Notify(news=News.DECLINED, reason=event.reason, text=event.text),)
        case Replied():
            _in_time(offer, name, now)
            if offer.replies >= MOST_REPLIES:
                raise IllegalTransition(offer.state, name, "there have been enough answers")
            changed, effects = replace(offer, replies=offer.replies + 1), (Notify(news=News.REPLIED, text=event.text),)
        case Redirected():
            _in_time(offer, name, now)
            terms = replace(offer.terms, destination_name=event.destination_name, destination=event.destination)
            changed = replace(offer, terms=terms)
        case NotMe():
            changed, effects = _closing(offer, State.SUPPRESSED, hang_up=offer.state is not State.CONNECTED)
        case Revoked():
            changed, effects = _closing(offer, State.REVOKED, hang_up=offer.state is not State.CONNECTED)
        case Expired():
            if now < offer.expires_at:
                raise IllegalTransition(offer.state, name, "the offer's time is not over")
            changed, effects = _closing(offer, State.EXPIRED, hang_up=False)
        case _:
            changed, effects = _told_by_asterisk(offer, event, name, now)
    if isinstance(event, Declined | NotMe | Revoked | Expired) and offer.state not in IN_CALL:
        changed, effects = _without_slot(changed, effects, was_booked=offer.state is State.BOOKED, event=event)
    state = _resolve(target, offer.state, changed)
    closing = None if state in ENDED else changed.closing
    return replace(changed, state=state, closing=closing, version=offer.version + 1), effects


def _begin(
    offer: Offer,
    attempt_id: str,
    leg1: Channel,
    now: float,
    *,
    held: Channel | None = None,
    destination_first: bool = False,
    rest: tuple[Try, ...] = (),
    falls: int = 0,
) -> tuple[Offer, tuple[Effect, ...]]:
    attempt = Attempt(
        attempt_id=attempt_id,
        ordinal=offer.attempt.ordinal + 1 if offer.attempt else 1,
        leg1=leg1,
        held=held,
        started_at=now,
        destination_first=destination_first,
        rest=rest,
        falls=falls,
    )
    slot = None if offer.slot and offer.slot.missed else offer.slot  # what was missed is over with the next try
    changed = replace(offer, attempt=attempt, attempts_left=offer.attempts_left - 1, slot=slot)
    return changed, (PlaceCall(attempt_id=attempt_id),)


def _later(
    offer: Offer, event: Booked | Moved | Cancelled | Due | Passed, name: Name, now: float
) -> tuple[Offer, tuple[Effect, ...]]:
    slot = offer.slot
    match event:
        case Booked() | Moved():
            if event.slot.start < now or event.slot.end > offer.expires_at:
                raise IllegalTransition(offer.state, name, "not a time within the offer's validity")
            chosen = replace(event.slot, sequence=offer.version + 1, attempt_id="", missed=None)
            news = News.SLOT_BOOKED if isinstance(event, Booked) else News.SLOT_MOVED
            return replace(offer, slot=chosen), (Notify(news=news, slot=chosen, access=event.access),)
        case Cancelled():
            return _without_slot(offer, (), was_booked=True, event=event)
    if slot is None or now < slot.start:
        raise IllegalTransition(offer.state, name, "the slot's time has not come")
    match event:
        case Due():
            if now > slot.start + LATE_S:
                raise IllegalTransition(offer.state, name, "the slot's time is over")
            served = replace(offer, slot=replace(slot, attempt_id=event.attempt_id))
            return _begin(served, event.attempt_id, slot.leg1, now, destination_first=slot.destination_first)
        case Passed():
            missed = replace(slot, missed=event.missed)
            return replace(offer, slot=missed), (Notify(news=News.SLOT_MISSED, slot=missed),)


def _without_slot(
    offer: Offer, effects: tuple[Effect, ...], *, was_booked: bool, event: Event
) -> tuple[Offer, tuple[Effect, ...]]:
    """The same without its slot. Whoever has it in a calendar is told, so that it goes from there."""
    slot = offer.slot
    if slot is not None and was_booked:
        gone = replace(slot, sequence=offer.version + 1)
        if isinstance(event, Expired):  # nobody was there in time to ring it
            effects += (Notify(news=News.SLOT_MISSED, slot=replace(gone, missed=Missed.LATE)),)
        else:
            effects += (Notify(news=News.SLOT_CANCELLED, slot=gone),)
    return replace(offer, slot=None), effects


def _in_time(offer: Offer, name: Name, now: float) -> None:
    if now >= offer.expires_at:
        raise IllegalTransition(offer.state, name, "the offer's time is over")


def _holders_after(offer: Offer, hand: Hand | None, *, dialled: bool = False) -> frozenset[str]:
    """Raises CallRefused where the hand is not the holder's."""
    if hand is None:
        return offer.holders
    judge = forwarding.dialled if dialled else forwarding.standing
    found = judge(offer.forwarding, offer.holders, hand)
    if found is not Standing.HOLDER:
        raise CallRefused(found.value, "the offer is another's to take up")
    return forwarding.after(offer.forwarding, offer.holders, hand)


def _closing(offer: Offer, state: State, *, hang_up: bool) -> tuple[Offer, tuple[Effect, ...]]:
    if offer.state not in IN_CALL or offer.attempt is None:
        return offer, ()
    # what somebody said outlasts an expiry, and whoever spoke first is heard
    closing = offer.closing if offer.closing in WITHDRAWN else state
    return replace(offer, closing=closing), (HangUp(attempt_id=offer.attempt.attempt_id),) if hang_up else ()


def _told_by_asterisk(
    offer: Offer, event: AnswerLost | CallEvent, name: Name, now: float
) -> tuple[Offer, tuple[Effect, ...]]:
    attempt = offer.attempt
    if attempt is None or attempt.attempt_id != event.attempt_id:
        raise IllegalTransition(offer.state, name, "of another attempt")
    match event:
        case Answered(leg=1):
            attempt = replace(attempt, answered_at=now)
        case Bridged(bridged_at=at):
            attempt = replace(attempt, answered_at=attempt.answered_at or at, bridged_at=at)
        case Again(nth=nth):
            attempt = replace(attempt, again=nth)
        case Ended():
            return _call_over(offer, attempt, event, now)
        case _:
            pass
    return replace(offer, attempt=attempt), ()


def _call_over(offer: Offer, attempt: Attempt, event: Ended, now: float) -> tuple[Offer, tuple[Effect, ...]]:
    outcome = event.outcome
    if offer.closing in WITHDRAWN and offer.state is not State.CONNECTED and outcome is not Outcome.COMPLETED:
        outcome = Outcome.REVOKED
    used = outcome is Outcome.COMPLETED
    ended = replace(attempt, ended_at=now, outcome=outcome, cause=event.cause, bridged_s=event.bridged_s)
    if _may_fall(offer, attempt, outcome, now):
        following, *rest = attempt.rest
        fallen = replace(offer, attempt=ended, fallen=ended)
        leg1, held, falls = following.leg1, attempt.held, attempt.falls + 1
        return _begin(fallen, following.attempt_id, leg1, now, held=held, rest=tuple(rest), falls=falls)
    effects: tuple[Effect, ...] = (Suppress(channel=attempt.leg1),) if outcome is Outcome.NOT_ME else ()
    if outcome in MISSED:
        effects = (Notify(news=News.MISSED, outcome=outcome),)
    after = replace(offer, attempt=ended, uses_left=offer.uses_left - used)
    return _slot_after_call(after, outcome, effects, now, event) if after.slot else (after, effects)


def _may_fall(offer: Offer, attempt: Attempt, outcome: Outcome, now: float) -> bool:
    """Whether the next attempt of the same acceptance begins with the end of this one."""
    in_time = now < offer.expires_at and now <= attempt.started_at + FALL_WITHIN_S
    return bool(attempt.rest) and outcome in FALLS and offer.closing is None and offer.attempts_left > 0 and in_time


def _slot_after_call(
    offer: Offer, outcome: Outcome, effects: tuple[Effect, ...], now: float, event: Event
) -> tuple[Offer, tuple[Effect, ...]]:
    """What a call that is over means for the slot: it was the slot's own, or came before it, or went on into it."""
    slot, attempt = offer.slot, offer.attempt
    assert slot is not None and attempt is not None
    own = slot.attempt_id == attempt.attempt_id
    if own and outcome is Outcome.LINES_BUSY and offer.closing is None and now <= slot.start + LATE_S:
        # nothing was sent to Asterisk: it is rung when a line is free
        return replace(offer, slot=replace(slot, attempt_id=""), attempts_left=offer.attempts_left + 1), effects
    if outcome is Outcome.COMPLETED and own:
        return replace(offer, slot=None), effects
    withdrawn = offer.closing in WITHDRAWN
    if (own or slot.start <= now) and outcome is not Outcome.COMPLETED and not withdrawn:
        missed = replace(slot, attempt_id=attempt.attempt_id, missed=Missed.NOT_REACHED)
        told = Notify(news=News.SLOT_MISSED, outcome=outcome, slot=missed)
        return replace(offer, slot=missed), (*(e for e in effects if not isinstance(e, Notify)), told)
    over = offer.closing is not None or offer.uses_left < 1 or offer.attempts_left < 1
    if over or outcome is Outcome.COMPLETED:
        return _without_slot(offer, effects, was_booked=True, event=event)
    return offer, effects


def _resolve(target: State | Rule, state: State, offer: Offer) -> State:
    match target:
        case State():
            return target
        case Rule.STAY | Rule.CLOSE_AFTER_CALL:
            return state
        case Rule.AFTER_CALL:
            if offer.fallen is not None:
                return State.PLACING
            if offer.closing is not None:
                return offer.closing
            if offer.uses_left < 1:
                return State.USED
            if offer.attempts_left < 1:
                return State.EXHAUSTED
            if offer.slot is not None:
                return State.MISSED if offer.slot.missed else State.BOOKED
            return State.OPEN
        case _:
            assert_never(target)
