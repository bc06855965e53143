"""The channels by which an account's owner is called, named by marks that show nothing of them.

A page of the account's own offers them by mark and hint; who accepts there sends the mark. Only what is verified rings,
and only what leads to the owner: the channels of the default destination.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.calls.model import Channel, Kind
from mailgate.store.seal import Sealer

OWN = "own:"
"""What stands before a mark where a channel is named by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChannel:
    """`mark` names the channel; `hint`: enough to know it by."""

    mark: str
    hint: str = field(repr=False)


def mark_of(sealer: Sealer, account: Account, channel: Channel) -> str:
    """24 hexadecimal digits, the same for the same channel of the same account."""
    return sealer.digest(f"channel {account.account_id} {channel.uri}").hex()[:24]


def hint_of(channel: Channel) -> str:
    """Beginning and end of a number; a SIP address whole."""
    if channel.kind is Kind.TEL:
        return f"{channel.address[:3]} … {channel.address[-2:]}"
    return channel.address


def ringing(account: Account) -> tuple[Channel, ...]:
    """What rings the owner, the preferred one first."""
    return account.destinations[0].ringing if account.destinations else ()


def named(sealer: Sealer, account: Account) -> list[OwnChannel]:
    """The same, as a page may show it; itself it need not name."""
    return [
        OwnChannel(mark=mark_of(sealer, account, each), hint=hint_of(each))
        for each in ringing(account)
        if each.kind is not Kind.PAGE
    ]


def of_mark(sealer: Sealer, account: Account, mark: str) -> Channel | None:
    """The channel of that mark, None where it does not ring (any more)."""
    return next((each for each in ringing(account) if mark_of(sealer, account, each) == mark), None)
