"""The scheduler: rings each slot at its time, once, and says so where it could not.

Every round looks into the store for what is due by the wall clock. Nothing is remembered between rounds, so that a
restart, a clock that was set, or a day on which the clocks change needs no care: a slot is a moment in UNIX seconds,
and whether it was rung is written with the offer before anybody is called.

- Due: the offer is stepped by Due, which commits its attempt; from there on it is a call like any other.
- Up to LATE_S late it is still rung (the gateway was down, Asterisk was away, all lines were busy). Later, it has
  passed: the offer says so, and the offeror is told.
- No more calls are begun than the trunk carries: the rest waits for a line, the longest due first. Where the lines turn
  out to be taken by others, the slot is booked still, and is tried again every AGAIN_S.
- What is spoken in a call is made ready a little before its time, since speech takes longer than a round.

Known limit: one scheduler for each store; two would still ring each slot once, since the step is a compare-and-set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from mailgate.errors import CallRefused
from mailgate.offers.booking import check_callable
from mailgate.offers.events import Due, Passed
from mailgate.offers.offer import IllegalTransition, Offer
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.slots import LATE_S, Missed
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store import slots as slot_rows
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from mailgate.store.slots import DueSlot

log = logging.getLogger(__name__)

EVERY_S = 0.25
AHEAD_S = 120.0
AGAIN_S = 10.0
MOST = 500
"""Slots that are looked at in a round."""
_AT_ONCE = 50
"""Steps under way at once: they share commits."""


class _Stays(Exception):
    """Guard's word for a slot that is to pass, and why."""

    def __init__(self, missed: Missed) -> None:
        super().__init__(missed.value)
        self.missed = missed


class Scheduler:
    """Rings the slots of one store.

    `ready` says whether calls can be placed now; `rehearse` makes a call's speech ready, before its time; `capacity` is
    how many calls the trunk carries at once; `now` gives UNIX seconds and `new_id` attempt ids.
    """

    def __init__(
        self,
        offers: Offers,
        *,
        store: Store,
        sealer: Sealer,
        capacity: int,
        own_number: str,
        now: Callable[[], float],
        new_id: Callable[[], str],
        ready: Callable[[], bool] = lambda: True,
        rehearse: Callable[[Offer], Awaitable[None]] | None = None,
    ) -> None:
        self._offers = offers
        self._store = store
        self._sealer = sealer
        self._capacity = capacity
        self._own_number = own_number
        self._now = now
        self._new_id = new_id
        self._ready = ready
        self._rehearse = rehearse
        self._rehearsed: set[tuple[str, float]] = set()
        self._tried: dict[str, float] = {}  # offers whose slot found the lines busy, perhaps, and when

    async def run(self, every_s: float = EVERY_S) -> None:
        """Until cancelled, whatever goes wrong."""
        rehearsing = asyncio.create_task(self._keep_rehearsing())
        try:
            while True:
                try:
                    more = await self.round()
                except Exception:
                    log.exception("the scheduler's round failed; it is tried again")
                    more = False
                if not more:
                    await asyncio.sleep(every_s)
        finally:
            rehearsing.cancel()
            await asyncio.wait({rehearsing})

    async def round(self) -> bool:
        """Deal with what is due now. True where there is more that can be dealt with at once."""
        now = self._now()
        due = self._store.read(lambda rows: slot_rows.due(rows, now, MOST))
        if not due:
            return False
        late = [each for each in due if now > each.start + LATE_S]
        self._tried = {offer_id: at for offer_id, at in self._tried.items() if 0 <= now - at < AGAIN_S}
        in_time = [each for each in due if now <= each.start + LATE_S and each.offer_id not in self._tried]
        lines = 0
        if in_time and self._ready():
            lines = max(0, self._capacity - self._store.read(slot_rows.calls_under_way))
        ringing = in_time[:lines]
        self._tried |= {each.offer_id: now for each in ringing}
        await self._each([*late, *ringing])
        return len(due) == MOST and len(late) + len(ringing) == len(due)

    async def _each(self, found: Iterable[DueSlot]) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(slot: DueSlot) -> None:
            async with slots:
                await self._deal_with(slot)

        await asyncio.gather(*(one(slot) for slot in found))

    async def _deal_with(self, slot: DueSlot) -> None:
        extra = {"action": "slot_due", "offer": slot.offer_id, "late_ms": round((self._now() - slot.start) * 1000)}
        try:
            try:
                await self._offers.apply(slot.offer_id, Due(attempt_id=self._new_id()), guard=self._may_ring)
                log.info("slot rung", extra=extra)
            except _Stays as why:
                log.warning("slot not rung: %s", why, extra=extra)
                await self._offers.apply(slot.offer_id, Passed(missed=why.missed))
        except (IllegalTransition, UnknownOffer) as error:
            log.info("slot had moved on: %s", error, extra=extra)
        except Exception:  # one slot's trouble is no other's
            log.exception("slot could not be dealt with; it is tried again", extra=extra)

    def _may_ring(self, rows: Rows, offer: Offer) -> None:
        slot = offer.slot
        if slot is None:
            return  # given up meanwhile: the step refuses it
        if self._now() > slot.start + LATE_S:
            raise _Stays(Missed.LATE)
        if accounts.do_not_disturb(rows, offer.terms.account_id):
            raise _Stays(Missed.DO_NOT_DISTURB)
        try:
            check_callable(rows, self._sealer, offer, slot.leg1, self._own_number)
        except CallRefused as error:
            raise _Stays(Missed.NOT_CALLABLE) from error

    # --- before its time ----------------------------------------------------------------------------------------

    async def _keep_rehearsing(self) -> None:
        while self._rehearse is not None:
            try:
                await self.rehearse()
            except Exception:
                log.exception("speech could not be made ready; the call is made all the same")
            await asyncio.sleep(AHEAD_S / 24)

    async def rehearse(self) -> None:
        """Make ready what is spoken in the calls of the next AHEAD_S, each once."""
        if self._rehearse is None:
            return
        now = self._now()
        soon = self._store.read(lambda rows: slot_rows.due(rows, now + AHEAD_S, MOST))
        keys = {(each.offer_id, each.start) for each in soon}
        self._rehearsed &= keys
        for offer_id, start in sorted(keys - self._rehearsed, key=lambda key: key[1]):
            self._rehearsed.add((offer_id, start))
            offer = self._store.read(partial(rows_of.by_id, sealer=self._sealer, offer_id=offer_id))
            if offer is not None:
                await self._rehearse(offer)
