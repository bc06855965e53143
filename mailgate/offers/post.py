"""The post: takes what waits in the outbox and hands it to a network, until it is delivered or worth nothing.

A notice was committed with the step that asks for it; here it is tried, and marked only after the network has taken it.
A kill between the two sends it again, under the same id: at least once. Tries are spaced by a delay that doubles.
A network may take its time (a device is waited for): others are tried meanwhile, but of one booked call what was said
first goes first.

Known limit: one post for each store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import assert_never

from mailgate.offers.notice import Delivery, Network, Notice
from mailgate.store import outbox
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

FIRST_DELAY_S = 30.0
LONGEST_DELAY_S = 3600.0
_MOST = 50
"""Notices that are tried at once."""
_PURGE_EVERY_S = 3600.0


def delay_s(tries: int) -> float:
    """How long to wait after a try that failed, when `tries` had failed before it."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(tries, 10)))


class Post:
    """Delivers the notices of one store through one network. `now` gives UNIX seconds."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        network: Network,
        now: Callable[[], float],
        nudged: asyncio.Event | None = None,
    ) -> None:
        """`nudged`, once set, begins a round at once."""
        self._store = store
        self._sealer = sealer
        self._network = network
        self._now = now
        self._purged_at = 0.0
        self._nudged = nudged or asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self, every_s: float = 1.0) -> None:
        """Until cancelled, whatever goes wrong."""
        while True:
            self._nudged.clear()
            try:
                await self._begin()
            except Exception:
                log.exception("the post's round failed; it is tried again")
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), every_s)
            except asyncio.CancelledError:
                for task in self._under_way.values():
                    task.cancel()
                raise

    async def round(self) -> None:
        """Try everything that is due now, each once."""
        if tasks := await self._begin():
            await asyncio.gather(*tasks)

    async def _begin(self) -> list[asyncio.Task[None]]:
        """Begin to try what is due and not under way."""
        now = self._now()
        most = _MOST + len(self._under_way)
        due = self._store.read(lambda rows: outbox.due(rows, self._sealer, now, most))
        begun = []
        for notice, tries in due:
            about = notice.values.get("uid") or notice.notice_id
            if about in self._under_way or len(self._under_way) >= _MOST:
                continue
            task = self._under_way[about] = asyncio.create_task(self._try(notice, tries))
            task.add_done_callback(partial(self._done, about))
            begun.append(task)
        if now - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = now
            await self._store.transact(lambda rows: outbox.purge(rows, now))
        return begun

    def _done(self, about: str, task: asyncio.Task[None]) -> None:
        del self._under_way[about]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a notice was not tried to its end", exc_info=error)
        elif about and not task.cancelled():
            self._nudged.set()  # another of the same booked call may wait

    async def _try(self, notice: Notice, tries: int) -> None:
        extra = {"notice": notice.notice_id, "kind": notice.kind.value}
        if notice.expires_at <= self._now():
            log.warning("notice given up: its time is over", extra=extra)
            await self._finish(notice, "failed")
            return
        try:
            delivery = await self._network.deliver(notice)
        except Exception:
            log.exception("a notice could not be delivered", extra=extra)
            delivery = Delivery.LATER
        match delivery:
            case Delivery.DELIVERED:
                await self._finish(notice, "sent")
                log.info("notice sent", extra=extra)
            case Delivery.REFUSED:
                log.warning("notice refused", extra=extra)
                await self._finish(notice, "failed")
            case Delivery.LATER:
                due_at = self._now() + delay_s(tries)
                await self._store.transact(lambda rows: outbox.later(rows, notice.notice_id, due_at))
                log.info("notice waits", extra=extra)
            case _:
                assert_never(delivery)

    async def _finish(self, notice: Notice, state: str) -> None:
        await self._store.transact(lambda rows: outbox.done(rows, notice.notice_id, state=state))
