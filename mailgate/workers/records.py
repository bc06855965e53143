"""Accounts as plain data for a frame, and back. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mailgate.accounts.model import Account, Destination, Hide, Mode
from mailgate.calls.model import Channel
from mailgate.offers.forwarding import Forwarding

Record = dict[str, Any]


@lru_cache(maxsize=4096)  # the offers of an account lead to the same place
def _channels(*uris: str) -> tuple[Channel, ...]:
    return tuple(map(Channel.parse, uris))


def account_record(account: Account) -> Record:
    """An account with its numbers: for a worker, which takes them out of messages, and nobody else."""
    return {
        "account_id": account.account_id,
        "display_name": account.display_name,
        "addresses": account.addresses,
        "destinations": [
            {"name": d.name, "display_name": d.display_name, "channels": [c.uri for c in d.channels]}
            for d in account.destinations
        ],
        "extra_numbers": account.extra_numbers,
        "mode": account.mode.value,
        "hide": account.hide.value,
        "language": account.language,
        "forwarding": account.forwarding.value if account.forwarding else None,
        "finds_language": account.finds_language,
        "cards": account.cards,
        "pin_in_mail": account.pin_in_mail,
        "created_at": account.created_at,
    }


def account_of(record: Record) -> Account:
    """The account of a record."""
    return Account(
        **record
        | {
            "addresses": tuple(record["addresses"]),
            "destinations": tuple(
                Destination(
                    name=d["name"],
                    display_name=d["display_name"],
                    channels=_channels(*d["channels"]),
                )
                for d in record["destinations"]
            ),
            "extra_numbers": tuple(record["extra_numbers"]),
            "mode": Mode(record["mode"]),
            "hide": Hide(record["hide"]),
            "forwarding": Forwarding(record["forwarding"]) if record["forwarding"] else None,
        }
    )
