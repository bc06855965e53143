"""Instant messages in the store: where accounts are reached, which offers went there, and what was asked back.

Each function takes the rows of a transaction or of a read. An address is a network's own, as a URI:
`xmpp:ada@example.org`. Whom an offer went to is kept as a keyed digest.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.store.database import Rows
from mailgate.store.seal import Sealer

KEPT_S = 100 * 86400.0
"""Longer than any offer lives."""
_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """An offer that went to somebody at `at`; `asked`: what they were asked back at `asked_at`, "" where nothing."""

    offer_id: str
    thread: str
    at: float
    asked: str
    asked_at: float


def set_address(rows: Rows, account_id: str, address: str) -> None:
    """Reach the account there; "" for nowhere. Raises sqlite3.IntegrityError where another account has that address."""
    if address:
        rows.run("put_chat_address", account_id=account_id, address=address)
    else:
        rows.run("delete_chat_address", account_id=account_id)


def address_of(rows: Rows, mail: str) -> str:
    """Where the account with that mail address is reached; "" where nowhere."""
    row = rows.one("chat_address_of", mail=mail.lower())
    return row["address"] if row else ""


def addresses(rows: Rows) -> list[str]:
    """Where accounts are reached, all of them."""
    return [row["address"] for row in rows.all("chat_addresses")]


def mail_addresses(rows: Rows) -> list[str]:
    """The mail addresses of all accounts."""
    return [row["address"] for row in rows.all("all_addresses")]


def put(rows: Rows, sealer: Sealer, *, offer_id: str, reader: str, thread: str, at: float) -> None:
    """Note that the offer goes to that reader; a second time changes thread and time."""
    rows.run("put_chat", offer_id=offer_id, reader=_digest(sealer, reader), thread=thread, at=at)
    rows.run("purge_chats", before=at - KEPT_S)


def of_reader(rows: Rows, sealer: Sealer, reader: str, *, now: float) -> list[Chat]:
    """What went to that reader, the latest first."""
    found = rows.all("chats_of", reader=_digest(sealer, reader), since=now - KEPT_S, most=_MOST)
    return [Chat(**row) for row in found]


def ask(rows: Rows, sealer: Sealer, *, offer_id: str, reader: str, asked: str, at: float) -> None:
    """Note what the reader was asked back; "" where nothing is any more."""
    rows.run("ask_in_chat", offer_id=offer_id, reader=_digest(sealer, reader), asked=asked, at=at)


def _digest(sealer: Sealer, reader: str) -> bytes:
    return sealer.digest(f"chat {reader}")
