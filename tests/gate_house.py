"""The gate with its real mail room and store, and letters for it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

from mailgate import gate as wiring
from mailgate.accounts.model import Account, Destination
from mailgate.books import OwnBooks
from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.config import Config, Gateway
from mailgate.errors import CallFailed
from mailgate.mail import MailRoom
from mailgate.metrics import Metrics
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from smtp_hooks.envelope import Client, Envelope, Recipient
from smtp_hooks.pipeline import Changed, Coupon, Decision, Gate, Verdict
from tokens.keys import Key, KeyRing

RING = KeyRing((Key("k", bytes(32)),))
CONFIG = Config(gateway=Gateway(name="A", public_url="https://call.example.org", number="+33199000000", region="FR"))
ADA = Account(
    account_id="ada",
    display_name="Ada Lovelace",
    addresses=("ada@example.org",),
    destinations=(
        Destination(name="default", display_name="Ada Lovelace", channels=(Channel(Kind.TEL, "+33199001234"),)),
        Destination(name="support", display_name="The workshop", channels=(Channel(Kind.SIP, "workshop"),)),
    ),
)
BOB = replace(ADA, account_id="bob", display_name="Bob", addresses=("bob@example.org",))
BEN, CARLA = "ben@example.net", "carla@example.net"
DAY_S = 86400.0


class NoCalls:
    async def originate(self, order: CallOrder) -> None:
        raise CallFailed("nobody is called here")

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        return False

    async def settle(self, attempt_ids: object) -> dict[str, CallEvent | None]:
        return {}


class House:
    """A gate and everything behind it, but the calls."""

    def __init__(self, folder: Path, config: Config = CONFIG) -> None:
        create(folder / "store.db")
        self.store = Store(folder / "store.db")
        self.sealer = Sealer(RING)
        self.heard: list[Decision] = []
        self.metrics = Metrics()

        async def prepare(offer: Offer) -> CallOrder:
            raise CallFailed("nobody is called here")

        self.offers = Offers(
            store=self.store,
            sealer=self.sealer,
            ring=RING,
            rules=wiring.offer_rules(config),
            own_number=config.gateway.number,
            calls=NoCalls(),
            prepare=prepare,
            now=time.time,
            new_id=wiring.new_id,
        )
        self.books = OwnBooks(self.offers, store=self.store, sealer=self.sealer, ring=RING, now=time.time)
        self.room: MailRoom = wiring.mail_room(config, books=self.books, ring=RING, metrics=self.metrics, now=time.time)
        self.room.told = self.heard.append
        self.gate = Gate(self.room)
        for account in (ADA, BOB):
            self.put(account)

    def put(self, account: Account) -> None:
        known = self.store.read(lambda rows: accounts.by_id(rows, self.sealer, account.account_id))
        work = accounts.replace if known else accounts.insert
        self.store.transact_now(lambda rows: work(rows, self.sealer, account))
        self.books.forget()

    def configure(self, **policy: object) -> None:
        config = CONFIG.model_copy(update={"policy": CONFIG.policy.model_copy(update=policy)})
        self.room.facts = wiring.facts(config, RING)

    async def judge(self, message: bytes, *to: str, sender: str = "ada@example.org") -> Verdict:
        recipients = tuple(Recipient(address=address) for address in to or (BEN,))
        envelope = Envelope(reverse_path=sender, recipients=recipients, client=Client(trusted=True))
        return await self.gate.judge(envelope, message, eight_bit=True)

    async def offered(self, message: bytes, *to: str, sender: str = "ada@example.org") -> tuple[bytes, Offer]:
        """The message with an offer, and that offer as the store has it."""
        verdict = await self.judge(message, *to, sender=sender)
        assert isinstance(verdict, Changed) and verdict.coupon is not None, self.heard[-1]
        coupon: Coupon = verdict.coupon
        found = self.store.read(lambda rows: rows_of.by_id(rows, self.sealer, coupon.offer_id))
        assert found is not None
        return verdict.message, found

    @property
    def said(self) -> tuple[str, str]:
        return self.heard[-1].name, self.heard[-1].reason

    @property
    def stored(self) -> int:
        return len(self.store.read(lambda rows: rows.all("recent_offers", account_id=None, state=None, most=99)))


def letter(*fields: str, subject: str = "Drawings", body: str = "Hello.\r\n", to: str = f"Ben <{BEN}>") -> bytes:
    head = ("From: ada@example.org", f"To: {to}", f"Subject: {subject}", *fields)
    return (
        "\r\n".join((*head, "Date: Fri, 20 Nov 2026 10:00:00 +0000", "Message-ID: <1@x>")) + "\r\n\r\n" + body
    ).encode()


def link_in(message: bytes) -> str:
    (link,) = set(re.findall(rb"https://call\.example\.org/a/[A-Za-z0-9_-]{36}", message))
    return str(link.decode())
