"""What taking mail needs of the store: whose account an address is, and new offers kept.

`Books` is what the mail room is handed. `OwnBooks` are those of a process that has the store open; a mail worker, which
has none, asks the control process (`mailgate.workers`).

Accounts are remembered, addresses of nobody too, until `forget` is called: the clock of the service does so within a
second after another process, such as `mailgate account`, has written to the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from mailgate.accounts.model import Account
from mailgate.gather import Gather
from mailgate.offers.issue import Issued
from mailgate.offers.service import Offers

REMEMBERED = 20_000
"""Addresses; more than that, and all are looked up again. An account is some 2 KiB."""

LINGER_S = 0.002
"""How long an offer waits for others to be committed with: a message takes 1 ms of CPU, and a commit 0.3 ms."""


class Books(Protocol):
    """The store as mail sees it."""

    async def account(self, address: str) -> Account | None:
        """The account that writes from this address, if any. Raises MailgateError where nobody can say."""

    def keep(self, issued: Issued) -> Awaitable[None]:
        """Store a new offer: begun at once, durable when awaited."""

    async def withdraw(self, offer_id: str) -> None:
        """Forget an offer whose message did not go out."""


class OwnBooks:
    """The books of the process that has the store."""

    def __init__(self, offers: Offers, find: Callable[[str], Account | None]) -> None:
        self._offers = offers
        self._find = find
        self._known: dict[str, Account | None] = {}
        self._keeping: Gather[Issued] = Gather(offers.keep, linger_s=LINGER_S)

    async def account(self, address: str) -> Account | None:
        return self.account_now(address)

    def account_now(self, address: str) -> Account | None:
        """The same without waiting."""
        try:
            return self._known[address]
        except KeyError:
            pass
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        found = self._known[address] = self._find(address)
        return found

    def keep(self, issued: Issued) -> Awaitable[None]:
        return self._keeping.put(issued)

    async def withdraw(self, offer_id: str) -> None:
        await self._offers.withdraw(offer_id)

    def forget(self) -> None:
        """Look every account up again."""
        self._known.clear()
