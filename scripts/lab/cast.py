"""Who is who in the tests and the demo: fictitious numbers, and a watch on what mailgate hears of their calls.

The numbers lie in a range kept for fiction (+33 1 99 00, Arcep decision 2018-0881).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from mailgate.calls.asterisk import Asterisk
from mailgate.calls.asterisk.arrivals import NONCE_TTL_S
from mailgate.calls.asterisk.edge import Verdict
from mailgate.calls.model import CallEvent, CallOrder, Channel, Ended, Kind
from mailgate.calls.settings import AsteriskSettings

GATEWAY = "+33199009000"
OFFEREE = "+33199000001"  # leg 1's number
ADA = "+33199001234"  # the offeror's number, which nobody may see


class Calls:
    """mailgate's edge to Asterisk and every event that came out of it."""

    def __init__(self, settings: AsteriskSettings, *, nonce_ttl_s: float = NONCE_TTL_S) -> None:
        self.edge = Asterisk(
            settings,
            self._heard,
            on_connected=self._connected,
            on_dial_in=self._dialled_in,
            nonce_ttl_s=nonce_ttl_s,
        )
        self.dialled: list[tuple[str, str]] = []  # (PIN, caller)
        self.pins: dict[str, CallOrder] = {}  # PIN → the order that it stands for
        self.events: list[CallEvent] = []
        self.connections = 0
        self._changed = asyncio.Event()

    async def _heard(self, event: CallEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def _connected(self) -> None:
        self.connections += 1

    async def _dialled_in(self, pin: str, caller: str, channel: str) -> Verdict:
        self.dialled.append((pin, caller))
        order = self.pins.pop(pin, None)
        if order is None:
            return "wrong"
        await self.edge.originate(replace(order, leg1=Channel(Kind.DIAL_IN, channel), confirm1=False))
        return "come"

    def of(self, attempt_id: str) -> list[CallEvent]:
        return [event for event in self.events if event.attempt_id == attempt_id]

    async def until(self, attempt_id: str, fits: Callable[[CallEvent], bool], timeout_s: float = 15.0) -> CallEvent:
        async with asyncio.timeout(timeout_s):
            while True:
                for event in self.of(attempt_id):
                    if fits(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def seen(self, attempt_id: str, kind: type[CallEvent], timeout_s: float = 15.0) -> CallEvent:
        return await self.until(attempt_id, lambda event: isinstance(event, kind), timeout_s)

    async def ended(self, attempt_id: str, timeout_s: float = 15.0) -> Ended:
        event = await self.until(attempt_id, lambda event: isinstance(event, Ended), timeout_s)
        assert isinstance(event, Ended)
        return event


@contextlib.asynccontextmanager
async def linked(settings: AsteriskSettings) -> AsyncIterator[Calls]:
    """An edge that is up, for as long as it is needed."""
    watched = Calls(settings)
    await watched.edge.start()
    try:
        assert watched.edge.connected, watched.edge.trouble
        yield watched
    finally:
        await watched.edge.stop()
