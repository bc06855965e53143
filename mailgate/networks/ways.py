"""One network made of all: each notice goes by the party's own plan, and to the next way where one does not deliver.

The plan is made when the notice is tried, of what is available then (mailgate.offers.ways). While a device is waited
for, the notice stays in the outbox as it was; a kill in between tries it again, under the same id. By which way it went
is noted beside it.

Known limits: what a telephone has begun is asked of the telephone again, before anything else, as long as this process
lives; after a restart the plan begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from mailgate.offers.notice import Delivery, Network, Notice
from mailgate.offers.ways import BESIDE, Plan, Way, plan

log = logging.getLogger(__name__)


class Ways:
    """All networks of a gateway. `reaches(way, notice)`: whether that network reaches the party just now; `order` gives
    the party's wish by address; `beside` shows a notice on open sockets and waits for nothing; `went` takes down by
    which way a notice went."""

    def __init__(
        self,
        networks: Mapping[Way, Network],
        *,
        reaches: Callable[[Way, Notice], bool],
        order: Callable[[str], tuple[Way, ...]],
        beside: Callable[[Notice], None] = lambda notice: None,
        went: Callable[[str, Way], Awaitable[None]] | None = None,
    ) -> None:
        self._networks = networks
        self._reaches = reaches
        self._order = order
        self._beside = beside
        self._went = went
        self._begun: set[str] = set()

    def plan(self, notice: Notice) -> Plan:
        """The ways for this notice at this moment."""
        available = {way: way is Way.MAIL or self._reaches(way, notice) for way in self._networks}
        return plan(self._order(notice.address), notice.kind, available, has_address=bool(notice.address))

    async def deliver(self, notice: Notice) -> Delivery:
        """One try of each way in turn; see mailgate.offers.notice.Network."""
        if notice.kind in BESIDE:
            self._beside(notice)
        ways = self.plan(notice).ways
        if notice.notice_id in self._begun:
            ways = (Way.TELEPHONE, *(way for way in ways if way is Way.MAIL))
        waits = False
        for way in ways:
            delivery = await self._try(way, notice)
            if delivery is Delivery.DELIVERED:
                self._begun.discard(notice.notice_id)
                if self._went:
                    await self._went(notice.notice_id, way)
                return delivery
            if delivery is Delivery.LATER and way is Way.TELEPHONE:  # it rings: nobody is told twice
                self._begun.add(notice.notice_id)
                return delivery
            waits = waits or delivery is Delivery.LATER
        self._begun.discard(notice.notice_id)
        return Delivery.LATER if waits else Delivery.REFUSED

    async def _try(self, way: Way, notice: Notice) -> Delivery:
        extra = {"notice": notice.notice_id, "kind": notice.kind.value, "way": way.value}
        try:
            delivery = await self._networks[way].deliver(notice)
        except Exception:
            log.exception("a network failed", extra=extra)
            return Delivery.LATER
        log.info("notice tried", extra=extra | {"delivery": delivery.value})
        return delivery
