"""Where an offer's call may ring: the channels of its destination that are verified, now, and at this hour.

What the account says is asked for before every call; for pages the answer is remembered until accounts change.
The same is asked of an account here whose address an offer went to: by what its owner may be called, in their order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from mailgate.accounts.model import Account
from mailgate.calls.model import Channel
from mailgate.calls.pairs import Way
from mailgate.errors import CallRefused
from mailgate.offers.hours import BadHours, parse
from mailgate.offers.offer import Offer, Terms
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

REMEMBERED = 20_000
"""Destinations; more than that, and all are looked up again."""


class Reach:
    """What may ring, of all offers of a store. `zone`: of hours of accounts that name none."""

    def __init__(self, store: Store, sealer: Sealer, zone: str = "UTC") -> None:
        self._store = store
        self._sealer = sealer
        self._zone = zone
        self._known: dict[tuple[str, tuple[Channel, ...]], bool] = {}
        self._listed: dict[str, bool] = {}

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

    def may_ring(self, offer: Offer, at: float) -> None:
        """Raises CallRefused where nothing of the destination is verified (`unverified`), or may ring at that moment
        (`do-not-disturb`)."""
        if not any(way.open(at) for way in self.ways(self.verified(offer))):
            raise CallRefused("do-not-disturb", "the destination takes no calls at this hour")

    def to_ring(self, offer: Offer) -> Offer:
        """The same of an offer whose attempt has begun: who waits on the line is not rung."""
        return offer if offer.attempt is not None and offer.attempt.held is not None else self.verified(offer)

    def ways(self, offer: Offer) -> tuple[Way, ...]:
        """The channels of the offer's destination, in its party's order, and when each may ring."""
        account = self._store.read(lambda rows: accounts.by_id(rows, self._sealer, offer.terms.account_id))
        return self._ways(account, offer.terms.destination)

    def list_of(self, address: str) -> tuple[Way, ...]:
        """By what whoever reads that mailbox may be called, where an account here has it; suppressed channels are left
        out. Empty where there is none."""

        def work() -> tuple[Way, ...]:
            account = self._store.read(lambda rows: accounts.by_address(rows, self._sealer, address))
            if account is None:
                return ()
            return self._ways(account, account.destinations[0].ringing)

        return tuple(way for way in work() if not self.suppressed(way.channel))

    def listed(self, address: str) -> bool:
        """Whether `list_of` has anything, as far as is remembered."""
        known = self._listed.get(address)
        if known is None:
            if len(self._listed) >= REMEMBERED:
                self._listed.clear()
            known = self._listed[address] = bool(self.list_of(address))
        return known

    def suppressed(self, channel: Channel) -> bool:
        """Whether whoever answers there has asked not to be called."""
        return self._store.read(lambda rows: rows_of.suppressed(rows, self._sealer, channel))

    def forget(self) -> None:
        """Accounts have changed."""
        self._known.clear()
        self._listed.clear()

    def _ways(self, account: Account | None, channels: Iterable[Channel]) -> tuple[Way, ...]:
        zone = (account.time_zone if account else "") or self._zone
        hours = {c: text for d in (account.destinations if account else ()) for c, text in d.hours}
        found = []
        for channel in channels:
            try:
                written = hours.get(channel, "")
                found.append(Way(channel=channel, hours=parse(written, zone) if written else None))
            except BadHours as error:  # checked when they were entered; the time zone may be gone since
                log.error("hours of a channel cannot be read: %s", error)
                found.append(Way(channel=channel))
        return tuple(found)

    def _channels(self, terms: Terms) -> tuple[Channel, ...]:
        return self._store.read(lambda rows: accounts.ringing(rows, self._sealer, terms.account_id, terms.destination))
