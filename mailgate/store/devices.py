"""Devices that listen, and by which networks an account is told, in the store.

A device that connects to the gateway is known by a keyed digest of its key. Of one that the gateway connects to the
key is kept too, sealed: both sides prove that they have it (mailgate.listen.proof). Each function takes the rows of a
transaction or of a read.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mailgate.accounts.device import Device
from mailgate.offers.offer import Offer
from mailgate.offers.ways import DEFAULT, Way, parse, written
from mailgate.store import offers as rows_of
from mailgate.store.database import Row, Rows
from mailgate.store.seal import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours of do-not-disturb as mailgate.offers.hours reads them; empty: none."""

    hours: str = ""
    zone: str = ""


class KeyTaken(Exception):
    """Another device has that key."""


def insert(rows: Rows, sealer: Sealer, device: Device, key: str) -> None:
    """Raises KeyTaken."""
    try:
        rows.run(
            "insert_device",
            device_id=device.device_id,
            account_id=device.account_id,
            name=device.name,
            digest=_digest(sealer, key),
            created_at=device.created_at,
            url=device.url,
            key=sealer.seal(key, f"devices {device.device_id}") if device.url else None,
        )
    except sqlite3.IntegrityError as error:
        raise KeyTaken from error


def by_key(rows: Rows, sealer: Sealer, key: str) -> Device | None:
    row = rows.one("device_by_digest", digest=_digest(sealer, key))
    return None if row is None else _device(sealer, row)


def of_account(rows: Rows, sealer: Sealer, account_id: str) -> list[Device]:
    """The oldest first."""
    return [_device(sealer, row) for row in rows.all("devices_of", account_id=account_id)]


def to_call(rows: Rows, sealer: Sealer) -> list[Device]:
    """Those that opened a socket for themselves, which the gateway connects to."""
    return [_device(sealer, row) for row in rows.all("devices_to_call")]


def all_ids(rows: Rows) -> set[str]:
    return {row["device_id"] for row in rows.all("device_ids")}


def seen(rows: Rows, device_id: str, at: float) -> None:
    rows.run("device_seen", device_id=device_id, at=at)


def remove(rows: Rows, account_id: str, device_id: str) -> bool:
    """False where the account has no such device."""
    if rows.one("device_of", account_id=account_id, device_id=device_id) is None:
        return False
    rows.run("delete_push", device_id=device_id)
    return rows.run("delete_device", account_id=account_id, device_id=device_id) == 1


def put_networks(rows: Rows, account_id: str, order: tuple[Way, ...]) -> None:
    rows.run("put_networks", account_id=account_id, networks=written(order))


def networks_of(rows: Rows, address: str) -> tuple[Way, ...]:
    """By which networks whoever has that address is told, the preferred one first."""
    row = rows.one("networks_of_address", address=address.lower())
    return parse(row["networks"]) if row and row["networks"] else DEFAULT


def put_quiet(rows: Rows, account_id: str, quiet: Quiet) -> None:
    rows.run("put_quiet_hours", account_id=account_id, hours=quiet.hours, zone=quiet.zone)


def quiet_of(rows: Rows, account_id: str) -> Quiet:
    row = rows.one("told_by", account_id=account_id)
    return Quiet(hours=row["quiet_hours"], zone=row["quiet_zone"]) if row else Quiet()


def waiting_offers(rows: Rows, sealer: Sealer, address: str, now: float, most: int) -> list[Offer]:
    """Offers to that address that may still be taken up, the newest first."""
    return [
        rows_of.from_row(rows, sealer, row)
        for row in rows.all("offers_waiting_for", address=address.lower(), now=now, most=most)
    ]


def went_by(rows: Rows, notice_id: str, way: str) -> None:
    """Note by which network a notice went."""
    rows.run("set_way", notice_id=notice_id, way=way)


def became_of(rows: Rows, notice_id: str) -> tuple[str, str]:
    """A notice's state (`waiting`, `sent`, `failed`, empty where it is gone) and the network that it went by."""
    row = rows.one("notice_state", notice_id=notice_id)
    return (row["state"], row["way"]) if row else ("", "")


def _digest(sealer: Sealer, key: str) -> bytes:
    return sealer.digest(f"device {key}")


def _device(sealer: Sealer, row: Row) -> Device:
    return Device(
        device_id=row["device_id"],
        account_id=row["account_id"],
        name=row["name"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        url=row["url"],
        key=sealer.open(row["key"], f"devices {row['device_id']}") if row["key"] else "",
    )
