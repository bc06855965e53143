"""Notices by telephone: the offeror's telephone rings, and what was answered is spoken; 1 to hear it again.

For accounts that wish so (`mailgate account change … --notices telephone`), and only for what an offeree said. A notice
rings once: what became of the call is asked of Asterisk's own record, so that neither a second try nor a kill rings
again. What nobody heard to its end (busy, no answer, hung up in between) is refused here, for mail to take it.
A caller who waits on the line is told there, and not rung beside it.

Known limits: it rings at any hour; a voicemail that answers is spoken to, and counts as somebody who heard.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailgate.calls.model import Channel
from mailgate.calls.telling import Rang
from mailgate.errors import CallFailed, OutcomeUnknown
from mailgate.offers.notice import Delivery, Kind, Notice

log = logging.getLogger(__name__)


class Ringer(Protocol):
    """What is asked of Asterisk; see mailgate.calls.asterisk.telling."""

    async def became(self, call_id: str) -> Rang:
        """Raises OutcomeUnknown."""

    async def ring(self, call_id: str, channel: Channel, sounds: Sequence[str], again: str) -> None:
        """Call, and play these; `again` is played behind them, and says what 1 is for. Raises CallFailed,
        OutcomeUnknown."""


Compose = Callable[[Notice], Awaitable[tuple[Sequence[str], str]]]
"""A notice's sound files, without extension, and what is said behind them; empty where nothing can be spoken."""


class TelephoneNetwork:
    """`waits(offer_id)`: the offeror of that offer is on the line just now."""

    def __init__(self, ringer: Ringer, compose: Compose, waits: Callable[[str], bool]) -> None:
        self._ringer = ringer
        self._compose = compose
        self._waits = waits

    async def deliver(self, notice: Notice) -> Delivery:
        """One look or one call; LATER while it is under way, REFUSED where it was in vain."""
        wished = notice.values.get("telephone", "")
        if not wished or notice.kind not in (Kind.DECLINED, Kind.REPLIED):
            return Delivery.REFUSED
        call_id = call_of(notice)
        extra = {"notice": notice.notice_id}
        try:
            match await self._ringer.became(call_id):
                case Rang.HEARD:
                    return Delivery.DELIVERED
                case Rang.UNDER_WAY:
                    return Delivery.LATER
                case Rang.IN_VAIN:
                    log.info("a notice was heard by nobody", extra=extra)
                    return Delivery.REFUSED
                case Rang.NOT_YET:
                    pass
            if self._waits(notice.values.get("offer", "")):
                return Delivery.REFUSED
            sounds, again = await self._compose(notice)
            if not sounds:
                return Delivery.REFUSED
            await self._ringer.ring(call_id, Channel.parse(wished), sounds, again)
        except (CallFailed, ValueError) as error:
            log.warning("a notice cannot be spoken: %s", type(error).__name__, extra=extra)
            return Delivery.REFUSED
        except OutcomeUnknown:
            return Delivery.LATER
        return Delivery.LATER


def call_of(notice: Notice) -> str:
    """The id of a notice's one call: the same each time, and never that of an attempt."""
    return "tell-" + hashlib.sha256(notice.notice_id.encode()).hexdigest()[:24]
