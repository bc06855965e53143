"""Slots as a service: which times can be taken, and taking, moving and giving one up.

What was free when the page was made may be taken when it is pressed: each booking is judged again in the transaction
that makes it, against what others have been promised by then, so that neither a destination nor the trunk is promised
twice. Whether the offeror takes calls at that very moment (do not disturb) is not asked here: it is asked when the
slot is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from mailgate.calls.dialling import check_pair
from mailgate.calls.model import Channel
from mailgate.errors import CallRefused
from mailgate.offers import slots
from mailgate.offers.events import Booked, Cancelled, Moved
from mailgate.offers.hours import BadHours, Hours, parse
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.slots import Access, Rules, Slot
from mailgate.offers.table import State
from mailgate.offers.view import View
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store import slots as slot_rows
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

_LONGEST_S = 86400.0
"""No slot is longer: what begins earlier than this before a moment does not reach it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an offeree asks for. `start`: UNIX seconds; `zone`: theirs; `leg1`: where they are called, None to stay with
    what was said before; `any_hour`: early and late hours are welcome; `mail`: the calendar file by mail."""

    start: float
    zone: str
    leg1: Channel | None
    any_hour: bool = False
    mail: bool = False


class Bookings:
    """The slots of a gateway's offers; its own number in E.164 is called by nobody. `now` gives UNIX seconds; `known`
    are the numbers of offerees that offerors gave."""

    def __init__(
        self,
        offers: Offers,
        *,
        store: Store,
        sealer: Sealer,
        rules: Rules,
        own_number: str,
        now: Callable[[], float],
    ) -> None:
        self._offers = offers
        self._store = store
        self._sealer = sealer
        self._own_number = own_number
        self._now = now
        self.rules = rules
        self.known = offers.known

    def choices(self, token: str) -> list[float]:
        """The times that can be taken now, the earliest first. Raises TokenError, UnknownOffer."""
        offer_id, now = self._offers.offer_id_of(token), self._now()

        def work(rows: Rows) -> list[float]:
            offer = self._offer(rows, offer_id)
            until = min(offer.expires_at, now + self.rules.horizon_s)
            taken = slot_rows.taken(rows, offer, after=now - _LONGEST_S, before=until)
            hours = self._hours(rows, offer)
            return slots.choices(hours, self.rules, taken, now=now, expires_at=offer.expires_at)

        return self._store.read(work)

    async def book(self, token: str, asked: Asked, *, browser: str | None = None) -> View:
        """Take a time, or another one than before. `browser` as of Offers.accept; None where whose the offer is was
        judged before.

        Raises TokenError, UnknownOffer; SlotRefused where the time cannot be taken (any more); CallRefused where the
        number may not be called (`empty`, `suppressed`, `same-number`, `own-number`), or the offer is another's
        (`stranger`, `unproven`); IllegalTransition where the offer takes no time in the state it is in.
        """
        offer_id = self._offers.offer_id_of(token)
        offer = self._store.read(lambda rows: self._offer(rows, offer_id))
        moves = offer.state is State.BOOKED and offer.slot is not None
        leg1 = asked.leg1 or (offer.slot.leg1 if moves and offer.slot else None)
        if leg1 is None:
            raise CallRefused("empty", "no number to be called on")
        slot = Slot(
            start=asked.start,
            minutes=self.rules.minutes,
            zone=asked.zone,
            leg1=leg1,
            destination_first=self._store.read(lambda rows: self._rings_first(rows, offer)),
            mail=asked.mail,
        )

        def guard(rows: Rows, seen: Offer) -> None:
            check_callable(rows, self._sealer, seen, leg1, self._own_number)
            now, end = self._now(), slot.end
            slots.check(
                slot.start,
                slot.zone,
                self._hours(rows, seen),
                self.rules,
                slot_rows.taken(rows, seen, after=slot.start - _LONGEST_S, before=end),
                now=now,
                expires_at=seen.expires_at,
                any_hour=asked.any_hour,
            )

        access = Access(token=token, pin=self._offers.look(token).pin) if asked.mail else None
        hand = None if browser is None else self._offers.holders.hand(offer_id, browser, asked.leg1)
        kind = Moved if moves else Booked
        event = kind(slot=slot, access=access, hand=hand)
        return await self._offers.apply(offer_id, event, guard=guard)

    async def cancel(self, token: str) -> View:
        """Give the time up; the offer stays. Raises TokenError, UnknownOffer, IllegalTransition."""
        return await self._offers.apply(self._offers.offer_id_of(token), Cancelled())

    def slot(self, token: str) -> Slot | None:
        """The time that is booked, with its number: for the calendar file. Raises TokenError, UnknownOffer."""
        offer_id = self._offers.offer_id_of(token)
        offer = self._store.read(lambda rows: self._offer(rows, offer_id))
        return offer.slot if offer.state is State.BOOKED else None

    # --- what the account says ----------------------------------------------------------------------------------

    def _hours(self, rows: Rows, offer: Offer) -> Hours:
        account = accounts.by_id(rows, self._sealer, offer.terms.account_id)
        written, zone = (account.hours, account.time_zone) if account else ("", "")
        try:
            return parse(written or self.rules.hours, zone or self.rules.zone)
        except BadHours as error:  # checked when they were entered; the time zone may be gone since
            log.error("hours of an account cannot be read: %s", error, extra={"account": offer.terms.account_id})
            return parse(self.rules.hours, self.rules.zone)

    def _rings_first(self, rows: Rows, offer: Offer) -> bool:
        account = accounts.by_id(rows, self._sealer, offer.terms.account_id)
        return account is not None and account.rings_first

    def _offer(self, rows: Rows, offer_id: str) -> Offer:
        found = rows_of.by_id(rows, self._sealer, offer_id)
        if found is None:
            raise UnknownOffer("this link is worth nothing any more")
        return found


def check_callable(rows: Rows, sealer: Sealer, offer: Offer, leg1: Channel, own_number: str) -> None:
    """Raises CallRefused (`suppressed`, `same-number`, `own-number`) where the offeree may not be called there."""
    for channel in offer.terms.destination:
        check_pair(leg1, channel, own_number)
    if rows_of.suppressed(rows, sealer, leg1):
        raise CallRefused("suppressed", "whoever answers there has asked not to be called")
