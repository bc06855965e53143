"""The gate, tried out: what it would make of a message, while nothing is sent and no offer is kept.

A message, and who would send it to whom → the decision and the message that would go on. Gate, policy and surgery are
the server's own. Offers go to a scratch store that vanishes at the end; tokens are minted with a scratch key, so that
no link in the result ever works. Accounts come from the real store, which is only read.

Without a configuration an example serves: `ada@example.org` with a number that nobody has, and
`https://call.example.org/`.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mailgate import gate
from mailgate.accounts.model import Account, Destination
from mailgate.books import OwnBooks
from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.config import Config, Gateway
from mailgate.errors import CallFailed
from mailgate.keyfiles import load_ring
from mailgate.metrics import Metrics
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers
from mailgate.store import accounts, database
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from smtp_hooks import header, policy
from smtp_hooks.envelope import Client, Envelope, Recipient
from smtp_hooks.pipeline import Changed, Decision, Gate, Refused, Untouched
from smtp_hooks.policy import Invite
from tokens import keys
from tokens.keys import KeyRing

SENDER, RECIPIENT = "ada@example.org", "ben@example.net"

# Numbers in the range that is kept for fiction (+33 1 99 00, Arcep decision 2018-0881).
EXAMPLE = Config(
    gateway=Gateway(name="Example", public_url="https://call.example.org/", number="+33199000000", region="FR")
)
EXAMPLE_ACCOUNT = Account(
    account_id="example",
    display_name="Ada Lovelace",
    addresses=(SENDER,),
    destinations=(
        Destination(name="default", display_name="Ada Lovelace", channels=(Channel(Kind.TEL, "+33199001234"),)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What would become of a message. `message` is what would go on; None where it would be refused with `reply`."""

    decision: Decision
    message: bytes | None
    reply: str = ""
    sender: str = ""
    recipient: str = ""


class _NoCalls:
    """Nobody is called from here."""

    async def originate(self, order: CallOrder) -> None:
        raise CallFailed("a trial calls nobody")

    async def hang_up(self, attempt_id: str) -> bool:
        return False

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return dict.fromkeys(attempt_ids)


class Trial:
    """A gate of one configuration; see `trial`."""

    def __init__(self, gate: Gate, heard: list[Decision], *, url: str, example: bool) -> None:
        self._gate = gate
        self._heard = heard
        self._example = example
        self.url = url

    async def judge(self, message: bytes, *, sender: str = "", recipient: str = "") -> Tried:
        """`sender` and `recipient` are addresses; by default those in From (the example's account, where there is no
        configuration) and To."""
        sender = sender or (SENDER if self._example else next(iter(header.addresses(message, "from")), ""))
        recipient = recipient or next(iter(header.addresses(message, "to")), RECIPIENT)
        envelope = Envelope(
            reverse_path=sender, recipients=(Recipient(address=recipient),), client=Client(trusted=True)
        )
        verdict = await self._gate.judge(envelope, message, eight_bit=True)
        decision = self._heard.pop()
        match verdict:
            case Untouched():
                return Tried(decision=decision, message=message, sender=sender, recipient=recipient)
            case Changed(message=changed):
                return Tried(decision=decision, message=changed, sender=sender, recipient=recipient)
            case Refused(reply=reply):
                return Tried(decision=decision, message=None, reply=str(reply), sender=sender, recipient=recipient)


@contextlib.contextmanager
def trial(config: Config | None, *, surgery_only: bool = False) -> Iterator[Trial]:
    """A gate to try messages on. `surgery_only`: change what can be changed safely, whatever the policy says.

    Raises ConfigError, StoreError.
    """
    heard: list[Decision] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailgate-")))
        scratch = _open(stack, folder / "scratch.db", new=True)
        scratch_ring = keys.added(None, "scratch", secrets.token_bytes(keys.SECRET_OCTETS))
        if config is None:
            store, ring, sealer = scratch, scratch_ring, Sealer(scratch_ring)
            store.transact_now(lambda rows: accounts.insert(rows, sealer, EXAMPLE_ACCOUNT))
        else:
            ring, sealer = load_ring(config.keys.token_file), Sealer(load_ring(config.keys.number_file))
            store = _open(stack, config.store.path, new=False)
        used = config or EXAMPLE
        offers = _offers(used, scratch, sealer, scratch_ring)
        books = OwnBooks(offers, store=store, sealer=sealer, ring=ring, now=time.time)
        room = gate.mail_room(used, books=books, ring=ring, metrics=Metrics(), now=time.time, minting=scratch_ring)
        room.told = heard.append
        if surgery_only:
            room.facts = replace(room.facts, shadow=False, once_in_thread=False)
        judge = Gate(room, decide=_everybody if surgery_only else policy.decide, on_fault=used.smtp.on_fault)
        yield Trial(judge, heard, url=used.gateway.public_url + "/", example=config is None)


def as_sent(stored: bytes) -> bytes:
    """A stored message as it is on the wire: CRLF everywhere, also at the end."""
    sent = re.sub(rb"(?<!\r)\n", b"\r\n", stored)
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def _everybody(envelope: Envelope, *_: object) -> policy.Decision:
    return Invite(envelope.recipients)


def _open(stack: contextlib.ExitStack, path: Path, *, new: bool) -> Store:
    if new:
        database.create(path)
    store = Store(path)
    stack.callback(store.close)
    return store


def _offers(config: Config, store: Store, sealer: Sealer, ring: KeyRing) -> Offers:
    async def prepare(offer: Offer) -> CallOrder:
        raise CallFailed("a trial calls nobody")

    return Offers(
        store=store,
        sealer=sealer,
        ring=ring,
        rules=gate.offer_rules(config),
        own_number=config.gateway.number,
        calls=_NoCalls(),
        prepare=prepare,
        now=time.time,
        new_id=lambda: uuid.uuid4().hex,
    )
