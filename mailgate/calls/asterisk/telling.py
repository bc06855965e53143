"""Calls that only tell something, over the same link as everything else: see mailgate.calls.telling.

Asterisk records the call as it makes the channel, so that whoever asks later knows that it rang. One whose channel
could not be made at all rang nowhere, and is told as failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mailgate.calls.action import record_families
from mailgate.calls.asterisk.edge import Asterisk
from mailgate.calls.asterisk.link import Refused
from mailgate.calls.model import Channel
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.telling import Rang, check_call, rang, tell_action
from mailgate.errors import CallFailed

_MADE_S = 1.0  # within which Asterisk makes the channel, or says nothing at all


class Teller:
    """The telling calls of one Asterisk; `clock` gives UNIX seconds."""

    def __init__(self, asterisk: Asterisk, settings: AsteriskSettings, clock: Callable[[], float]) -> None:
        self._asterisk = asterisk
        self._settings = settings
        self._clock = clock

    async def became(self, call_id: str) -> Rang:
        """What became of a call. Raises OutcomeUnknown."""
        check_call(call_id)
        rows = await self._asterisk.ask({"Action": "CoreShowChannels"})  # first: a call that ends now has its record
        live = any(row.get("uniqueid") == call_id for row in rows)
        for family in record_families(self._clock()):
            try:
                [row] = await self._asterisk.ask({"Action": "DBGet", "Family": family, "Key": call_id})
            except (Refused, ValueError):
                continue  # no such entry
            return rang(str(row.get("val", "")), live=live)
        return rang("", live=live)

    async def ring(self, call_id: str, channel: Channel, sounds: Sequence[str], again: str) -> None:
        """Call once, and play these. Raises CallFailed, OutcomeUnknown, ValueError."""
        family = record_families(self._clock())[0]
        action = tell_action(call_id, family, channel, sounds, again, self._settings)
        answer = await self._asterisk.act(action)
        if answer.get("response") != "Success":
            raise CallFailed(str(answer.get("message", "")))
        await asyncio.sleep(_MADE_S)
        if await self.became(call_id) is Rang.NOT_YET:
            raise CallFailed("the telephone cannot be rung")
