"""The stream of AMI events, read as what it says of attempts. Pure.

AMI messages go in one by one, CallEvents come out: phases that our dialplan tells (UserEvent Mailgate), leg 1's ringing
and the bridge, which only Asterisk itself sees. One Stream reads one connection from its beginning.
Known limits: what happened while no connection was up is not told here; settling tells it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from mailgate.calls.action import is_attempt
from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Confirmed, Ended, Kind, Outcome, Ringing
from mailgate.calls.outcomes import event_of_phase, event_of_record, parse_record

Message = Mapping[str, Any]
"""Header, in lower case, → value."""
_PJSIP = re.compile(r"PJSIP/(.+)-[0-9a-f]{8}\Z")  # chan_pjsip's names for channels


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo:
    """Leg 1 has left while leg 2 is asked for a key: this channel is to be hung up.

    Dial does not see it, and the dialplan only after the announcement; this spares leg 2 the rest.
    """

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody has called in and waits for an answer: `key` is the nonce of a page, or the PIN that was typed.

    `caller` is the number that the network gave, only to count wrong PINs by.
    """

    channel: str
    kind: Kind
    key: str = field(repr=False)
    caller: str = field(default="", repr=False)


ENDED = 8
"""The rank of the last event."""


def rank(event: CallEvent) -> int:
    """The place of an event in a call's life; a call only goes forward, but for what `newer` says of Again."""
    match event:
        case Again():
            return 3
        case Ringing(leg=leg):
            return 3 * leg - 2
        case Answered(leg=leg):
            return 3 * leg - 1
        case Confirmed(leg=leg):
            return 3 * leg
        case Bridged():
            return 7
        case Ended():
            return ENDED
        case _:
            assert_never(event)


def newer(event: CallEvent, told: int) -> bool:
    """Whether the event says more than what was told last, by its rank. With another channel of leg 2 the call is where
    it was before leg 2 rang, and its ringing is told anew."""
    return told < ENDED if isinstance(event, Again) else rank(event) > told


def attempt_of(message: Message) -> str:
    """The attempt that a message speaks of, "" for none. A leg 1 that called in bears it as its account code."""
    told = (str(message.get(name) or "") for name in ("attempt", "linkedid", "accountcode"))
    return next((text for text in told if is_attempt(text)), "")


def endpoint_of(message: Message) -> str:
    """The endpoint of the channel that a message speaks of, "" for a channel that is none of chan_pjsip's."""
    found = _PJSIP.match(str(message.get("channel", "")))
    return found[1] if found else ""


def is_leg_1(message: Message) -> bool:
    """Whether the channel that a message speaks of is the one that the others of its call were made for. One that has
    joined a caller who waits takes over the caller's Linkedid, and is known by its place in the dialplan."""
    unique = str(message.get("uniqueid") or "")
    return bool(unique) and (unique == message.get("linkedid") or message.get("context") == "mailgate-held")


def _arrival(message: Message) -> Arrival | None:
    try:
        kind = Kind(str(message.get("way")))
    except ValueError:  # a dialplan that is not ours
        return None
    return Arrival(
        channel=str(message.get("uniqueid", "")),
        kind=kind,
        key=str(message.get("key", "")),
        caller=str(message.get("calleridnum", "")),
    )


class Stream:
    """Remembers what one message alone does not tell; forgets an attempt with its end."""

    def __init__(self) -> None:
        self._second_legs: dict[str, str] = {}  # attempt → leg 2's channel while it is asked for a key
        self._bridging: set[str] = set()  # attempts whose legs are about to be bridged

    def read(self, message: Message, now: float) -> CallEvent | LetGo | Arrival | None:
        """What the message says of an attempt, None where nothing. `now` (UNIX seconds) where it bears no time."""
        if message.get("userevent") == "MailgateArrival":
            return _arrival(message)
        attempt_id = attempt_of(message)
        if not attempt_id:
            return None
        of_leg_1 = is_leg_1(message)
        match message.get("event"):
            case "UserEvent" if message.get("userevent") == "Mailgate":
                return self._dialplan(attempt_id, message)
            case "Newstate" if of_leg_1 and message.get("channelstatedesc") == "Ringing":
                return Ringing(attempt_id=attempt_id, leg=1)
            # Dial makes a bridge for a moment also where both have hung up while leg 2 was asked.
            case "BridgeEnter" if message.get("bridgenumchannels") == "2" and attempt_id in self._bridging:
                self._bridging.discard(attempt_id)
                return Bridged(attempt_id=attempt_id, bridged_at=float(message.get("timestamp") or now))
            case "HangupRequest" if of_leg_1 and attempt_id in self._second_legs:
                return LetGo(channel=self._second_legs.pop(attempt_id))
            case _:
                return None

    def _dialplan(self, attempt_id: str, message: Message) -> CallEvent | None:
        phase = str(message.get("phase", ""))
        if phase == "answered2":
            self._second_legs[attempt_id] = str(message.get("channel", ""))
        else:
            self._second_legs.pop(attempt_id, None)
        # That both are in the bridge is said by the bridge.
        if phase in ("confirmed2", "bridged") or (phase == "ringing2" and message.get("ask") == "0"):
            self._bridging.add(attempt_id)
        else:
            self._bridging.discard(attempt_id)
        if phase == "bridged":  # is about to be
            return None
        if "record" not in message:
            return event_of_phase(attempt_id, phase, 0.0)
        try:
            return event_of_record(attempt_id, parse_record(str(message["record"])))
        except ValueError:  # a dialplan that is not ours
            return Ended(attempt_id=attempt_id, outcome=Outcome.LOST)
