"""A gate with all that is behind it: store, offers, account, keys. Time, ids and keys are given, so that two of them
change the same message into the same octets."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mailgate.accounts.model import Account, Destination, Hide
from mailgate.books import OwnBooks
from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.mail import MailRoom, MailSettings
from mailgate.metrics import Metrics
from mailgate.offers.issue import Issuer, Rules
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers
from mailgate.store import accounts
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from smtp_hooks.dkim import Signer
from smtp_hooks.dkim_keys import dns_record, generate, load
from smtp_hooks.pipeline import Gate
from smtp_hooks.policy import Facts
from tokens.keys import added

NOW = 1_795_000_000.0
NUMBER = "+33199001234"
PEM = generate()
_KEYS = added(None, "test", b"k" * 32)


class NoCalls:
    """Nobody accepts here."""

    async def originate(self, order: CallOrder) -> None:
        raise AssertionError("a message placed a call")

    async def hang_up(self, attempt_id: str) -> bool:
        raise AssertionError("a message ended a call")

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return {}


async def _no_order(offer: Offer) -> CallOrder:
    raise AssertionError("a message asked for a call")


@dataclass
class Room:
    store: Store
    room: MailRoom
    gate: Gate

    def offers(self) -> int:
        """How many offers are stored."""
        with contextlib.closing(sqlite3.connect(self.store.path)) as connection:
            return int(connection.execute("select count(*) from offers").fetchone()[0])

    def messages(self) -> dict[tuple[str, str], float]:
        """Decision and reason → how often."""
        samples = [s for metric in self.room.metrics.messages.collect() for s in metric.samples]
        return {(s.labels["decision"], s.labels["reason"]): s.value for s in samples if s.name.endswith("_total")}


async def make(folder: Path, *, hide: Hide = Hide.BEST_EFFORT, icon: bool = True) -> Room:
    """A room in that folder, which is there. Ada is the account, by the address ada@example.org."""
    path = folder / "store.db"
    create(path)
    store, sealer = Store(path), Sealer(_KEYS)
    ada = Account(
        account_id="ada",
        display_name="Ada Lovelace",
        addresses=("ada@example.org",),
        destinations=(Destination(name="self", display_name="Ada", channels=(Channel(Kind.TEL, NUMBER),)),),
        hide=hide,
    )
    await store.transact(lambda rows: accounts.insert(rows, sealer, ada))
    ids = itertools.count(1)
    offers = Offers(
        store=store,
        sealer=sealer,
        ring=_KEYS,
        rules=Rules(),
        own_number="+33199000000",
        calls=NoCalls(),
        prepare=_no_order,
        now=lambda: NOW,
        new_id=lambda: f"{next(ids):032x}",
    )

    def account_of(address: str) -> Account | None:
        return store.read(lambda rows: accounts.by_address(rows, sealer, address))

    room = MailRoom(
        settings=MailSettings(public_url="https://call.example.org", icon="inline" if icon else "none"),
        facts=Facts(
            trace_keys=tuple(key.derive("trace") for key in _KEYS.newest_first()),
            own_domains=frozenset({"example.org"}),
        ),
        books=OwnBooks(offers, store=store, sealer=sealer, ring=_KEYS, now=lambda: NOW),
        issuer=Issuer(ring=_KEYS, rules=Rules(), now=lambda: NOW, new_id=lambda: f"{next(ids):032x}"),
        signer=Signer([load("example.org", "s", PEM)]),
        metrics=Metrics(),
        now=lambda: NOW,
    )
    return Room(store, room, Gate(room))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    """The DNS as dkimpy asks it."""
    return dns_record(PEM).encode() if name == b"s._domainkey.example.org." else None
