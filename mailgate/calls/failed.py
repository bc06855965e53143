"""Ordinary calls that failed, as Asterisk's dialplan reports them, and the callers who wait after one. Pure.

A report goes in as the text that the dialplan keeps (see templates/deploy/asterisk/failed_calls.conf), and comes out as
a FailedCall; AMI messages come out as what they say of such a call. What the caller's side chose (number, name of the
called) has passed a filter in the dialplan, and is held to a narrow grammar here again.
Standards: ITU-T Q.850 (causes); Asterisk's DIALSTATUS and CALLERID(num-pres).
Known limits: a network that answers and plays a recording has answered; such a call did not fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_CALL = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")  # Asterisk's Uniqueid
_CHANNEL = re.compile(r"[A-Za-z0-9_./@;-]{1,80}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{0,80}\Z")
_NUMBER = re.compile(r"[A-Za-z0-9+*#_.-]{0,80}\Z")
_REJECTED = frozenset({21})  # 603, 403
_STATUS = frozenset({"BUSY", "NOANSWER", "CHANUNAVAIL", "CONGESTION", "CANCEL"})


class Why(Enum):
    """Why nobody talked. The value names the words for it."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"  # not registered, or a fault of the network
    GIVEN_UP = "given-up"  # the caller did not wait


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """One ordinary call that failed. `at` in UNIX seconds; `called` is the extension, `caller` what the network gave as
    the caller's number, `endpoint` by which PJSIP endpoint it came. `channel` is empty where nobody is on the line."""

    call_id: str
    why: Why
    at: float
    withheld: bool
    endpoint: str
    called: str = field(repr=False)
    caller: str = field(repr=False)
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A caller waits on this channel; `hearing`: and is being told something just now."""

    call_id: str
    channel: str
    hearing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The caller waits no more."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The caller is asked to wait so long. Sound files are absolute, without extension; "" where there is none, and
    Asterisk's own stands in. `music` may be `class:NAME` of musiconhold.conf."""

    seconds: int
    told: str = ""
    word: str = ""
    back: str = ""
    music: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Somebody has been told of the call; the caller is not asked to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Nothing was made of it: the dialplan goes on as without us."""


Verdict = Hold | Told | Nothing
"""What mailgate says of a failed call."""


def read(message: Mapping[str, Any]) -> FailedCall | Holding | Gone | None:
    """What an AMI message (header in lower case → value) says of a failed call; None where it is about others."""
    call_id, channel = str(message.get("uniqueid", "")), str(message.get("channel", ""))
    if not _CALL.match(call_id) or not _CHANNEL.match(channel):
        return None
    match message.get("userevent"), message.get("state"):
        case "MailgateFailed", _:
            try:
                return parse(call_id, str(message.get("report", "")), channel=channel)
            except ValueError:  # a dialplan that is not ours
                return None
        case "MailgateHold", "waiting":
            return Holding(call_id=call_id, channel=channel)
        case "MailgateHold", "hearing":
            return Holding(call_id=call_id, channel=channel, hearing=True)
        case "MailgateHold", "left":
            return Gone(call_id=call_id)
        case _:
            return None


def parse(call_id: str, text: str, *, channel: str = "") -> FailedCall:
    """The report `status|cause|time|presentation|endpoint|called|caller`; raises ValueError where it is none."""
    status, cause, at, presentation, endpoint, called, caller = text.split("|")  # ValueError where they are not seven
    fits = _CALL.match(call_id) and _NAME.match(endpoint) and _NUMBER.match(called) and _NUMBER.match(caller)
    if status not in _STATUS or not fits or not at.isdigit() or len(at) > 12:
        raise ValueError("not a report of a failed call")
    return FailedCall(
        call_id=call_id,
        why=_why(status, int(cause) if cause.isdigit() else 0),
        at=float(at),
        withheld=presentation.startswith("prohib") or presentation == "unavailable" or not caller,
        endpoint=endpoint,
        called=called,
        caller=caller,
        channel="" if status == "CANCEL" else channel,
    )


def _why(status: str, cause: int) -> Why:
    match status:
        case "BUSY":
            return Why.BUSY
        case "NOANSWER":
            return Why.NO_ANSWER
        case "CANCEL":
            return Why.GIVEN_UP
        case _ if cause in _REJECTED:
            return Why.REJECTED
        case _:
            return Why.UNREACHABLE
