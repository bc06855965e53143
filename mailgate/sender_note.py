"""A note to a sender that a message went out with an offer: after the first one, and whenever it is asked for.

Store → accounts whose note is due → one message each, handed to the next hop. The note comes from the null reverse-path
and says that a program wrote it, so that nothing answers it; it bears no number and no link. It is marked as sent
before it is handed over, and as due again where the next hop does not take it: a note may be lost with the process, but
nobody is told twice.

Standards: RFC 3834 (Auto-Submitted), RFC 5322.
"""

from __future__ import annotations

import email.policy
import logging
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from importlib.resources import files

from mailgate.accounts.model import Account
from mailgate.store import accounts
from mailgate.store.accounts import NoteDue
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from smtp_hooks.block import clean_name
from smtp_hooks.envelope import Envelope, Recipient
from smtp_hooks.errors import Refused
from smtp_hooks.transaction import NextHop

log = logging.getLogger(__name__)

EVERY_S = 5.0
_TEXTS = tomllib.loads(files("templates").joinpath("mail", "note.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSettings:
    """`organisation` runs the gateway, `from_address` stands in From. `first`: also after an account's first offer."""

    organisation: str
    from_address: str
    first: bool


def compose(account: Account, recipient: str, settings: NoteSettings, *, now: float, unique: str) -> bytes:
    """The note with CRLF, in the account's language. `recipient` got the offer; `unique`: for the Message-ID."""
    words = _TEXTS.get(account.language) or _TEXTS["en"]
    name = clean_name(settings.organisation)
    note = EmailMessage(policy=email.policy.SMTP)
    note["From"] = Address(name, addr_spec=settings.from_address)
    note["To"] = Address(clean_name(account.display_name), addr_spec=account.addresses[0])
    note["Subject"] = words["subject"]
    note["Date"] = datetime.fromtimestamp(now, UTC)
    note["Message-ID"] = f"<{unique}@{settings.from_address.rpartition('@')[2]}>"
    note["Auto-Submitted"] = "auto-generated"
    note.set_content(words["body"].strip("\n").format(name=name, recipient=recipient) + "\n", cte="quoted-printable")
    return note.as_bytes()


async def send_due(
    store: Store,
    sealer: Sealer,
    hand_over: Callable[[str, bytes], Awaitable[bool]],
    settings: NoteSettings,
    *,
    now: Callable[[], float],
    new_id: Callable[[], str],
) -> int:
    """Send every note that is due; how many went out. `hand_over(address, message)` says whether it was taken."""
    sent = 0
    for due in store.read(lambda rows: accounts.notes_due(rows, first=settings.first)):
        sent += await _send(store, sealer, hand_over, settings, due, now(), new_id())
    return sent


async def _send(
    store: Store,
    sealer: Sealer,
    hand_over: Callable[[str, bytes], Awaitable[bool]],
    settings: NoteSettings,
    due: NoteDue,
    now: float,
    unique: str,
) -> bool:
    account = store.read(lambda rows: accounts.by_id(rows, sealer, due.account_id))
    if account is None or not await store.transact(lambda rows: accounts.claim_note(rows, due)):
        return False
    taken = False
    try:
        taken = await hand_over(account.addresses[0], compose(account, due.recipient, settings, now=now, unique=unique))
    except Exception:
        log.exception("a note to a sender could not be sent")
    if not taken:
        await store.transact(lambda rows: accounts.put_note(rows, due.account_id, due.after))
    log.info("note to a sender", extra={"action": "sender-note", "taken": taken})
    return taken


def through(next_hop: NextHop, sign: Callable[[bytes], bytes]) -> Callable[[str, bytes], Awaitable[bool]]:
    """Signs a note and hands it to the next hop, from the null reverse-path."""

    async def hand_over(address: str, message: bytes) -> bool:
        try:
            transaction = await next_hop.begin(Envelope(reverse_path="", recipients=()))
            try:
                reply = await transaction.rcpt(Recipient(address=address))
                return reply.accepted and (await transaction.data(sign(message))).accepted
            finally:
                await transaction.abort()
        except Refused as refused:
            log.warning("the next hop takes no note to a sender: %s", refused)
            return False

    return hand_over
