"""Verified destinations: a channel of an account rings once whoever answers there has given a code back.

A telephone, or a SIP user here, is called and told the code; a SIP address of elsewhere, which reads like an address
of mail, is mailed it. The code is typed by the account's owner (on /my) or the administrator; who enters a channel at
the command line may vouch for it instead. Calls and mails wait in the outbox like every notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import Channel, Kind
from mailgate.offers.codes import Codes
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.notice import Notice
from mailgate.offers.own_channels import hint_of, mark_of
from mailgate.store import accounts, outbox
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

CALL_S = 600.0
"""A code that could not be spoken by then is not worth a call any more."""
_FORGET_S = 86400.0
"""So many codes a day (see mailgate.offers.codes): a telephone that is not the account's is not rung for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """A channel that does not ring yet. `mark` names it in forms without showing it; `hint`: its kind and its end."""

    destination: str
    display_name: str
    mark: str
    mailed: bool
    hint: str = field(repr=False)


class Verifying:
    """Codes for the channels of all accounts."""

    def __init__(self, *, store: Store, sealer: Sealer, codes: Codes, now: Callable[[], float]) -> None:
        self._store = store
        self._sealer = sealer
        self._codes = codes
        self._now = now

    def waiting(self, account: Account) -> list[Unverified]:
        """The account's channels that do not ring yet, in their order, each once."""
        found: dict[Channel, Unverified] = {}
        for destination in account.destinations:
            for channel in destination.channels:
                if channel not in destination.verified and channel not in found:
                    found[channel] = self._unverified(account, destination, channel)
        return list(found.values())

    async def ask(self, account: Account, mark: str) -> bool:
        """Send a code to that channel; False where it is none of the account's that wait, or it was asked too often."""
        return await self._store.transact(lambda rows: self._ask(rows, account, mark))

    def ask_now(self, account: Account, mark: str) -> bool:
        """The same for a caller without an event loop; a running gateway then makes the call."""
        return self._store.transact_now(lambda rows: self._ask(rows, account, mark))

    async def confirm(self, account: Account, mark: str, typed: str) -> bool:
        """Let the channel ring; False where that is not its code."""
        return await self._store.transact(lambda rows: self._confirm(rows, account, mark, typed))

    def confirm_now(self, account: Account, mark: str, typed: str) -> bool:
        return self._store.transact_now(lambda rows: self._confirm(rows, account, mark, typed))

    def vouch_now(self, account: Account, mark: str) -> bool:
        """Let the channel ring because the administrator says so."""
        channel = self._channel(account, mark)
        if channel is None:
            return False
        return self._store.transact_now(lambda rows: accounts.verify(rows, self._sealer, account.account_id, channel))

    def _ask(self, rows: Rows, account: Account, mark: str) -> bool:
        channel, now = self._channel(account, mark), self._now()
        if channel is None:
            return False
        code = self._codes.make(rows, _subject(mark), forget_s=_FORGET_S)
        if code is None:
            log.info("channel's code asked for too often", extra={"account": account.account_id})
            return False
        mailed = _by_mail(channel)
        notice = Notice(
            notice_id=f"verify.{mark}.{int(now)}",
            kind=NoticeKind.CHANNEL_CODE if mailed else NoticeKind.SPOKEN_CODE,
            address=channel.address.partition(":")[0] if mailed else channel.uri,
            language=account.language,
            created_at=now,
            expires_at=code.expires_at if mailed else now + CALL_S,
            values={"code": code.digits, "account": account.display_name},
        )
        outbox.put(rows, self._sealer, notice)
        return True

    def _confirm(self, rows: Rows, account: Account, mark: str, typed: str) -> bool:
        channel = self._channel(account, mark)
        if channel is None or not self._codes.fits(rows, _subject(mark), typed):
            return False
        self._codes.spend(rows, _subject(mark))
        log.info("channel verified", extra={"account": account.account_id})
        return accounts.verify(rows, self._sealer, account.account_id, channel)

    def _unverified(self, account: Account, destination: Destination, channel: Channel) -> Unverified:
        return Unverified(
            destination=destination.name,
            display_name=destination.display_name,
            mark=self.mark(account, channel),
            mailed=_by_mail(channel),
            hint=hint_of(channel),
        )

    def _channel(self, account: Account, mark: str) -> Channel | None:
        """The channel of that mark, verified or not."""
        every = (channel for destination in account.destinations for channel in destination.channels)
        return next((channel for channel in every if self.mark(account, channel) == mark), None)

    def mark(self, account: Account, channel: Channel) -> str:
        """What names the channel in forms."""
        return mark_of(self._sealer, account, channel)


def _by_mail(channel: Channel) -> bool:
    return channel.kind is Kind.SIP and "@" in channel.address


def _subject(mark: str) -> str:
    return f"channel {mark}"
