"""How an attempt's legs are hung up, whichever there are and whichever way it has gone.

Leg 1 bears the attempt as its Uniqueid, or as its account code where it called in or goes by another trunk than the
first; leg 2 may be ringing, or be asked for a key, when leg 1's end does not take it along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailgate.calls.asterisk.link import Message
from mailgate.calls.stream import attempt_of, is_leg_1

Action = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Ending:
    """What it takes: an action with one answer, one with a list, and whether the attempt's end has been told.
    All of it raises what `act` and `ask` raise."""

    act: Callable[[Action], Awaitable[Message]]
    ask: Callable[[Action], Awaitable[list[Message]]]
    is_over: Callable[[], bool]

    async def end(self, attempt_id: str, mark: str, may_come: Callable[[], bool]) -> bool:
        """Hang up; False where there is nothing (left) of the attempt. `mark` tells the record why (MG_REVOKED in the
        dialplan). `may_come`: its channel may still be made."""
        leg1 = attempt_id  # AMI takes a channel's Uniqueid for its name
        while not self.is_over():
            if await self._mark(leg1, mark):
                break
            if leg1 == attempt_id and (other := await self._leg_1_of(attempt_id)):
                leg1 = other
                continue
            if not may_come():
                return False
            await asyncio.sleep(0.05)
        else:
            return False
        await self._hang_up(leg1)
        # Leg 1's end takes leg 2 along, but not while leg 2 is asked for a key; nor a leg 1 that goes by the next trunk
        # since this moment, which may not be there yet when it is looked for.
        for pause_s in (0.0, 0.05):
            await asyncio.sleep(pause_s)
            for row in await self.ask({"Action": "CoreShowChannels"}):
                if attempt_of(row) == attempt_id and row.get("uniqueid") != leg1:
                    if is_leg_1(row):
                        await self._mark(str(row["uniqueid"]), mark)
                    await self._hang_up(str(row["channel"]))
            if self.is_over():
                break
        return True

    async def _hang_up(self, channel: str) -> None:
        """One that is gone by itself meanwhile is as good."""
        await self.act({"Action": "Hangup", "Channel": channel, "Cause": "16"})

    async def _mark(self, leg1: str, value: str) -> bool:
        """Tell the record why the channel is going to be hung up; False where there is no such channel."""
        mark: Action = {"Action": "Setvar", "Channel": leg1, "Variable": "MG_REVOKED", "Value": value}
        return (await self.act(mark)).get("response") == "Success"

    async def _leg_1_of(self, attempt_id: str) -> str:
        """The Uniqueid of a leg 1 that has not the attempt's, "" where there is none."""
        rows = await self.ask({"Action": "CoreShowChannels"})
        return next((str(r["uniqueid"]) for r in rows if is_leg_1(r) and attempt_of(r) == attempt_id), "")
