"""Offerors who wait on the telephone just now, and whoever must hear at once of a step. Memory of one process only.

Kept apart from the service so that both it and mailgate.waiting can be handed the same: the service asks who is
held and tells of each step, `mailgate.waiting` says who waits.
"""

from __future__ import annotations

from collections.abc import Callable

from mailgate.calls.model import Channel
from mailgate.offers.events import Event
from mailgate.offers.offer import Offer

Stepped = Callable[[Offer, Event], None]
"""Hears of an offer after a step, once that is committed; must not wait."""


class Held:
    """Who waits, by offer."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._hears: list[Stepped] = []

    def channel(self, offer_id: str) -> Channel | None:
        """The channel on which the offeror waits."""
        return self._channels.get(offer_id)

    def hold(self, offer_id: str, channel: Channel) -> None:
        self._channels[offer_id] = channel

    def let_go(self, offer_id: str) -> None:
        self._channels.pop(offer_id, None)

    def on_step(self, hears: Stepped) -> None:
        self._hears.append(hears)

    def stepped(self, offer: Offer, event: Event) -> None:
        for hears in self._hears:
            hears(offer, event)
