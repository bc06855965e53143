"""The page of who is signed in as a telephone: that it rings, and who it is that calls there."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.calls.model import Channel, Kind
from mailgate.offers.table import IN_CALL
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as the offer names them; `own`: whether the account has offered that call itself."""

    name: str = field(repr=False)
    own: bool


def stands(account: Account) -> bool:
    """Whether calls to the account's owner come to their page, where it is open."""
    return Channel(Kind.PAGE, account.account_id) in account.destinations[0].channels


class OwnPage:
    """What is asked of accounts and attempts."""

    def __init__(self, *, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def rings(self, account: Account) -> None:
        """From now on calls to the account's owner come to their page too, while it is open."""
        done = await self._store.transact(lambda rows: accounts.put_page(rows, self._sealer, account.account_id))
        if done:
            log.info("the page rings from now on", extra={"action": "page_rings", "account": account.account_id})

    def caller(self, account: Account, attempt_id: str) -> Caller | None:
        """Who calls the account's page by that attempt; None where it is none of theirs, or is over."""
        offer = self._store.read(lambda rows: rows_of.by_attempt(rows, self._sealer, attempt_id))
        if offer is None or offer.state not in IN_CALL or offer.attempt is None:
            return None
        leg1 = offer.attempt.leg1
        if leg1.kind is Kind.PAGE and leg1.address == account.account_id:
            return Caller(name=offer.terms.destination_name, own=False)
        if offer.terms.account_id == account.account_id:
            return Caller(name=offer.terms.offeree_shown, own=True)
        return None
