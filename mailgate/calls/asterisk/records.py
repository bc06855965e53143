"""What Asterisk itself has recorded of attempts, asked for over AMI: its live channels, then the dialplan's records.

What is certain comes out as events; what is in neither list, or only half, is in doubt and worth a second look.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from mailgate.calls.action import record_families
from mailgate.calls.asterisk.link import Message, Refused
from mailgate.calls.model import CallEvent, Ended, Outcome
from mailgate.calls.outcomes import event_of_record, parse_record
from mailgate.calls.stream import attempt_of, is_leg_1

log = logging.getLogger(__name__)

Ask = Callable[[dict[str, str | list[str]]], Awaitable[list[Message]]]
"""An action that is answered by a list; raises Refused, OutcomeUnknown."""


async def look_up(
    ask: Ask, attempts: Iterable[str], in_flight: Collection[str], now: float
) -> tuple[dict[str, CallEvent | None], dict[str, bool]]:
    """What is certain; and what is in doubt, with whether Asterisk took the call. Raises OutcomeUnknown.

    `in_flight` are attempts whose order may still lie unread in Asterisk's socket; `now` in UNIX seconds.
    """
    found: dict[str, CallEvent | None] = {}
    doubtful: dict[str, bool] = {}
    # The channels first: a call that ends between the two questions has its record by then.
    live = {attempt_of(row) for row in await ask({"Action": "CoreShowChannels"}) if is_leg_1(row)}
    for attempt_id in attempts:
        text, placed = await _record(ask, attempt_id, now)
        try:
            record = parse_record(text or "placed|0")
        except ValueError:
            log.error("a record is not readable", extra={"action": "record_unreadable", "attempt": attempt_id})
            found[attempt_id] = Ended(attempt_id=attempt_id, outcome=Outcome.LOST)
            continue
        if record.ended_at is not None or attempt_id in live:
            found[attempt_id] = event_of_record(attempt_id, record)
        elif text or placed or attempt_id in in_flight:
            doubtful[attempt_id] = bool(text) or placed
        else:
            found[attempt_id] = None
    return found, doubtful


async def _record(ask: Ask, attempt_id: str, now: float) -> tuple[str, bool]:
    """What stands under the attempt's id ("" for nothing), and whether Asterisk ever took it."""
    for family in record_families(now):
        text = await _db_get(ask, family, attempt_id)
        if text:
            return text, True
        if await _db_get(ask, f"{family}/{attempt_id}", "placed"):
            return "", True
    return "", False


async def _db_get(ask: Ask, family: str, key: str) -> str:
    try:
        rows = await ask({"Action": "DBGet", "Family": family, "Key": key})
    except Refused:
        return ""  # no such entry
    return str(rows[0].get("val", "")) if rows else ""
