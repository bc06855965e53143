"""What may happen to an offer in which state: the states, the events' names, and TRANSITIONS, pure data.

TRANSITIONS is the whole truth. An event that it does not list for a state is refused and changes nothing; the diagram
in docs/offer.md is generated from it.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where an offer stands. The value is what the store and the API show."""

    OPEN = "open"
    DECLINED = "declined"  # not wanted; may be accepted all the same while it lives
    BOOKED = "booked"  # a time has been chosen; the call is made then
    MISSED = "missed"  # the time came and brought no conversation; another may be chosen
    PLACING = "placing"  # accepted and committed; Asterisk is being asked
    OFFEREE_RINGING = "offeree-ringing"
    OFFEREE_ASKED = "offeree-asked"  # leg 1 has answered and is asked to press 1
    DESTINATION_RINGING = "destination-ringing"
    DESTINATION_ASKED = "destination-asked"  # leg 2 has answered and is asked to press 1
    CONNECTED = "connected"
    UNSETTLED = "unsettled"  # Asterisk's answer was lost; its records are being asked
    USED = "used"
    EXHAUSTED = "exhausted"  # no attempt left
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"  # whoever reads the mailbox wants no offers there


WAITING = frozenset({State.OPEN, State.DECLINED, State.BOOKED, State.MISSED})
"""States in which the offer may be accepted while its time is not over."""

IN_CALL = frozenset(
    {
        State.PLACING,
        State.OFFEREE_RINGING,
        State.OFFEREE_ASKED,
        State.DESTINATION_RINGING,
        State.DESTINATION_ASKED,
        State.CONNECTED,
        State.UNSETTLED,
    }
)
"""States with an attempt under way."""

NOTHING_RANG = frozenset({State.PLACING, State.UNSETTLED})
"""Those of them in which nobody has told yet that a telephone rings."""

ENDED = frozenset({State.USED, State.EXHAUSTED, State.REVOKED, State.EXPIRED, State.SUPPRESSED})
"""States that nothing leads out of."""

WITHDRAWN = frozenset({State.REVOKED, State.SUPPRESSED})
"""Ends that somebody asked for: a call that is not yet a conversation is hung up for them."""


class Name(Enum):
    """The events' names, as TRANSITIONS and the history use them."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    REPLIED = "replied"
    NOT_ME = "not-me"
    REDIRECTED = "redirected"
    PROVEN = "proven"
    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    DUE = "due"
    PASSED = "passed"
    OFFEREE_RINGS = "offeree-rings"
    OFFEREE_ANSWERED = "offeree-answered"
    OFFEREE_CONFIRMED = "offeree-confirmed"
    DESTINATION_RINGS = "destination-rings"
    DESTINATION_ANSWERED = "destination-answered"
    DESTINATION_CONFIRMED = "destination-confirmed"
    DESTINATION_AGAIN = "destination-again"
    BRIDGED = "bridged"
    CALL_ENDED = "call-ended"
    ANSWER_LOST = "answer-lost"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Rule(Enum):
    """Targets that depend on more than state and event."""

    STAY = "the same state"
    CLOSE_AFTER_CALL = "the same state; what ends the offer takes hold when the call is over"
    AFTER_CALL = (
        "placing by the offeree's next channel; else open again (a slot: booked still, or missed), or ended where "
        "nothing is left or something has ended it"
    )


AFTER_CALL_TARGETS = (
    State.PLACING,
    State.OPEN,
    State.BOOKED,
    State.MISSED,
    State.USED,
    State.EXHAUSTED,
    State.REVOKED,
    State.EXPIRED,
    State.SUPPRESSED,
)
"""What Rule.AFTER_CALL can lead to."""

_S, _N, _R = State, Name, Rule

TRANSITIONS: dict[tuple[State, Name], State | Rule] = {
    (_S.OPEN, _N.ACCEPTED): _S.PLACING,
    (_S.OPEN, _N.DECLINED): _S.DECLINED,
    (_S.OPEN, _N.BOOKED): _S.BOOKED,
    (_S.OPEN, _N.REPLIED): _R.STAY,
    (_S.OPEN, _N.REDIRECTED): _R.STAY,
    (_S.OPEN, _N.PROVEN): _R.STAY,
    (_S.OPEN, _N.NOT_ME): _S.SUPPRESSED,
    (_S.OPEN, _N.REVOKED): _S.REVOKED,
    (_S.OPEN, _N.EXPIRED): _S.EXPIRED,
    #
    (_S.DECLINED, _N.ACCEPTED): _S.PLACING,
    (_S.DECLINED, _N.BOOKED): _S.BOOKED,
    (_S.DECLINED, _N.REPLIED): _R.STAY,
    (_S.DECLINED, _N.REDIRECTED): _R.STAY,
    (_S.DECLINED, _N.PROVEN): _R.STAY,
    (_S.DECLINED, _N.NOT_ME): _S.SUPPRESSED,
    (_S.DECLINED, _N.REVOKED): _S.REVOKED,
    (_S.DECLINED, _N.EXPIRED): _S.EXPIRED,
    #
    (_S.BOOKED, _N.ACCEPTED): _S.PLACING,
    (_S.BOOKED, _N.DUE): _S.PLACING,
    (_S.BOOKED, _N.MOVED): _R.STAY,
    (_S.BOOKED, _N.CANCELLED): _S.OPEN,
    (_S.BOOKED, _N.PASSED): _S.MISSED,
    (_S.BOOKED, _N.DECLINED): _S.DECLINED,
    (_S.BOOKED, _N.REPLIED): _R.STAY,
    (_S.BOOKED, _N.REDIRECTED): _R.STAY,
    (_S.BOOKED, _N.PROVEN): _R.STAY,
    (_S.BOOKED, _N.NOT_ME): _S.SUPPRESSED,
    (_S.BOOKED, _N.REVOKED): _S.REVOKED,
    (_S.BOOKED, _N.EXPIRED): _S.EXPIRED,
    #
    (_S.MISSED, _N.ACCEPTED): _S.PLACING,
    (_S.MISSED, _N.BOOKED): _S.BOOKED,
    (_S.MISSED, _N.DECLINED): _S.DECLINED,
    (_S.MISSED, _N.REPLIED): _R.STAY,
    (_S.MISSED, _N.REDIRECTED): _R.STAY,
    (_S.MISSED, _N.PROVEN): _R.STAY,
    (_S.MISSED, _N.NOT_ME): _S.SUPPRESSED,
    (_S.MISSED, _N.REVOKED): _S.REVOKED,
    (_S.MISSED, _N.EXPIRED): _S.EXPIRED,
    #
    (_S.PLACING, _N.OFFEREE_RINGS): _S.OFFEREE_RINGING,
    (_S.PLACING, _N.OFFEREE_ANSWERED): _S.OFFEREE_ASKED,
    (_S.PLACING, _N.OFFEREE_CONFIRMED): _S.DESTINATION_RINGING,
    (_S.PLACING, _N.DESTINATION_RINGS): _S.DESTINATION_RINGING,
    (_S.PLACING, _N.DESTINATION_ANSWERED): _S.DESTINATION_ASKED,
    (_S.PLACING, _N.DESTINATION_CONFIRMED): _S.DESTINATION_ASKED,
    (_S.PLACING, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.PLACING, _N.BRIDGED): _S.CONNECTED,
    (_S.PLACING, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.PLACING, _N.ANSWER_LOST): _S.UNSETTLED,
    (_S.PLACING, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.PLACING, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.PLACING, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.OFFEREE_RINGING, _N.OFFEREE_ANSWERED): _S.OFFEREE_ASKED,
    (_S.OFFEREE_RINGING, _N.OFFEREE_CONFIRMED): _S.DESTINATION_RINGING,
    (_S.OFFEREE_RINGING, _N.DESTINATION_RINGS): _S.DESTINATION_RINGING,
    (_S.OFFEREE_RINGING, _N.DESTINATION_ANSWERED): _S.DESTINATION_ASKED,
    (_S.OFFEREE_RINGING, _N.DESTINATION_CONFIRMED): _S.DESTINATION_ASKED,
    (_S.OFFEREE_RINGING, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.OFFEREE_RINGING, _N.BRIDGED): _S.CONNECTED,
    (_S.OFFEREE_RINGING, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.OFFEREE_RINGING, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.OFFEREE_RINGING, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.OFFEREE_RINGING, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.OFFEREE_ASKED, _N.OFFEREE_CONFIRMED): _S.DESTINATION_RINGING,
    (_S.OFFEREE_ASKED, _N.DESTINATION_RINGS): _S.DESTINATION_RINGING,
    (_S.OFFEREE_ASKED, _N.DESTINATION_ANSWERED): _S.DESTINATION_ASKED,
    (_S.OFFEREE_ASKED, _N.DESTINATION_CONFIRMED): _S.DESTINATION_ASKED,
    (_S.OFFEREE_ASKED, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.OFFEREE_ASKED, _N.BRIDGED): _S.CONNECTED,
    (_S.OFFEREE_ASKED, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.OFFEREE_ASKED, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.OFFEREE_ASKED, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.OFFEREE_ASKED, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.DESTINATION_RINGING, _N.DESTINATION_RINGS): _R.STAY,
    (_S.DESTINATION_RINGING, _N.DESTINATION_ANSWERED): _S.DESTINATION_ASKED,
    (_S.DESTINATION_RINGING, _N.DESTINATION_CONFIRMED): _S.DESTINATION_ASKED,
    (_S.DESTINATION_RINGING, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.DESTINATION_RINGING, _N.BRIDGED): _S.CONNECTED,
    (_S.DESTINATION_RINGING, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.DESTINATION_RINGING, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.DESTINATION_RINGING, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.DESTINATION_RINGING, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.DESTINATION_ASKED, _N.DESTINATION_CONFIRMED): _R.STAY,
    (_S.DESTINATION_ASKED, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.DESTINATION_ASKED, _N.BRIDGED): _S.CONNECTED,
    (_S.DESTINATION_ASKED, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.DESTINATION_ASKED, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.DESTINATION_ASKED, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.DESTINATION_ASKED, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.CONNECTED, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.CONNECTED, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.CONNECTED, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.CONNECTED, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
    #
    (_S.UNSETTLED, _N.OFFEREE_RINGS): _S.OFFEREE_RINGING,
    (_S.UNSETTLED, _N.OFFEREE_ANSWERED): _S.OFFEREE_ASKED,
    (_S.UNSETTLED, _N.OFFEREE_CONFIRMED): _S.DESTINATION_RINGING,
    (_S.UNSETTLED, _N.DESTINATION_RINGS): _S.DESTINATION_RINGING,
    (_S.UNSETTLED, _N.DESTINATION_ANSWERED): _S.DESTINATION_ASKED,
    (_S.UNSETTLED, _N.DESTINATION_CONFIRMED): _S.DESTINATION_ASKED,
    (_S.UNSETTLED, _N.DESTINATION_AGAIN): _S.DESTINATION_RINGING,
    (_S.UNSETTLED, _N.BRIDGED): _S.CONNECTED,
    (_S.UNSETTLED, _N.CALL_ENDED): _R.AFTER_CALL,
    (_S.UNSETTLED, _N.NOT_ME): _R.CLOSE_AFTER_CALL,
    (_S.UNSETTLED, _N.REVOKED): _R.CLOSE_AFTER_CALL,
    (_S.UNSETTLED, _N.EXPIRED): _R.CLOSE_AFTER_CALL,
}
