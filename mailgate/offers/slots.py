"""A slot: the time for which an offeree has asked to be called, and the rules by which one may be taken. Pure.

A slot lies wholly within the offer's validity, and taking one never extends it: the offeror has said until when they
are ready to talk, and nobody else may promise more of their time. For the same reason it lies within their hours.
What is not theirs to say is when the offeree rests: see `hours.Rest`.

A slot that is rung is served: it names its attempt, of which there is one. One that could not be rung, or that reached
nobody, is missed: it stays with the offer until another time is chosen, so that page and notices can say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mailgate.calls.model import Channel
from mailgate.errors import MailgateError
from mailgate.offers.hours import Hours, Rest, starts, zone_of

LATE_S = 300.0
"""How much later than its time a slot may still be rung: nobody waits by the telephone for longer."""


class Missed(Enum):
    """Why a slot came to nothing."""

    NOT_REACHED = "not-reached"  # it was rung; the attempt's outcome says more
    LATE = "late"  # the gateway, or its lines, could not be there in time
    DO_NOT_DISTURB = "do-not-disturb"  # the offeror takes no calls
    NOT_CALLABLE = "not-callable"  # the number may not be called any more


class SlotRefused(MailgateError):
    """The slot cannot be taken; `reason` names a text of the page: `gone`, `taken`, `full`, `rest`, `zone`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this time cannot be taken: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A time that was asked for.

    `start`: UNIX seconds; `zone`: the offeree's, IANA name, for words alone; `leg1`: where they want to be called.
    `sequence` grows with each change (RFC 5545, 3.8.7.4). `mail`: whether the offeree wants the calendar file by mail.
    `attempt_id`: of the call that was made for it.
    """

    start: float
    minutes: int
    zone: str
    leg1: Channel = field(repr=False)
    destination_first: bool = False
    mail: bool = False
    sequence: int = 0
    attempt_id: str = ""
    missed: Missed | None = None

    @property
    def end(self) -> float:
        return self.start + self.minutes * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the offeree comes back to the offer: its token, and its PIN where there is one."""

    token: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How slots are offered. `lead_s`: the earliest one begins so long from now. `capacity`: calls that the trunk
    carries at once; no more are promised for one time."""

    minutes: int = 15
    horizon_s: float = 14 * 86400.0
    lead_s: float = 300.0
    capacity: int = 30
    hours: str = "Mon-Fri 9-18"
    zone: str = "UTC"
    rest: Rest = field(default_factory=Rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is promised already: beginnings of slots with how many there are in all, and how many of them lead to the
    same destination. Slots may be of other lengths, where the rules have changed."""

    slots: Mapping[tuple[float, int], tuple[int, int]] = field(default_factory=dict)  # (start, minutes) → (all, own)

    def around(self, start: float, minutes: int) -> tuple[int, int]:
        """How many overlap with a slot at that time: in all, and of the same destination."""
        every = own = 0
        end = start + minutes * 60.0
        for (other, length), (number, same) in self.slots.items():
            if other < end and start < other + length * 60.0:
                every, own = every + number, own + same
        return every, own


def choices(hours: Hours, rules: Rules, taken: Taken, *, now: float, expires_at: float) -> list[float]:
    """The beginnings of the slots that can be taken now, the earliest first."""
    until = min(expires_at, now + rules.horizon_s)
    near = _Near(taken)
    found = starts(hours, after=now + rules.lead_s, until=until, minutes=rules.minutes)
    return [at for at in found if not _refusal(near.around(at, rules.minutes), rules)]


def check(
    start: float,
    zone: str,
    hours: Hours,
    rules: Rules,
    taken: Taken,
    *,
    now: float,
    expires_at: float,
    any_hour: bool = False,
) -> None:
    """Whether a slot may be taken. `any_hour`: the offeree has chosen to be called at an early or late hour.

    Raises SlotRefused.
    """
    lives_in = zone_of(zone)
    if lives_in is None:
        raise SlotRefused("zone")
    ends = start + rules.minutes * 60.0
    if start < now or ends > min(expires_at, now + rules.horizon_s):
        raise SlotRefused("gone")
    # from a day before on: the walk over the days until then would find nothing
    after = max(now + rules.lead_s, start - 86400.0)
    if not any(at == start for at in starts(hours, after=after, until=ends, minutes=rules.minutes)):
        raise SlotRefused("gone")
    if not any_hour and rules.rest.disturbed(start, rules.minutes, lives_in):
        raise SlotRefused("rest")
    refusal = _refusal(taken.around(start, rules.minutes), rules)
    if refusal:
        raise SlotRefused(refusal)


def _refusal(around: tuple[int, int], rules: Rules) -> str:
    every, own = around
    return "taken" if own else "full" if every >= rules.capacity else ""


class _Near:
    """`Taken.around` for many questions, the earliest first: what lies behind is not looked at again."""

    def __init__(self, taken: Taken) -> None:
        self._sorted = sorted(taken.slots.items())
        self._longest = max((minutes for _, minutes in taken.slots), default=0) * 60.0
        self._first = 0

    def around(self, start: float, minutes: int) -> tuple[int, int]:
        while self._first < len(self._sorted) and self._sorted[self._first][0][0] + self._longest <= start:
            self._first += 1
        every = own = 0
        end = start + minutes * 60.0
        for (other, length), (number, same) in self._sorted[self._first :]:
            if other >= end:
                break
            if start < other + length * 60.0:
                every, own = every + number, own + same
        return every, own
