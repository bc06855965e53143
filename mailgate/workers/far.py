"""A worker's view of what the control process holds: books, delivery notes, counts. All go over the wire.

Accounts are remembered until the control process says that they may have changed. Counts are told once a second; those
of the last second are lost where a worker is killed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any

from mailgate.accounts.model import Account
from mailgate.books import REMEMBERED
from mailgate.offers.issue import Issued
from mailgate.workers.records import account_of
from mailgate.workers.wire import Wire
from smtp_hooks.pipeline import Offeree
from smtp_hooks.quoted import Quoted

COUNTS_EVERY_S = 1.0


class FarBooks:
    """`mailgate.books.Books` of a worker."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: dict[str, Account | None] = {}
        self._plain: set[str] = set()  # accounts that know nothing of any recipient
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._era = 0

    async def account(self, address: str) -> Account | None:
        """Raises WireLost where the control process has gone and the address is not remembered."""
        try:
            return self._known[address]
        except KeyError:
            pass
        era = self._era
        asked = self._asked.get(address)
        if asked is None:  # the first of several messages that wait for the same answer
            asked = self._asked[address] = self._wire.ask("account", address)
            asked.add_done_callback(partial(self._answered, address))
        record = await asyncio.shield(asked)
        account = None if record is None else account_of(record[0])
        if era == self._era:  # nothing was changed meanwhile
            if account is not None and record[1]:
                self._plain.add(account.account_id)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[address] = account
        return account

    def _answered(self, address: str, asked: asyncio.Future[Any]) -> None:
        if self._asked.get(address) is asked:
            del self._asked[address]

    async def offeree(self, account: Account, address: str) -> Offeree:
        if account.account_id in self._plain:
            return Offeree(address=address)
        suppressed, number = await self._wire.ask("offeree", [account.account_id, address])
        return Offeree(address=address, suppressed=suppressed, number=number)

    async def quoted(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        return [Quoted(**record) for record in await self._wire.ask("quoted", list(tokens))]

    def keep(self, issued: Issued) -> Awaitable[None]:
        return self._wire.ask("keep", issued.fresh())

    async def pin(self, offer_id: str) -> str:
        return str(await self._wire.ask("pin", offer_id))

    async def withdraw(self, offer_id: str) -> None:
        await self._wire.ask("withdraw", offer_id)

    def forget(self) -> None:
        """Ask for every account again."""
        self._era += 1
        self._known.clear()
        self._plain.clear()
        self._asked.clear()


class FarNotes:
    """`smtp_hooks.split.Notes` of a worker. `any` is what the control process said last."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.any = True

    async def claim(self, key: bytes, recipients: Sequence[str]) -> Mapping[str, int]:
        claimed: dict[str, int] = await self._wire.ask("claim", [key.hex(), list(recipients)])
        return claimed

    async def keep(self, key: bytes, claim: Mapping[str, int], delivered: Sequence[str]) -> None:
        await self._wire.ask("note", [key.hex(), dict(claim), list(delivered)])

    async def done(self, claim: Mapping[str, int]) -> None:
        await self._wire.ask("noted", dict(claim))


class FarCounts:
    """`mailgate.metrics.Counts` of a worker."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._counted: Counter[tuple[str, str]] = Counter()

    def count(self, decision: str, reason: str, number: int = 1) -> None:
        self._counted[decision, reason] += number

    def tell(self) -> None:
        """Tell the control process what was counted since the last time."""
        if self._counted:
            self._wire.tell("counted", [[*key, number] for key, number in self._counted.items()])
            self._counted.clear()

    async def tell_now_and_then(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(COUNTS_EVERY_S)
            self.tell()
