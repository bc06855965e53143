"""A call in which the destination is rung first, told like every other. Pure.

Asterisk dials leg 1 before leg 2 and speaks of legs by their order; everywhere else leg 1 is the offeree. Where the
offeror asked to be rung first, the order for Asterisk has the parties the other way round, and so has what comes back:
`mirrored` puts it right, once, at the door of the service. What an ended leg means depends on whose it was: a key other
than 1 on the offeror's telephone is not the offeree's refusal, and a 9 there suppresses nobody.

Known limit: whether an offeree who is rung second pressed 9 or another wrong key is not recorded; both are a decline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Confirmed, Ended, Leg, Outcome, Ringing

_O = Outcome
MIRRORED: dict[Outcome, Outcome] = {
    _O.OFFEREE_BUSY: _O.DESTINATION_BUSY,
    _O.OFFEREE_NO_ANSWER: _O.DESTINATION_NO_ANSWER,
    _O.OFFEREE_REJECTED: _O.DESTINATION_REJECTED,
    _O.OFFEREE_WRONG_NUMBER: _O.DESTINATION_WRONG_NUMBER,
    _O.OFFEREE_UNREACHABLE: _O.DESTINATION_UNREACHABLE,
    _O.OFFEREE_HUNG_UP: _O.DESTINATION_HUNG_UP,
    _O.NO_KEY: _O.DESTINATION_NO_KEY,
    _O.NOT_ME: _O.DESTINATION_REJECTED,
    _O.DECLINED_BY_KEY: _O.DESTINATION_REJECTED,
    _O.OFFEREE_LEFT: _O.DESTINATION_HUNG_UP,
    _O.DESTINATION_BUSY: _O.OFFEREE_BUSY,
    _O.DESTINATION_NO_ANSWER: _O.OFFEREE_NO_ANSWER,
    _O.DESTINATION_REJECTED: _O.OFFEREE_REJECTED,
    _O.DESTINATION_WRONG_NUMBER: _O.OFFEREE_WRONG_NUMBER,
    _O.DESTINATION_UNREACHABLE: _O.OFFEREE_UNREACHABLE,
    _O.DESTINATION_NO_KEY: _O.NO_KEY,
    _O.DESTINATION_HUNG_UP: _O.OFFEREE_HUNG_UP,
    _O.COMPLETED: _O.COMPLETED,
    _O.NOT_PLACED: _O.NOT_PLACED,
    _O.LINES_BUSY: _O.LINES_BUSY,
    _O.FAULT: _O.FAULT,
    _O.REVOKED: _O.REVOKED,
    _O.LOST: _O.LOST,
}


def mirrored(event: CallEvent) -> CallEvent:
    """The event with the parties exchanged."""
    match event:
        case Ringing(leg=leg) | Answered(leg=leg) | Confirmed(leg=leg):
            return replace(event, leg=_other(leg))
        case Bridged() | Again():
            return event
        case Ended(outcome=outcome):
            return replace(event, outcome=MIRRORED[outcome])
        case _:
            assert_never(event)


def _other(leg: Leg) -> Leg:
    return 2 if leg == 1 else 1
