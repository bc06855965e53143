"""Accounts in the store. Each function takes the rows of a transaction or of a read."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from mailgate.accounts.model import Account, Destination, Hide, Mode, NoticesBy
from mailgate.calls.model import Channel, Kind
from mailgate.offers.forwarding import Forwarding
from mailgate.store.database import Row, Rows
from mailgate.store.seal import Sealer

ALL = "all"
"""In the column `verified`, instead of a list of positions: each channel of the destination."""


def insert(rows: Rows, sealer: Sealer, account: Account) -> None:
    """Raises sqlite3.IntegrityError where an address belongs to an account already."""
    rows.run("insert_account", **_columns(sealer, account), created_at=account.created_at)
    _put_hours(rows, account)
    _insert_parts(rows, sealer, account)


def replace(rows: Rows, sealer: Sealer, account: Account) -> None:
    """Write the account anew; its identity and creation time stay."""
    rows.run("update_account", **_columns(sealer, account))
    _put_hours(rows, account)
    rows.run("delete_destinations", account_id=account.account_id)
    rows.run("delete_addresses", account_id=account.account_id)
    rows.run("delete_extensions", account_id=account.account_id)
    rows.run("delete_caller_ids", account_id=account.account_id)
    _insert_parts(rows, sealer, account)


def remove(rows: Rows, account_id: str) -> None:
    """The account goes; its offers stay, ended by whoever removes it."""
    rows.run("delete_destinations", account_id=account_id)
    rows.run("delete_addresses", account_id=account_id)
    rows.run("delete_extensions", account_id=account_id)
    rows.run("delete_caller_ids", account_id=account_id)
    rows.run("delete_book", account_id=account_id)
    rows.run("delete_chat_address", account_id=account_id)
    rows.run("delete_pushes", account_id=account_id)
    rows.run("delete_devices", account_id=account_id)
    rows.run("delete_told_by", account_id=account_id)
    rows.run("delete_api_keys", account_id=account_id)
    rows.run("delete_events", account_id=account_id)
    rows.run("delete_webhook", account_id=account_id)
    rows.run("delete_account", account_id=account_id)


def by_address(rows: Rows, sealer: Sealer, address: str) -> Account | None:
    """The account that writes from this address (compared in lower case)."""
    row = rows.one("account_by_address", address=address.lower())
    return None if row is None else _account(rows, sealer, row)


def by_id(rows: Rows, sealer: Sealer, account_id: str) -> Account | None:
    row = rows.one("account_by_id", account_id=account_id)
    return None if row is None else _account(rows, sealer, row)


def exists(rows: Rows, account_id: str) -> bool:
    """Whether there is such an account, without unsealing anything of it."""
    return rows.one("account_by_id", account_id=account_id) is not None


def by_extension(rows: Rows, sealer: Sealer, extension: str) -> Account | None:
    """Whom a call to this extension is for (compared in lower case)."""
    row = rows.one("account_by_extension", extension=extension.lower())
    return None if row is None else _account(rows, sealer, row)


def by_caller(rows: Rows, sealer: Sealer, channel: Channel) -> Account | None:
    """The one account that calls from there; None where there is none, or several share the telephone."""
    found = rows.all("accounts_by_caller", digest=sealer.digest(f"caller {channel.uri}"))
    return _account(rows, sealer, found[0]) if len(found) == 1 else None


def know_callers(rows: Rows, sealer: Sealer) -> None:
    """Note from which channels accounts call, where a store from before this was known has not."""
    for row in rows.all("accounts_without_caller_ids"):
        _insert_caller_ids(rows, sealer, _account(rows, sealer, row))


def set_do_not_disturb(rows: Rows, account_id: str, on: bool) -> None:
    """While it is on, nobody is put through to the account's destinations."""
    rows.run("set_do_not_disturb", account_id=account_id, on=int(on))


def do_not_disturb(rows: Rows, account_id: str) -> bool:
    return rows.one("do_not_disturb", account_id=account_id) is not None


def ringing(rows: Rows, sealer: Sealer, account_id: str, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Those of an offer's channels that may ring: which the account has verified. An offer of an account that was
    removed leads where it was agreed to. The owner's page rings for offers that were made before it did, too."""
    found = rows.all("destinations_of", account_id=account_id)  # an account has one at the least
    if not found:
        return channels
    every = [_destination(sealer, account_id, row) for row in found]
    own = every[0].channels
    page = next((c for c in own if c.kind is Kind.PAGE), None)
    if page is not None and page not in channels and set(channels) <= set(own):
        place = sum(c in channels for c in own[: own.index(page)])
        channels = (*channels[:place], page, *channels[place:])
    verified = frozenset().union(*(each.verified for each in every))
    return tuple(c for c in channels if c in verified)


def verify(rows: Rows, sealer: Sealer, account_id: str, channel: Channel) -> bool:
    """Let every destination of the account that leads to this channel ring there; False where none does."""
    found = False
    for row in rows.all("destinations_of", account_id=account_id):
        seen = _destination(sealer, account_id, row)
        if channel not in seen.channels:
            continue
        found = True
        positions = [n for n, c in enumerate(seen.channels) if c in seen.verified or c == channel]
        rows.run("verify_destination", account_id=account_id, name=seen.name, verified=json.dumps(positions))
    return found


def put_page(rows: Rows, sealer: Sealer, account_id: str) -> bool:
    """Let the owner's own page ring, before all else of the default destination; False where it does already, or there
    is no such account."""
    account, page = by_id(rows, sealer, account_id), Channel(Kind.PAGE, account_id)
    if account is None or page in account.destinations[0].channels:
        return False
    first, *others = account.destinations
    rings = dataclasses.replace(first, channels=(page, *first.channels), verified=first.verified | {page})
    replace(rows, sealer, dataclasses.replace(account, destinations=(rings, *others)))
    return True


def set_hours(rows: Rows, account_id: str, *, hours: str, time_zone: str, rings_first: bool) -> None:
    """When calls with the account may be booked, and whether its destination is rung first."""
    rows.run("set_hours", account_id=account_id, hours=hours, time_zone=time_zone, rings_first=int(rings_first))


def everyone(rows: Rows, sealer: Sealer) -> list[Account]:
    return [_account(rows, sealer, row) for row in rows.all("all_accounts")]


def recipient(rows: Rows, sealer: Sealer, account_id: str, address: str) -> tuple[bool, Channel | None]:
    """Of somebody who is written to: whether they asked for no more offers, and their entry in the address book."""
    folded = address.lower()
    row = rows.one("recipient", account_id=account_id, address=folded, digest=sealer.digest(f"mailto:{folded}"))
    assert row is not None  # it has no FROM
    return bool(row["suppressed"]), _opened(sealer, account_id, folded, row["channel"])


def knows_nobody(rows: Rows, account_id: str) -> bool:
    """Whether `recipient` has nothing to tell, whoever is asked for."""
    return rows.one("anybody_known", account_id=account_id) == {"known": 0}


def book(rows: Rows, sealer: Sealer, account_id: str) -> dict[str, Channel]:
    """The account's address book: how whom it writes to can be called, by address."""
    found = {}
    for row in rows.all("book_of", account_id=account_id):
        channel = _opened(sealer, account_id, row["address"], row["channel"])
        if channel is not None:
            found[row["address"]] = channel
    return found


def put_in_book(rows: Rows, sealer: Sealer, account_id: str, address: str, channel: Channel) -> None:
    """Add an entry, or change it."""
    folded = address.lower()
    sealed = sealer.seal(channel.uri, f"book {account_id} {folded}")
    rows.run("put_in_book", account_id=account_id, address=folded, channel=sealed)


def strike_from_book(rows: Rows, account_id: str, address: str) -> bool:
    """Remove an entry; False where there is none."""
    return rows.run("strike_from_book", account_id=account_id, address=address.lower()) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDue:
    """An account whose sender is to be told of an offer. `after`: UNIX seconds, 0 for the first one ever."""

    account_id: str
    after: float
    recipient: str


def notes_due(rows: Rows, *, first: bool) -> list[NoteDue]:
    """Those with an offer since their note was asked for; with `first`, also those that never had one."""
    return [NoteDue(**row) for row in rows.all("notes_due", first=first)]


def claim_note(rows: Rows, due: NoteDue) -> bool:
    """Mark it as sent; False where somebody else has."""
    return rows.run("claim_note", account_id=due.account_id, after=due.after) == 1


def put_note(rows: Rows, account_id: str, after: float) -> None:
    """Ask for a note on the first offer after that time."""
    rows.run("put_note", account_id=account_id, after=after)


def _put_hours(rows: Rows, account: Account) -> None:
    set_hours(
        rows, account.account_id, hours=account.hours, time_zone=account.time_zone, rings_first=account.rings_first
    )


def _opened(sealer: Sealer, account_id: str, address: str, sealed: bytes | None) -> Channel | None:
    return None if sealed is None else Channel.parse(sealer.open(sealed, f"book {account_id} {address}"))


def _columns(sealer: Sealer, account: Account) -> dict[str, object]:
    return {
        "account_id": account.account_id,
        "display_name": account.display_name,
        "mode": account.mode.value,
        "hide": account.hide.value,
        "language": account.language,
        "finds_language": int(account.finds_language),
        "cards": int(account.cards),
        "do_not_disturb": int(account.do_not_disturb),
        "forwarding": account.forwarding.value if account.forwarding else None,
        "pin_in_mail": account.pin_in_mail,
        "notices_by": account.notices_by.value,
        "extra_numbers": sealer.seal(json.dumps(account.extra_numbers), f"accounts {account.account_id}"),
    }


def _insert_parts(rows: Rows, sealer: Sealer, account: Account) -> None:
    for address in account.addresses:
        rows.run("insert_address", address=address.lower(), account_id=account.account_id)
    for extension in account.extensions:
        rows.run("insert_extension", extension=extension.lower(), account_id=account.account_id)
    _insert_caller_ids(rows, sealer, account)
    for position, destination in enumerate(account.destinations):
        rows.run(
            "insert_destination",
            account_id=account.account_id,
            name=destination.name,
            position=position,
            display_name=destination.display_name,
            channels=sealer.seal(
                json.dumps([c.uri for c in destination.channels]),
                f"destinations {account.account_id} {destination.name}",
            ),
            verified=json.dumps([n for n, c in enumerate(destination.channels) if c in destination.verified]),
            channel_hours=json.dumps([destination.hours_of(c) for c in destination.channels]),
        )


def _destination(sealer: Sealer, account_id: str, row: Row) -> Destination:
    sealed = sealer.open(row["channels"], f"destinations {account_id} {row['name']}")
    channels = tuple(map(Channel.parse, json.loads(sealed)))
    # All that an administrator had entered before there was this column was vouched for by him.
    positions = range(len(channels)) if row["verified"] == ALL else json.loads(row["verified"])
    return Destination(
        name=row["name"],
        display_name=row["display_name"],
        channels=channels,
        verified=frozenset(channels[n] for n in positions),
        hours=tuple((c, h) for c, h in zip(channels, json.loads(row["channel_hours"] or "[]"), strict=False) if h),
    )


def _insert_caller_ids(rows: Rows, sealer: Sealer, account: Account) -> None:
    own = (*account.destinations[0].channels, *(Channel(Kind.TEL, number) for number in account.extra_numbers))
    for channel in dict.fromkeys(own):
        rows.run("insert_caller_id", digest=sealer.digest(f"caller {channel.uri}"), account_id=account.account_id)


def _account(rows: Rows, sealer: Sealer, row: Row) -> Account:
    account_id = row["account_id"]
    return Account(
        account_id=account_id,
        display_name=row["display_name"],
        addresses=tuple(a["address"] for a in rows.all("addresses_of", account_id=account_id)),
        destinations=tuple(
            _destination(sealer, account_id, d) for d in rows.all("destinations_of", account_id=account_id)
        ),
        extra_numbers=tuple(json.loads(sealer.open(row["extra_numbers"], f"accounts {account_id}"))),
        mode=Mode(row["mode"]),
        hide=Hide(row["hide"]),
        language=row["language"],
        finds_language=bool(row["finds_language"]),
        cards=bool(row["cards"]),
        do_not_disturb=bool(row["do_not_disturb"]),
        forwarding=Forwarding(row["forwarding"]) if row["forwarding"] else None,
        pin_in_mail=None if row["pin_in_mail"] is None else bool(row["pin_in_mail"]),
        hours=row["hours"],
        time_zone=row["time_zone"],
        rings_first=bool(row["rings_first"]),
        extensions=tuple(e["extension"] for e in rows.all("extensions_of", account_id=account_id)),
        notices_by=NoticesBy(row["notices_by"]),
        created_at=row["created_at"],
    )
