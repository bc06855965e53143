"""What a call is made of, and what can be said of one. Pure data, shared by the plan, the state machine and Asterisk.

An *attempt* is one try to connect offeree (leg 1) and destination (leg 2); it has an id of its own, and at most
one Originate is ever sent for it. Times are UNIX seconds (`_at`) or seconds (`_s`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Leg = Literal[1, 2]
"""1: the offeree, who is called first. 2: the destination."""

_TEL = re.compile(r"\+[1-9][0-9]{3,14}\Z")  # E.164 with the plus sign (RFC 3966, 5.1.4 global-number-digits)
_SIP_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")  # what a dialplan takes without any quoting
_NONCE = re.compile(r"[0-9a-f]{32}\Z")  # what the dialplan's pattern for browsers takes
_HELD = re.compile(r"[A-Za-z]{2,10}/[A-Za-z0-9_.@-]{1,70}\Z")  # a channel's name, technology in front
_SIP_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")


class Kind(Enum):
    """How a party can be reached."""

    TEL = "tel"
    SIP = "sip"
    BROWSER = "browser"  # the page itself calls in: the address is a one-time nonce
    PAGE = "page"  # the page of who is signed in rings: the address is the account's id
    DIAL_IN = "dial-in"  # a telephone has called in and given the offer's PIN: the address is its channel
    HELD = "held"  # a caller who waits on the line: the address is that channel's name


COMES_IN = frozenset({Kind.BROWSER, Kind.DIAL_IN})
"""Kinds of a leg 1 that calls the gateway instead of being called. A person has acted there: no key is asked for."""
UNASKED = COMES_IN | {Kind.PAGE}
"""Kinds of a leg 1 that is asked for no key; a page that rings has been answered by a person's press."""
SEES = frozenset({Kind.BROWSER, Kind.PAGE})
"""Kinds of a leg that is shown how the call stands, and need not be told."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach a party: `tel:+33199001234`, `sip:alice` (registered here), `sip:bob@example.org`,
    `browser:NONCE`, `page:ACCOUNT`, `dial-in:CHANNEL`, `held:PJSIP/trunk-0000002a`.

    The constructor refuses every address that is not in the narrow grammar above, since it ends in a
    channel string of Asterisk. Raises ValueError.
    """

    kind: Kind
    address: str = field(repr=False)  # a log line that holds a channel shows no number

    def __post_init__(self) -> None:
        user, at, host = self.address.partition("@")
        match self.kind:
            case Kind.TEL:
                fits = bool(_TEL.match(self.address))
            case Kind.SIP:
                fits = bool(_SIP_USER.match(user)) and (not at or bool(_SIP_HOST.match(host)))
            case Kind.BROWSER | Kind.PAGE:
                fits = bool(_NONCE.match(self.address))
            case Kind.DIAL_IN:
                fits = bool(_SIP_USER.match(self.address))
            case Kind.HELD:
                fits = bool(_HELD.match(self.address))
        if not fits:
            raise ValueError(f"not a usable {self.kind.value} address")

    @classmethod
    def parse(cls, uri: str) -> Channel:
        """`tel:…`, `sip:…`, `page:…` or another; raises ValueError."""
        scheme, _, address = uri.partition(":")
        return cls(Kind(scheme.lower()), address)

    @property
    def uri(self) -> str:
        return f"{self.kind.value}:{self.address}"


class Outcome(Enum):
    """How an attempt ended. Each has words of its own on the page."""

    COMPLETED = "completed"  # both were in one bridge

    OFFEREE_BUSY = "offeree-busy"
    OFFEREE_NO_ANSWER = "offeree-no-answer"
    OFFEREE_REJECTED = "offeree-rejected"
    OFFEREE_WRONG_NUMBER = "offeree-wrong-number"
    OFFEREE_UNREACHABLE = "offeree-unreachable"  # trunk dead, device not registered, network failure
    OFFEREE_HUNG_UP = "offeree-hung-up"  # answered, left before pressing a key
    NO_KEY = "no-key"  # answered, pressed nothing (perhaps a machine)
    NOT_ME = "not-me"  # pressed 9: this telephone did not ask for a call
    DECLINED_BY_KEY = "declined-by-key"  # pressed another key

    OFFEREE_LEFT = "offeree-left"  # pressed 1, hung up while the destination's telephone rang
    DESTINATION_BUSY = "destination-busy"
    DESTINATION_NO_ANSWER = "destination-no-answer"
    DESTINATION_REJECTED = "destination-rejected"
    DESTINATION_WRONG_NUMBER = "destination-wrong-number"
    DESTINATION_UNREACHABLE = "destination-unreachable"
    DESTINATION_NO_KEY = "destination-no-key"  # answered, pressed nothing (perhaps a machine)
    DESTINATION_HUNG_UP = "destination-hung-up"  # answered, left before the bridge

    LINES_BUSY = "lines-busy"  # every line to the telephone network is in use: nothing rang
    NOT_PLACED = "not-placed"  # Asterisk could not be asked, or never heard of it: nothing rang
    REVOKED = "revoked"  # ended by the offeror before the bridge
    FAULT = "fault"  # Asterisk broke the call off by itself, after leg 1 had answered
    LOST = "lost"  # what became of it cannot be found out


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """Another channel of leg 2's party, dialled where the one before was not reached, while leg 1 stays on the line."""

    channel: Channel
    confirm: bool = True  # it presses 1 before it is bridged


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """Everything that Asterisk is told of an attempt."""

    attempt_id: str  # 32 lower-case hexadecimal digits; becomes leg 1's ChannelId
    leg1: Channel
    leg2: Channel
    then2: tuple[Further, ...] = ()  # in this order
    announcement: str = ""  # sound file for leg 1, absolute, without extension; empty: the built-in prompt
    confirm1: bool = True  # leg 1 presses 1 before leg 2 is dialled
    confirm2: bool = True  # leg 2 presses 1 before it is bridged
    announcement2: str = ""  # the same for leg 2
    calling: str = ""  # sound file for leg 1, before leg 2 is dialled: who is called now; empty: none
    ring1_s: int = 45
    ring2_s: int = 45
    longest_s: int = 3600  # the bridge is cut by Asterisk after this


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """The leg's telephone rings (leg 2: its INVITE has left)."""

    attempt_id: str
    leg: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The leg has picked up and hears the announcement (where a key is asked for)."""

    attempt_id: str
    leg: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The leg has pressed 1 (not sent for a leg that is not asked)."""

    attempt_id: str
    leg: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Leg 2 was not reached there, and its party is called on another channel: the `nth` one after the first."""

    attempt_id: str
    nth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """Both legs are in one bridge."""

    attempt_id: str
    bridged_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The attempt is over. `cause` is Asterisk's hangup cause (Q.850), 0 where there was none."""

    attempt_id: str
    outcome: Outcome
    cause: int = 0
    bridged_s: float = 0.0


CallEvent = Ringing | Answered | Confirmed | Again | Bridged | Ended
