"""The offeror is told at once that their call is being made: on a screen that is there, by their own order of networks.

It is told where a screen shows it now, and nowhere else, since no other network carries it (mailgate.offers.ways): by
the time that a mail is read, the telephone has rung. So it is written down nowhere, and a process that dies takes it
along; what became of the call is told like everything else. The call does not wait for any of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mailgate.offers.events import Accepted, Event
from mailgate.offers.notice import Delivery, Kind, Notice
from mailgate.offers.offer import Offer
from mailgate.store import accounts
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

WORTH_S = 60.0


class Heralds:
    """`deliver` goes the party's way."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        deliver: Callable[[Notice], Awaitable[Delivery]],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._deliver = deliver
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()

    def stepped(self, offer: Offer, event: Event) -> None:
        """Hears of each step; see mailgate.offers.held. Who waits on the line hears that they are joined."""
        if isinstance(event, Accepted) and event.held is None:
            task = asyncio.create_task(self._tell(offer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, offer: Offer) -> None:
        try:
            if (notice := self._notice(offer)) is not None:
                await self._deliver(notice)
        except Exception:
            log.exception("the offeror could not be told", extra={"offer": offer.offer_id})

    def _notice(self, offer: Offer) -> Notice | None:
        account = self._store.read(lambda rows: accounts.by_id(rows, self._sealer, offer.terms.account_id))
        if account is None:
            return None
        now = self._now()
        return Notice(
            notice_id=f"{offer.offer_id}.{offer.version}",
            kind=Kind.ACCEPTED,
            address=account.addresses[0],
            language=account.language,
            created_at=now,
            expires_at=now + WORTH_S,
            values={"offeree": offer.terms.offeree_shown, "offer": offer.offer_id},
        )

    async def close(self) -> None:
        """What is under way is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
