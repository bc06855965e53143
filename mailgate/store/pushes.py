"""Subscriptions to push services, in the store: sealed, since whoever has one can push; found again by a digest.

Each function takes the rows of a transaction or of a read.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.accounts import subscription
from mailgate.accounts.subscription import Subscription
from mailgate.store.database import Rows
from mailgate.store.seal import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A device that can be woken."""

    device_id: str
    account_id: str
    subscription: Subscription


def put(rows: Rows, sealer: Sealer, pushed: Pushed, at: float) -> None:
    """The device's only one, and the only device with it."""
    digest = sealer.digest(f"push {pushed.subscription.endpoint}")
    rows.run("delete_push_elsewhere", endpoint=digest, device_id=pushed.device_id)
    rows.run(
        "put_push",
        device_id=pushed.device_id,
        account_id=pushed.account_id,
        endpoint=digest,
        subscription=sealer.seal(pushed.subscription.text(), f"pushes {pushed.device_id}"),
        created_at=at,
    )


def of_address(rows: Rows, sealer: Sealer, address: str) -> list[Pushed]:
    """The devices that whoever has that address can be woken on, the oldest first."""
    return [
        Pushed(
            device_id=row["device_id"],
            account_id=row["account_id"],
            subscription=subscription.read(sealer.open(row["subscription"], f"pushes {row['device_id']}")),
        )
        for row in rows.all("pushes_of_address", address=address.lower())
    ]


def account_of_address(rows: Rows, address: str) -> str:
    """The account of that address where one of its devices can be woken, else empty."""
    row = rows.one("push_account_of", address=address.lower())
    return row["account_id"] if row else ""


def devices_of(rows: Rows, account_id: str) -> set[str]:
    """The ids of the account's devices that can be woken."""
    return {row["device_id"] for row in rows.all("pushes_of", account_id=account_id)}


def remove(rows: Rows, device_id: str) -> None:
    rows.run("delete_push", device_id=device_id)
