"""A gateway on a real Prosody: store, offers and chats as serve builds them, with a recorder for Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from lab.prosody import Prosody

from mailgate.accounts.model import Account, Destination
from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.networks import chat
from mailgate.networks.chat import ChatSettings
from mailgate.networks.xmpp import XmppNetwork
from mailgate.networks.xmpp_settings import StreamSettings, XmppSettings
from mailgate.offers.booking import Bookings
from mailgate.offers.chats import Chats
from mailgate.offers.heard import ChatRules
from mailgate.offers.issue import Rules
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.notice import Notice
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.reach import Reach
from mailgate.offers.service import Offers
from mailgate.offers.slots import Rules as SlotRules
from mailgate.store import accounts, chats
from mailgate.store import offers as rows_of
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys

RING = keys.KeyRing((keys.Key("k1", bytes(32)),))
SEALER = Sealer(RING)
ADA = Channel(Kind.TEL, "+33199001234")
BEN_PHONE = Channel(Kind.TEL, "+33199000002")
BEN = "ben@example.net"
URL = "https://call.example.org"
ACCOUNTS = {"ben@example.net": "ben's", "eve@example.net": "eve's", "calls@example.net": "calls'"}


@dataclass
class Recorder:
    """Takes orders and remembers them."""

    orders: list[CallOrder] = field(default_factory=list)

    async def originate(self, order: CallOrder) -> None:
        self.orders.append(order)

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        return True

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return dict.fromkeys(attempt_ids)


def account(address: str, name: str, channel: Channel, account_id: str, zone: str = "UTC") -> Account:
    return Account(
        account_id=account_id,
        display_name=name,
        addresses=(address,),
        destinations=(
            Destination(name="default", display_name=name, channels=(channel,), verified=frozenset({channel})),
        ),
        time_zone=zone,
        created_at=1.0,
    )


class Side:
    """The gateway's side of the chats, without a network. `clock[0]` is added to the time."""

    def __init__(self, folder: Path, *, with_times: bool = True) -> None:
        self.path = folder / "store.db"
        if not self.path.exists():
            create(self.path)
        self.store = Store(self.path)
        self.calls = Recorder()
        self.clock = [0.0]
        self._ids = count(int(time.time() * 1000) % 10**9)
        self.offers = Offers(
            store=self.store,
            sealer=SEALER,
            ring=RING,
            rules=Rules(valid_s=6 * 86400.0, attempts=3),
            own_number="+33199000000",
            calls=self.calls,
            prepare=self._order,
            now=self.now,
            new_id=lambda: f"{next(self._ids):032x}",
        )
        hours = SlotRules(hours="Mon-Sun 0-24", zone="UTC")
        bookings = Bookings(
            self.offers, store=self.store, sealer=SEALER, rules=hours, own_number="+33199000000", now=self.now
        )
        rules = DiallingRules(region="FR", countries=frozenset(), denied=(), sip_users=None, sip_domains=frozenset())
        self.away: set[Channel] = set()
        self.chats = Chats(
            self.offers,
            own_order=OwnOrder(
                self.offers, Reach(self.store, SEALER), self._available, own_number="+33199000000", now=self.now
            ),
            store=self.store,
            sealer=SEALER,
            ring=RING,
            bookings=bookings if with_times else None,
            dial=lambda typed, region: may_dial(typed, region, rules),
            texts=chat.texts(),
            words=chat.known_words(),
            rules=ChatRules(public_url=URL, region="FR", zone="UTC"),
            now=self.now,
        )

    def now(self) -> float:
        return time.time() + self.clock[0]

    async def _available(self, channel: Channel) -> bool:
        return channel not in self.away

    async def _order(self, offer: Offer) -> CallOrder:
        assert offer.attempt is not None
        return CallOrder(attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0])

    def known(self, party: Account, jid: str = "") -> None:
        """An account, and where it is reached."""

        def work(rows: object) -> None:
            accounts.insert(rows, SEALER, party)  # type: ignore[arg-type]
            if jid:
                chats.set_address(rows, party.account_id, f"xmpp:{jid}")  # type: ignore[arg-type]

        self.store.transact_now(work)

    def jid_of(self, address: str) -> str:
        return self.store.read(lambda rows: chats.address_of(rows, address)).removeprefix("xmpp:")

    def everyone(self) -> list[str]:
        return [each.removeprefix("xmpp:") for each in self.store.read(chats.addresses)]

    async def offer(self, name: str = "Ada Lovelace", language: str = "en", address: str = BEN) -> tuple[str, Notice]:
        """A new offer to Ben, and the notice that carries it."""
        [opened] = await self.offers.open(
            [
                Terms(
                    account_id="ada",
                    offeror_name=name,
                    destination_name=name,
                    destination=(ADA,),
                    offeree_address=address,
                    language=language,
                )
            ]
        )
        now = self.now()
        notice = Notice(
            notice_id=f"call.{opened.offer_id}",
            kind=NoticeKind.MISSED_CALL,
            address=address,
            language=language,
            created_at=now,
            expires_at=now + 3600,
            values={"offeror": name, "why": "busy", "token": opened.token, "reply_to": "", "on_line": ""},
        )
        return opened.offer_id, notice

    def stored(self, offer_id: str) -> Offer:
        found = self.store.read(lambda rows: rows_of.by_id(rows, SEALER, offer_id))
        assert found is not None
        return found

    async def close(self) -> None:
        await self.offers.close()
        self.store.close()


@contextlib.asynccontextmanager
async def on_network(
    side: Side, prosody: Prosody, *, client: bool = False, receipt_s: float = 5.0
) -> AsyncIterator[XmppNetwork]:
    """The side with a running XmppNetwork, connected."""
    stream = StreamSettings(
        jid=f"calls@{prosody.component}",
        secret=prosody.secret,
        component=True,
        host="127.0.0.1",
        port=prosody.component_port,
    )
    if client:
        stream = replace(
            stream,
            jid="calls@example.net",
            secret=ACCOUNTS["calls@example.net"],
            component=False,
            port=prosody.client_port,
            ca_file=prosody.ca_file,
        )
    settings = XmppSettings(
        stream=stream,
        chat=ChatSettings(organisation="Analytical Engines", public_url=URL),
        receipt_s=receipt_s,
    )
    network = XmppNetwork(settings, side.chats, jid_of=side.jid_of, everyone=side.everyone, now=side.now)
    running = asyncio.create_task(network.run())
    try:
        yield network
    finally:
        running.cancel()
        await asyncio.wait({running})


async def until(there: object, timeout_s: float = 15.0) -> None:
    """Returns once `there()` is true."""
    async with asyncio.timeout(timeout_s):
        while not there():  # type: ignore[operator]
            await asyncio.sleep(0.02)
