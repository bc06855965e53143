"""What taking mail needs of the store: whose account an address is, and new offers kept.

`Books` is what the mail room is handed. `OwnBooks` are those of a process that has the store open; a mail worker, which
has none, asks the control process (`mailgate.workers`).

Accounts are remembered, addresses of nobody too, until `forget` is called: the clock of the service does so within a
second after another process, such as `mailgate account`, has written to the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailgate.accounts.model import Account
from mailgate.gather import Gather
from mailgate.offers.fresh import Fresh
from mailgate.offers.issue import Issued
from mailgate.offers.service import Offers
from mailgate.offers.table import ENDED
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from smtp_hooks.pipeline import Offeree
from smtp_hooks.quoted import Quoted
from tokens import coupon
from tokens.coupon import Purpose
from tokens.errors import TokenError
from tokens.keys import KeyRing

REMEMBERED = 20_000
"""Addresses; more than that, and all are looked up again. An account is some 2 KiB."""

MOST_QUOTED = 200
"""Links of ours in one message that are looked up."""

LINGER_S = 0.002
"""How long an offer waits for others to be committed with: a message takes 1 ms of CPU, and a commit 0.3 ms."""


class Books(Protocol):
    """The store as mail sees it."""

    async def account(self, address: str) -> Account | None:
        """The account that writes from this address, if any. Raises MailgateError where nobody can say."""

    async def offeree(self, account: Account, address: str) -> Offeree:
        """What is known of a recipient of this account's messages."""

    async def quoted(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        """Those of the texts that are authentic tokens of offers in the store."""

    def keep(self, issued: Issued) -> Awaitable[None]:
        """Store a new offer: begun at once, durable when awaited."""

    async def pin(self, offer_id: str) -> str:
        """The PIN that a stored offer was given; empty where it has none."""

    async def withdraw(self, offer_id: str) -> None:
        """Forget an offer whose message did not go out."""


class OwnBooks:
    """The books of the process that has the store."""

    def __init__(
        self, offers: Offers, *, store: Store, sealer: Sealer, ring: KeyRing, now: Callable[[], float]
    ) -> None:
        """New offers go to `offers`; everything is looked up in `store`, and tokens are verified by `ring`."""
        self._offers = offers
        self._store = store
        self._sealer = sealer
        self._ring = ring
        self._now = now
        self._known: dict[str, Account | None] = {}
        self._plain: dict[str, bool] = {}
        self._keeping: Gather[Fresh] = Gather(offers.keep, linger_s=LINGER_S)

    async def account(self, address: str) -> Account | None:
        return self.account_now(address)

    def account_now(self, address: str) -> Account | None:
        """The same without waiting."""
        try:
            return self._known[address]
        except KeyError:
            pass
        if len(self._known) >= REMEMBERED:
            self.forget()
        found = self._store.read(lambda rows: accounts.by_address(rows, self._sealer, address))
        self._known[address] = found
        return found

    def plain_now(self, account: Account) -> bool:
        """Whether nothing can be known of any recipient: nobody is suppressed, and the address book is empty. Most
        gateways save a question for each message by it. Remembered as accounts are."""
        known = self._plain.get(account.account_id)
        if known is None:
            known = self._store.read(lambda rows: accounts.knows_nobody(rows, account.account_id))
            self._plain[account.account_id] = known
        return known

    async def offeree(self, account: Account, address: str) -> Offeree:
        return Offeree(address=address) if self.plain_now(account) else self.offeree_now(account.account_id, address)

    def offeree_now(self, account_id: str, address: str) -> Offeree:
        """What the store says."""
        suppressed, channel = self._store.read(lambda rows: accounts.recipient(rows, self._sealer, account_id, address))
        return Offeree(address=address, suppressed=suppressed, number=channel.address if channel else "")

    async def quoted(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        return self.quoted_now(tokens)

    def quoted_now(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        """The same without waiting."""
        found = (self._quoted(token) for token in tokens[:MOST_QUOTED])
        return [each for each in found if each is not None]

    def _quoted(self, token: str) -> Quoted | None:
        try:
            mark = coupon.verify(self._ring, token, purpose=Purpose.ACCEPT)
        except TokenError:
            return None
        offer = self._store.read(lambda rows: rows_of.by_fingerprint(rows, self._sealer, mark))
        if offer is None:
            return None
        return Quoted(
            token=token,
            account_id=offer.terms.account_id,
            offeree=offer.terms.offeree_address.lower(),
            is_open=offer.state not in ENDED and self._now() < offer.expires_at,
            pin=self.pin_now(offer.offer_id),
        )

    def keep(self, issued: Issued) -> Awaitable[None]:
        return self.keep_fresh(issued.fresh())

    def keep_fresh(self, fresh: Fresh) -> asyncio.Future[None]:
        """The same of one that a worker has made."""
        return self._keeping.put(fresh)

    async def pin(self, offer_id: str) -> str:
        return self.pin_now(offer_id)

    def pin_now(self, offer_id: str) -> str:
        """The same without waiting."""
        return self._offers.pin_of(offer_id)

    async def withdraw(self, offer_id: str) -> None:
        await self._offers.withdraw(offer_id)

    def forget(self) -> None:
        """Look every account up again."""
        self._known.clear()
        self._plain.clear()
