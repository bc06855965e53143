"""Ordinary calls that failed, in the store: each once, with what was made of it. The caller is a keyed digest only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

from mailgate.offers.table import ENDED, State
from mailgate.store.database import Rows

_OVER = json.dumps(sorted(state.value for state in (*ENDED, State.DECLINED)))
KEPT_S = 90 * 86400.0


class Made(Enum):
    """What was made of a failed call."""

    OFFERED = "offered"  # an offer, and a message with it
    COUNTED = "counted"  # one more for an offer that is open, or beyond what one may be told
    NOTED = "noted"  # a message without an offer: there is no way back to the caller


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedCall:
    """One failed call that was taken in. `caller_id` is the caller's account, `callee_id` whose extension it was."""

    call_id: str
    at: float
    callee_id: str
    caller: bytes
    made: Made
    offer_id: str | None = None
    caller_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """How many messages failed calls have led to: of one caller, to one party, and of that caller to that party."""

    by_caller: int
    to_callee: int
    of_pair: int


def insert(rows: Rows, call: MissedCall) -> None:
    """Raises sqlite3.IntegrityError where it is here already."""
    rows.run(
        "insert_missed_call",
        call_id=call.call_id,
        at=call.at,
        callee_id=call.callee_id,
        caller=call.caller,
        made=call.made.value,
        offer_id=call.offer_id,
        caller_id=call.caller_id,
    )


def by_id(rows: Rows, call_id: str) -> MissedCall | None:
    row = rows.one("missed_call", call_id=call_id)
    return None if row is None else MissedCall(**{**row, "made": Made(row["made"])})


def open_offer(rows: Rows, *, callee_id: str, caller: bytes, now: float) -> str | None:
    """The offer that an earlier call of the same caller to the same party led to, where it still stands."""
    row = rows.one("open_offer_for_call", callee_id=callee_id, caller=caller, now=now, over=_OVER)
    return None if row is None else str(row["offer_id"])


def lately(rows: Rows, *, callee_id: str, caller: bytes, since: float) -> Lately:
    row = rows.one("missed_calls_since", callee_id=callee_id, caller=caller, since=since)
    assert row is not None  # it counts
    return Lately(**row)


def count(rows: Rows, offer_id: str) -> int:
    """How many calls led to this offer."""
    row = rows.one("missed_calls_of_offer", offer_id=offer_id)
    return row["calls"] if row else 0


def purge(rows: Rows, now: float) -> None:
    """Forget old calls whose offer is gone."""
    rows.run("purge_missed_calls", before=now - KEPT_S)
