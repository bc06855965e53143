"""What happens to an offer (events), and what must be done about it (effects): plain data.

Beside these, `mailgate.offers.answer` has what people say, and `mailgate.calls.model` what Asterisk says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Channel, Confirmed, Ended, Ringing
from mailgate.offers.answer import Declined, Notify, NotMe, Redirected, Replied
from mailgate.offers.forwarding import Hand
from mailgate.offers.slots import Access, Missed, Slot
from mailgate.offers.table import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """An attempt that is yet to come: where the one before did not reach the offeree. Its id is there from the start,
    so that whoever falls back on it, twice even, makes one call."""

    attempt_id: str
    leg1: Channel = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The offeree wants the call now, on this channel; with whoever is `held` on the line, where somebody is.
    `rest`: where else, where that one does not reach them.

    `hand`: who pressed, as far as the forwarding policy asks; None where that was judged before (a booked time, say).
    `dialled`: they called in with the PIN.
    """

    attempt_id: str
    leg1: Channel = field(repr=False)
    rest: tuple[Try, ...] = ()
    held: Channel | None = field(default=None, repr=False)
    hand: Hand | None = None
    dialled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Whoever uses the browser with this mark has typed a code that was mailed to the original recipient."""

    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLost:
    """The link to Asterisk broke before it said whether it took the call."""

    attempt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The offeror takes the offer back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The offer's time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The offeree wants to be called at that time. `access` is for the calendar file, where it is mailed; `hand` as of
    Accepted."""

    slot: Slot
    access: Access | None = None
    hand: Hand | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Another time instead; as Booked."""

    slot: Slot
    access: Access | None = None
    hand: Hand | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The call at that time is not wanted any more, by the offeree or the offeror; the offer stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The slot's time has come, and it is rung."""

    attempt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The slot's time has come, and it cannot be rung."""

    missed: Missed


Later = Booked | Moved | Cancelled | Due | Passed
"""What happens to a slot."""

Event = Accepted | Proven | Declined | Replied | NotMe | Redirected | Later | AnswerLost | CallEvent | Revoked | Expired


def name_of(event: Event) -> Name:
    """The name of an event; a leg's events are named after the party."""
    match event:
        case Accepted():
            return Name.ACCEPTED
        case Proven():
            return Name.PROVEN
        case Declined():
            return Name.DECLINED
        case Replied():
            return Name.REPLIED
        case NotMe():
            return Name.NOT_ME
        case Redirected():
            return Name.REDIRECTED
        case Booked():
            return Name.BOOKED
        case Moved():
            return Name.MOVED
        case Cancelled():
            return Name.CANCELLED
        case Due():
            return Name.DUE
        case Passed():
            return Name.PASSED
        case Ringing(leg=leg):
            return Name.OFFEREE_RINGS if leg == 1 else Name.DESTINATION_RINGS
        case Answered(leg=leg):
            return Name.OFFEREE_ANSWERED if leg == 1 else Name.DESTINATION_ANSWERED
        case Confirmed(leg=leg):
            return Name.OFFEREE_CONFIRMED if leg == 1 else Name.DESTINATION_CONFIRMED
        case Again():
            return Name.DESTINATION_AGAIN
        case Bridged():
            return Name.BRIDGED
        case Ended():
            return Name.CALL_ENDED
        case AnswerLost():
            return Name.ANSWER_LOST
        case Revoked():
            return Name.REVOKED
        case Expired():
            return Name.EXPIRED
        case _:
            assert_never(event)


# --- effects --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """Send the one Originate of this attempt."""

    attempt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the attempt's legs, whichever there are."""

    attempt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Never call this channel again for anybody: whoever answered there did not ask for it."""

    channel: Channel = field(repr=False)


Effect = PlaceCall | HangUp | Suppress | Notify
