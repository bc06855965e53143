"""The courier: takes events that wait and sends each to its account's webhook, until it is taken or dead.

An event was committed with its step; here it is tried, and marked only after the receiver has answered 2xx. A kill
between the two sends it again, under the same id: at least once, in no certain order. Accounts are served beside each
other, so that a slow receiver delays its own events only; after a try that failed, its others wait for a while, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from mailgate.errors import MailgateError
from mailgate.offers import hook
from mailgate.offers.hook import Parcel
from mailgate.store import webhooks
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from mailgate.store.webhooks import Waiting

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Accounts that are sent to at the same time."""
HOLD_S = 30.0
"""How long the others wait of an account whose receiver has failed."""
_MOST = 500
_PURGE_EVERY_S = 3600.0
GONE = 410
"""The receiver wants no more (Standard Webhooks): the webhook is switched off."""

Send = Callable[[Parcel], Awaitable[int]]
"""`send(parcel)`: the status of the answer; raises MailgateError where there was none."""


class Courier:
    """Sends the events of one store. `now` gives UNIX seconds."""

    def __init__(self, *, store: Store, sealer: Sealer, send: Send, now: Callable[[], float]) -> None:
        self._store = store
        self._sealer = sealer
        self._send = send
        self._now = now
        self._purged_at = 0.0
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self, every_s: float = 1.0) -> None:
        """Until cancelled, whatever goes wrong."""
        try:
            while True:
                try:
                    self._begin()
                    await self._purge()
                except Exception:
                    log.exception("the courier's round failed; it is tried again")
                await asyncio.sleep(every_s)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def round(self) -> None:
        """Try everything that is due now, each once, and wait for it."""
        self._begin()
        while self._busy:
            await asyncio.wait(set(self._busy.values()))

    def _begin(self) -> None:
        """Serve each account that has something due and is not being served, as far as there is room."""
        now = self._now()
        waiting: dict[str, list[Waiting]] = {}
        for each in self._store.read(lambda rows: webhooks.due(rows, self._sealer, now, _MOST)):
            waiting.setdefault(each.account_id, []).append(each)
        for account_id, events in waiting.items():
            if account_id in self._busy or len(self._busy) >= AT_ONCE:
                continue
            task = asyncio.create_task(self._serve(account_id, events))
            self._busy[account_id] = task
            task.add_done_callback(lambda _, done=account_id: self._busy.pop(done, None))  # type: ignore[misc]

    async def _serve(self, account_id: str, events: Sequence[Waiting]) -> None:
        """One after the other, until one fails."""
        try:
            for event in events:
                if not await self._try(account_id, event):
                    return
        except Exception:
            log.exception("events could not be sent", extra={"account": account_id})

    async def _try(self, account_id: str, event: Waiting) -> bool:
        now, extra = self._now(), {"event": event.event_id, "account": account_id}
        to = self._store.read(lambda rows: webhooks.of(rows, self._sealer, account_id))
        if to is None or to.disabled_at is not None:
            await self._finish(event, "dead", "the webhook is switched off")
            return True
        if event.expires_at <= now:
            log.warning("event given up: its time is over", extra=extra)
            await self._finish(event, "dead", "its time was over")
            return True
        try:
            status = await self._send(hook.parcel(to.url, to.signing(now), event.event_id, event.body, now))
            told = f"answered {status}"
        except MailgateError as error:
            status, told = 0, str(error)
        if 200 <= status < 300:
            await self._finish(event, "sent", told)
            log.info("event sent", extra=extra)
            return True
        log.info("event waits: %s", told, extra=extra)
        if status == GONE:
            log.warning("a webhook is switched off: its receiver wants no more", extra=extra)
        await self._store.transact(lambda rows: self._put_off(rows, event, told, gone=status == GONE))
        return False

    def _put_off(self, rows: Rows, event: Waiting, told: str, *, gone: bool) -> None:
        now = self._now()
        if gone:
            rows.run("disable_webhook", account_id=event.account_id, now=now)
            rows.run("drop_events", account_id=event.account_id, told=told)
            return
        rows.run("hold_events", account_id=event.account_id, until=now + HOLD_S)
        rows.run("delay_event", event_id=event.event_id, due_at=now + hook.delay_s(event.tries), told=told)

    async def _finish(self, event: Waiting, state: str, told: str) -> None:
        await self._store.transact(
            lambda rows: rows.run("finish_event", event_id=event.event_id, state=state, told=told)
        )

    async def _purge(self) -> None:
        now = self._now()
        if now - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = now
            await self._store.transact(lambda rows: rows.run("purge_events", before=now - webhooks.KEPT_S))
