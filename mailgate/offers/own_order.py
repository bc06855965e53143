"""Accept by one's own order: the offeree is called where they prefer it, by what can be had now, one after the other.

The offeree's list is that of their account here, or what their device has named; the destination's is its party's. The
plan of both (mailgate.calls.pairs) is made at the moment of the press: who is registered, which trunk lives, whose
hours it is. What leaves here is the order of the offeree's own channels; the destination's are chosen, by the same
plan, when each attempt is placed. Neither party is told anything of the other's list, and no log line holds one.

Known limits: who has answered and pressed 1 is not called on another channel because the destination was not reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from mailgate.accounts.model import Account
from mailgate.calls import pairs
from mailgate.calls.model import Channel
from mailgate.calls.pairs import Way
from mailgate.errors import CallRefused, OutcomeUnknown
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.reach import Reach
from mailgate.offers.service import Offers
from mailgate.offers.table import WAITING, Name
from mailgate.offers.view import View

log = logging.getLogger(__name__)

Available = Callable[[Channel], Awaitable[bool]]


async def away(channels: Iterable[Channel], available: Available) -> frozenset[Channel]:
    """Those that cannot be reached just now. Raises OutcomeUnknown where Asterisk cannot be asked."""
    every = tuple(dict.fromkeys(channels))
    found = await asyncio.gather(*(available(channel) for channel in every))
    return frozenset(channel for channel, there in zip(every, found, strict=True) if not there)


class OwnOrder:
    """`available` asks Asterisk of a channel; `own_number` is the gateway's, in E.164; `now` gives UNIX seconds."""

    def __init__(
        self, offers: Offers, reach: Reach, available: Available, *, own_number: str, now: Callable[[], float]
    ) -> None:
        self._offers = offers
        self._reach = reach
        self._available = available
        self._own_number = own_number
        self._now = now

    def is_for(self, account: Account, token: str) -> bool:
        """Whether the token's offer went to one of the account's addresses. Raises TokenError, UnknownOffer."""
        offer, _ = self._offers.agreed(token)
        return offer.terms.offeree_address.lower() in account.addresses

    async def accept_listed(self, token: str, *, browser: str = "") -> View:
        """Accept for whoever reads the mailbox that the offer went to, by the list of their account. Only for who has
        shown that it is theirs; without `browser` nobody else is shut out by it. Raises as `accept`."""
        offer, _ = self._offers.agreed(token)
        ways = self._reach.list_of(offer.terms.offeree_address)
        return await self.accept(token, ways, browser=browser)

    async def accept(self, token: str, ways: Sequence[Way], *, browser: str) -> View:
        """Accept by that list, for who is the offer's recipient for certain.

        Raises as Offers.accept; CallRefused besides: `no-channel` (the list is empty), `none-available` (nothing of it
        can be reached just now), `destination-unavailable`.
        """
        offer, held = self._offers.agreed(token)
        if offer.state not in WAITING:  # said before anything is asked of Asterisk
            raise IllegalTransition(offer.state, Name.ACCEPTED)
        ways = [way for way in ways if not self._reach.suppressed(way.channel)]
        if not ways:
            raise CallRefused("no-channel", "there is no verified way to call you: `mailgate account verify`, or /my")
        others = (Way(channel=held),) if held else self._reach.ways(self._reach.verified(offer))
        try:
            gone = await away((way.channel for way in (*ways, *others) if way.channel != held), self._available)
        except OutcomeUnknown as error:  # where no call can be placed, the attempt will say so
            log.warning("who can be reached is not known: %s", error, extra={"offer": offer.offer_id})
            gone = frozenset()
        found = pairs.plan(ways, others, at=self._now(), unavailable=gone, own_number=self._own_number)
        if not found:
            self._refuse(ways, gone)
        first, *then = (run.leg1 for run in pairs.runs(found))
        log.info("accepted by an own order", extra={"offer": offer.offer_id, "attempts": 1 + len(then)})
        return await self._offers.accept(token, first, then=then, browser=browser, proven=True)

    def _refuse(self, ways: Sequence[Way], gone: frozenset[Channel]) -> None:
        at = self._now()
        if any(way.open(at) and way.channel not in gone for way in ways):
            raise CallRefused("destination-unavailable", "whoever you would talk to cannot be reached just now")
        raise CallRefused("none-available", "no telephone of your list can be reached just now")
