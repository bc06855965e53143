"""An offer that its offeror makes by hand: from the command line, or from a listening application.

In one transaction: the offer with its coupon, and the notice in the outbox that tells the offeree, by whichever network
reaches them (mailgate.offers.ways). A kill at any moment loses neither. Nobody is offered a call who wants no offers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.errors import MailgateError
from mailgate.offers.issue import Issuer, Rules
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.offer import Terms
from mailgate.offers.pins import Pins
from mailgate.store import accounts, outbox, webhooks
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens.keys import KeyRing

MOST_IN_HOUR = 60
"""Offers that one account makes by hand within HOUR_S."""
HOUR_S = 3600.0


class MakingRefused(MailgateError):
    """No offer was made; `reason` is a stable name."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOffer:
    """An offer, and the notice that tells of it."""

    offer_id: str
    notice_id: str
    token: str = field(repr=False)
    expires_at: float


class Making:
    """Makes offers of a store's accounts. `now` gives UNIX seconds."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        ring: KeyRing,
        rules: Rules,
        now: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._sealer = sealer
        self._now = now
        self._issuer = Issuer(ring=ring, rules=rules, now=now, new_id=new_id)
        self._pins = Pins(store=store, sealer=sealer, ring=ring, digits=rules.pin_digits, now=now)

    def put(self, rows: Rows, account: Account, to: str, destination: str = "") -> MadeOffer:
        """Make it, in somebody's transaction. `to` is an address. Raises MakingRefused."""
        address, now = to.strip(), self._now()
        leads = account.destination(destination or None)
        if leads is None:
            names = ", ".join(each.name for each in account.destinations)
            raise MakingRefused("no-destination", f"there is no destination {destination!r}; there are {names}")
        if address.lower() in account.addresses:
            raise MakingRefused("own-address", f"{address} is the account's own address")
        if rows_of.suppressed_address(rows, self._sealer, address):
            raise MakingRefused("suppressed", f"whoever reads {address} wants no offers of calls")
        made = rows.one("made_since", account_id=account.account_id, since=now - HOUR_S)
        if made is not None and made["count"] >= MOST_IN_HOUR:
            raise MakingRefused("too-many", f"{MOST_IN_HOUR} offers were made within an hour; wait a while")
        theirs = accounts.by_address(rows, self._sealer, address)
        language = theirs.language if theirs else account.language
        issued = self._issuer.issue(
            Terms(
                account_id=account.account_id,
                offeror_name=account.display_name,
                destination_name=leads.display_name,
                destination=leads.channels,
                offeree_address=address,
                language=language,
            ),
            forwarding=account.forwarding,
        )
        offer, fresh = issued.offer, issued.fresh()
        rows_of.insert(rows, self._sealer, [fresh])
        self._pins.give(rows, [offer.offer_id])
        webhooks.record_made(rows, self._sealer, [fresh])
        notice = Notice(
            notice_id=f"{offer.offer_id}.offered",
            kind=Kind.OFFERED,
            address=address,
            language=language,
            created_at=now,
            expires_at=offer.expires_at,
            values={"offeror": account.display_name, "token": issued.token, "reply_to": account.addresses[0]},
        )
        outbox.put(rows, self._sealer, notice)
        return MadeOffer(
            offer_id=offer.offer_id, notice_id=notice.notice_id, token=issued.token, expires_at=offer.expires_at
        )
