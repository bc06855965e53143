"""Instant messages before everything else, for whom they reach."""

from __future__ import annotations

import logging

from mailgate.offers.notice import Delivery, Network, Notice

log = logging.getLogger(__name__)


class ChatFirst:
    """By instant message where that reaches the reader now; else, and where it came to nothing, by the other way."""

    def __init__(self, instant: Network, other: Network) -> None:
        self._instant = instant
        self._other = other

    async def deliver(self, notice: Notice) -> Delivery:
        """One try; see mailgate.offers.notice.Network."""
        try:
            if await self._instant.deliver(notice) is Delivery.DELIVERED:
                return Delivery.DELIVERED
        except Exception:
            log.exception("an instant message could not be sent; the other way is taken")
        return await self._other.deliver(notice)
