"""Where an offer's call may ring: the channels of its destination that are verified, now.

What the account says is asked for before every call; for pages the answer is remembered until accounts change.
"""

from __future__ import annotations

from dataclasses import replace

from mailgate.calls.model import Channel
from mailgate.errors import CallRefused
from mailgate.offers.offer import Offer, Terms
from mailgate.store import accounts
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

REMEMBERED = 20_000
"""Destinations; more than that, and all are looked up again."""


class Reach:
    """What may ring, of all offers of a store."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._known: dict[tuple[str, tuple[Channel, ...]], bool] = {}

    def any(self, terms: Terms) -> bool:
        """Whether a channel of the destination may ring, as far as is remembered."""
        key = terms.account_id, terms.destination
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[key] = bool(self._channels(terms))
        return known

    def verified(self, offer: Offer) -> Offer:
        """The offer with those channels of its destination that may ring; raises CallRefused where there is none."""
        channels = self._channels(offer.terms)
        if not channels:
            raise CallRefused("unverified", "no telephone of the destination is verified")
        return replace(offer, terms=replace(offer.terms, destination=channels))

    def to_ring(self, offer: Offer) -> Offer:
        """The same of an offer whose attempt has begun: who waits on the line is not rung."""
        return offer if offer.attempt is not None and offer.attempt.held is not None else self.verified(offer)

    def forget(self) -> None:
        """Accounts have changed."""
        self._known.clear()

    def _channels(self, terms: Terms) -> tuple[Channel, ...]:
        return self._store.read(lambda rows: accounts.ringing(rows, self._sealer, terms.account_id, terms.destination))
