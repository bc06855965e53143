"""What Asterisk wrote of an attempt, in mailgate's own words. Pure.

In goes the record that the dialplan keeps under the attempt's id (see extensions_mailgate.conf), out comes a CallEvent.
The live event stream and the settling of calls that ended unseen read the same record through the same tables, so that
they cannot disagree. Hangup causes are those of ITU-T Q.850, as Asterisk maps SIP answers to them (RFC 3398, 7.2.4.1);
every row was seen on Asterisk 22.
Known limits: networks lie; a provider that announces "wrong number" in a recording is an answered call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailgate.calls.model import Again, Answered, Bridged, CallEvent, Confirmed, Ended, Leg, Outcome, Ringing

_WRONG_NUMBER = frozenset({1, 22, 28})  # unallocated (404), changed (410), incomplete or invalid (484)
_BUSY = frozenset({17})  # 486, 600
_NO_ANSWER = frozenset({19})  # rang to the end of its time, or 480
_REJECTED = frozenset({21})  # 603, 403

_BY_LEG: dict[Leg, dict[str, Outcome]] = {
    1: {
        "busy": Outcome.OFFEREE_BUSY,
        "no-answer": Outcome.OFFEREE_NO_ANSWER,
        "rejected": Outcome.OFFEREE_REJECTED,
        "wrong": Outcome.OFFEREE_WRONG_NUMBER,
        "unreachable": Outcome.OFFEREE_UNREACHABLE,
    },
    2: {
        "busy": Outcome.DESTINATION_BUSY,
        "no-answer": Outcome.DESTINATION_NO_ANSWER,
        "rejected": Outcome.DESTINATION_REJECTED,
        "wrong": Outcome.DESTINATION_WRONG_NUMBER,
        "unreachable": Outcome.DESTINATION_UNREACHABLE,
    },
}

_PEOPLE_LEAVE = frozenset({"answered1", "confirmed1", "ringing2", "again2", "answered2", "confirmed2"})
"""Phases that end with somebody's hanging up, which has a cause. Without one it was Asterisk that could not go on."""

_RECORD = re.compile(
    r"(?P<phase>[a-z]+[12]?(?:-[A-Za-z0-9*#-]+)?)\|(?P<at>[0-9]+(?:\+[0-9]{2}\.[0-9]{3})?)"
    r"(?:\|(?P<last>[a-z]+[12]?(?:-[A-Za-z0-9*#-]+)?)\|(?P<last_at>[0-9]+(?:\+[0-9]{2}\.[0-9]{3})?)"
    r"\|(?P<cause>[0-9]*)\|(?P<revoked>[01]?))?\Z"
)


def outcome_of_cause(leg: Leg, cause: int) -> Outcome:
    """Why a leg that was called did not answer. What is not a person's or number's doing is "unreachable"."""
    if cause in _BUSY:
        name = "busy"
    elif cause in _NO_ANSWER:
        name = "no-answer"
    elif cause in _REJECTED:
        name = "rejected"
    elif cause in _WRONG_NUMBER:
        name = "wrong"
    else:
        name = "unreachable"
    return _BY_LEG[leg][name]


def outcome_of_dial(dial_status: str, cause: int) -> Outcome:
    """Why leg 2 was not bridged, from Dial's DIALSTATUS; the cause tells apart what it lumps together."""
    match dial_status:
        case "BUSY" if cause:  # without one it is a forward that was not followed
            return Outcome.DESTINATION_BUSY
        case "NOANSWER":  # its time ran out (cause 0), or 480
            return Outcome.DESTINATION_NO_ANSWER
        case "CANCEL":
            return Outcome.OFFEREE_LEFT
        case _:  # CHANUNAVAIL, CONGESTION, a forward
            return outcome_of_cause(2, cause)


def _outcome_of_key(leg: Leg, key: str) -> Outcome:
    match leg, key:
        case 1, "silence":
            return Outcome.NO_KEY
        case 1, "9":
            return Outcome.NOT_ME
        case 1, _:
            return Outcome.DECLINED_BY_KEY
        case 2, "silence":
            return Outcome.DESTINATION_NO_KEY
        case 2, "alone":  # leg 1 left while leg 2 was asked
            return Outcome.OFFEREE_LEFT
        case _:
            return Outcome.DESTINATION_REJECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: the phase, since when (UNIX seconds), and of an attempt that is over also how it ended.

    `phase` is `placed`, `again1-TRY` (that try failed, and another trunk is tried), `answered1`, `refused1-KEY`,
    `confirmed1`, `ringing2`, `again2-N` (the party's Nth other channel is tried), `failed2-DIALSTATUS-CAUSE`,
    `answered2`, `refused2-KEY`, `left2`, `confirmed2` or `bridged`.
    """

    phase: str
    at: float
    ended_at: float | None = None
    cause: int = 0
    revoked: bool = False


def parse_record(text: str) -> Record:
    """The record as it stands in astdb; raises ValueError where it is none."""
    match = _RECORD.match(text)
    if not match:
        raise ValueError("not a record of an attempt")
    if match["phase"] != "ended":
        return Record(phase=match["phase"], at=_time(match["at"]))
    if match["last"] is None:
        raise ValueError("not a record of an attempt")
    return Record(
        phase=match["last"],
        at=_time(match["last_at"]),
        ended_at=_time(match["at"]),
        cause=int(match["cause"] or 0),
        revoked=match["revoked"] == "1",
    )


def _time(text: str) -> float:
    """UNIX seconds of `1795305367+07.728`: Asterisk reads its clock twice, and between the two a second may begin."""
    whole, _, within = text.partition("+")
    if not within:
        return float(whole)
    later = float(within) - int(whole) % 60
    return int(whole) + later + (60 if later < -30 else -60 if later > 30 else 0)


def event_of_record(attempt_id: str, record: Record) -> CallEvent:
    """What is to be told of the attempt: how it ended, or how far it has come."""
    if record.ended_at is None:
        return event_of_phase(attempt_id, record.phase, record.at) or _before(attempt_id, record.phase)
    outcome = _outcome(record)
    bridged_s = round(record.ended_at - record.at, 3) if record.phase == "bridged" else 0.0
    return Ended(attempt_id=attempt_id, outcome=outcome, cause=_cause(record), bridged_s=max(0.0, bridged_s))


def event_of_phase(attempt_id: str, phase: str, at: float) -> CallEvent | None:
    """The event of a step forward; None for the steps that only lead to an end, which is told when it comes."""
    match phase:
        case "placed":
            return Ringing(attempt_id=attempt_id, leg=1)
        case _ if phase.startswith("again1"):
            return Ringing(attempt_id=attempt_id, leg=1)
        case "answered1":
            return Answered(attempt_id=attempt_id, leg=1)
        case "confirmed1":
            return Confirmed(attempt_id=attempt_id, leg=1)
        case "ringing2":
            return Ringing(attempt_id=attempt_id, leg=2)
        case _ if phase.startswith("again2-"):
            return Again(attempt_id=attempt_id, nth=_nth(phase))
        case "answered2":
            return Answered(attempt_id=attempt_id, leg=2)
        case "confirmed2":
            return Confirmed(attempt_id=attempt_id, leg=2)
        case "bridged":
            return Bridged(attempt_id=attempt_id, bridged_at=at)
        case _:
            return None


def _nth(phase: str) -> int:
    number = phase.partition("-")[2]
    return int(number) if number.isdecimal() else 1


def _before(attempt_id: str, phase: str) -> CallEvent:
    """How far an attempt has come that is about to end: leg 1 hears a goodbye."""
    match phase.partition("-")[0]:
        case "refused2" | "left2":
            return Answered(attempt_id=attempt_id, leg=2)
        case "failed2":
            return Ringing(attempt_id=attempt_id, leg=2)
        case _:
            return Answered(attempt_id=attempt_id, leg=1)


def _outcome(record: Record) -> Outcome:
    name, _, detail = record.phase.partition("-")
    if name == "bridged":
        return Outcome.COMPLETED
    if record.revoked:
        return Outcome.REVOKED
    if name in _PEOPLE_LEAVE and not record.cause:
        return Outcome.FAULT
    match name:
        case "placed" | "again1" if record.cause == 16:  # normal clearing: answered, and gone in the same moment
            return Outcome.OFFEREE_HUNG_UP
        case "placed" | "again1":
            return outcome_of_cause(1, record.cause)
        case "answered1":
            return Outcome.OFFEREE_HUNG_UP
        case "refused1":
            return _outcome_of_key(1, detail)
        case "refused2":
            return _outcome_of_key(2, detail)
        case "left2":
            return Outcome.DESTINATION_HUNG_UP
        case "failed2":
            status, _, cause = detail.partition("-")
            return outcome_of_dial(status, int(cause) if cause.isdigit() else 0)
        case "confirmed1" | "ringing2" | "again2" | "answered2" | "confirmed2":
            # The dialplan of leg 1 did not go on after Dial, so it was leg 1 that went.
            return Outcome.OFFEREE_LEFT
        case _:
            return Outcome.LOST


def _cause(record: Record) -> int:
    """The cause that explains the outcome: of leg 2 where it failed, else of leg 1's hangup."""
    name, _, detail = record.phase.partition("-")
    if name == "failed2":
        cause = detail.partition("-")[2]
        return int(cause) if cause.isdigit() else 0
    return record.cause
