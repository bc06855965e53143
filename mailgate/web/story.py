"""What a page tells of an offer: from the view to the names of texts and the steps of the call. Pure.

Every state and every outcome leads to texts of its own; `key` changes exactly when the page must change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict, assert_never

from mailgate.calls.model import COMES_IN, Kind, Outcome
from mailgate.offers.slots import Missed
from mailgate.offers.table import ENDED, State
from mailgate.offers.view import View

RECENT_S = 3600.0
"""How long an offer that is open again still tells of its latest call: who comes back later begins anew."""


class Progress(Enum):
    """Where a step of the call stands."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the progress; `name` is that of its text."""

    name: str
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What to show. `title` and the others are names of texts, empty where there is nothing to say.

    `talked_s` is how long both talked (connected: until now), None where they did not.
    """

    key: str
    phase: str  # "offer", "call" or "over"
    title: str
    text: str = ""
    advice: str = ""
    steps: tuple[Step, ...] = ()
    form: bool = False
    again: bool = False
    talked_s: int | None = None
    good: bool = False
    may_decline: bool = False
    may_reply: bool = False
    replied: bool = False
    by_page: bool = False  # the call goes through the page: leaving it ends the call
    elsewhere: bool = False  # nobody was reached the first way, and another one is tried
    slot: bool = False  # a time is booked: it can be moved and cancelled


class _Answers(TypedDict):
    """The fields of a story that say which answers beside a call are taken."""

    may_decline: bool
    may_reply: bool
    replied: bool


_STEPS = ("calling_you", "press", "calling_them", "connected")
_STEPS_THEM_FIRST = ("calling_them", "calling_you", "press", "connected")
_STEPS_HERE = ("on_line", "calling_them", "connected")
"""Who has called in, from the page or by telephone, is not called and presses no key."""

_THEIR_TURN = frozenset({State.PLACING, State.DESTINATION_RINGING})
_BEFORE = frozenset({State.PLACING, State.OFFEREE_RINGING, State.OFFEREE_ASKED})
_NEVER_HERE = frozenset({Outcome.OFFEREE_NO_ANSWER, Outcome.OFFEREE_UNREACHABLE, Outcome.OFFEREE_HUNG_UP})


def _reached(state: State) -> int | None:
    """How many steps of the call lie behind; None where that is not known, or there is no call."""
    match state:
        case State.PLACING | State.OFFEREE_RINGING:
            return 0
        case State.OFFEREE_ASKED:
            return 1
        case State.DESTINATION_RINGING | State.DESTINATION_ASKED:
            return 2
        case State.CONNECTED:
            return 3
        case State.OPEN | State.DECLINED | State.BOOKED | State.MISSED | State.UNSETTLED:
            return None
        case State.USED | State.EXHAUSTED | State.REVOKED | State.EXPIRED | State.SUPPRESSED:
            return None
        case _:
            assert_never(state)


def _reached_them_first(state: State) -> int | None:
    """The same where the destination is rung first."""
    match state:
        case State.PLACING | State.DESTINATION_RINGING:
            return 0
        case State.DESTINATION_ASKED:
            return 1
        case _:
            return _reached(state)


def tell(view: View, now: float) -> Story:
    """The story of an offer at a moment."""
    key = f"{view.version}.{view.state.value}{'.line' if view.on_line else ''}"
    if view.in_call:
        return _call(view, key, now)
    if view.state is State.DECLINED:
        return _waits(view, key, "declined")
    if view.state is State.BOOKED:
        return _waits(view, key, "booked", slot=True)
    recent = view.ended_at is not None and now - view.ended_at < RECENT_S
    told = recent and view.state is not State.SUPPRESSED
    if view.slot_missed not in (None, Missed.NOT_REACHED):
        told = False  # the latest call was before the time that nobody was called at
    if view.outcome is not None and (told or view.state in (State.USED, State.EXHAUSTED)):
        return _over(view, view.outcome, key)
    if view.state is State.MISSED:
        return _waits(view, key, "missed", text=f"missed.{(view.slot_missed or Missed.NOT_REACHED).value}")
    if view.state in ENDED:
        return Story(
            key=key, phase="over", title=f"state.{view.state.value}.title", text=f"state.{view.state.value}.text"
        )
    other = "" if view.destination_name == view.offeror_name else "_other"
    if view.on_line:
        return Story(key=key, phase="offer", title="line.title", text="line.lead", form=True, **_answers(view))
    return Story(
        key=key,
        phase="offer",
        title=f"offer.title{other}",
        text="offer.lead",
        form=view.may_accept,
        **_answers(view),
    )


def _waits(view: View, key: str, name: str, *, text: str = "", slot: bool = False) -> Story:
    """Something was decided that may be thought over."""
    return Story(
        key=key,
        phase="over",
        title=f"state.{name}.title",
        text=text or f"state.{name}.text",
        advice=f"state.{name}.next",
        form=view.may_accept,
        slot=slot,
        good=slot,
        **_answers(view),
    )


def _answers(view: View) -> _Answers:
    return _Answers(may_decline=view.may_decline, may_reply=view.may_reply, replied=view.replies > 0)


def _call(view: View, key: str, now: float) -> Story:
    behind = _reached_them_first(view.state) if view.destination_first else _reached(view.state)
    here = view.leg1_kind in COMES_IN
    steps: tuple[Step, ...] = ()
    if behind is not None:
        names = _STEPS_HERE if here else _STEPS_THEM_FIRST if view.destination_first else _STEPS
        behind = max(0, behind - 1) if here else behind
        steps = tuple(
            Step(name=f"steps.{name}", progress=_progress(number, behind)) for number, name in enumerate(names)
        )
    name = "on-line" if here and view.state in _BEFORE else view.state.value
    if view.destination_first and view.state not in (State.CONNECTED, State.UNSETTLED):
        name = "them-first" if view.state in _THEIR_TURN else "your-turn"
    talked = view.state is State.CONNECTED and view.bridged_at is not None
    return Story(
        key=key,
        phase="call",
        title=f"state.{name}.title",
        text=f"state.{name}.text",
        steps=steps,
        by_page=view.leg1_kind is Kind.BROWSER,
        elsewhere=view.falls > 0 and view.state is not State.CONNECTED,
        talked_s=max(0, int(now - (view.bridged_at or now))) if talked else None,
        good=view.state is State.CONNECTED,
    )


def _progress(number: int, behind: int) -> Progress:
    if number == behind:
        return Progress.NOW
    return Progress.DONE if number < behind else Progress.NEXT


def _over(view: View, outcome: Outcome, key: str) -> Story:
    completed = outcome is Outcome.COMPLETED
    name = "page-lost" if view.leg1_kind is Kind.BROWSER and outcome in _NEVER_HERE else outcome.value
    return Story(
        key=key,
        phase="over",
        title=f"outcome.{name}.title",
        text=f"outcome.{name}.text",
        advice=f"outcome.{name}.next" if view.may_accept else f"state.{view.state.value}.after",
        form=view.may_accept,
        again=True,
        talked_s=round(view.bridged_s) if completed else None,
        good=completed,
        **_answers(view),
    )
