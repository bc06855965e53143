"""A gateway's web side on loopback: real store, offers and uvicorn; in Asterisk's place a recorder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

import httpx
from fastapi import FastAPI

from mailgate.accounts.model import Account, Destination
from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.model import (
    Answered,
    Bridged,
    CallEvent,
    CallOrder,
    Channel,
    Confirmed,
    Ended,
    Kind,
    Outcome,
    Ringing,
)
from mailgate.offers.api_keys import ApiKeys
from mailgate.offers.notice import Notice
from mailgate.offers.offer import Terms
from mailgate.offers.own import Own
from mailgate.offers.service import Offers
from mailgate.offers.slots import Rules as SlotRules
from mailgate.store import accounts, database, outbox
from mailgate.store import offers as rows_of
from mailgate.store.seal import Sealer
from mailgate.web.server import WebServer
from mailgate.web.settings import WebSettings
from tokens.keys import KeyRing, added

ADA = "+33199001234"
BEN = "+33199005678"
EVE = "+33199009999"
GATEWAY = "+33199000001"


@dataclass
class Recorder:
    """Stands where Asterisk does, and keeps what it was told; `answer` is raised by originate where it is set."""

    orders: list[CallOrder] = field(default_factory=list)
    ordered: asyncio.Condition = field(default_factory=asyncio.Condition)
    hung_up: list[str] = field(default_factory=list)
    answer: Exception | None = None
    gone: set[Channel] = field(default_factory=set)

    async def available(self, channel: Channel) -> bool:
        return channel not in self.gone

    async def originate(self, order: CallOrder) -> None:
        async with self.ordered:
            self.orders.append(order)
            self.ordered.notify_all()
        if self.answer is not None:
            raise self.answer

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        self.hung_up.append(attempt_id)
        return True

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return dict.fromkeys(attempt_ids)


@dataclass
class Clock:
    """A clock that a test can move."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Gateway:
    """One web side with its offers."""

    settings: WebSettings
    store: database.Store
    sealer: Sealer
    offers: Offers
    own: Own
    keys: ApiKeys
    calls: Recorder
    clock: Clock
    app: FastAPI
    server: WebServer
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def open(self, **terms: object) -> str:
        """A new offer's token."""
        usual = Terms(
            account_id="a",
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(Channel(Kind.TEL, ADA),),
            offeree_address="ben@example.net",
        )
        [opened] = await self.offers.open([replace(usual, **terms)])  # type: ignore[arg-type]
        return opened.token

    def account(self, **changes: object) -> Account:
        """Ada's account, from which the offers come."""
        made = Account(
            account_id="a",
            display_name="Ada Lovelace",
            addresses=("ada@example.org",),
            destinations=(
                Destination(name="default", display_name="Ada Lovelace", channels=(Channel(Kind.TEL, ADA),)),
                Destination(name="support", display_name="Support", channels=(Channel(Kind.TEL, EVE),)),
            ),
        )
        account = replace(made, **changes)  # type: ignore[arg-type]
        if "destinations" not in changes:
            account = replace(
                account, destinations=tuple(replace(d, verified=frozenset(d.channels)) for d in account.destinations)
            )
        self.store.transact_now(lambda rows: accounts.insert(rows, self.sealer, account))
        return account

    async def answer(self, token: str, what: str, **typed: str) -> httpx.Response:
        """What a person sends by one of the quiet forms: `decline`, `reply`, `never` or `never/code`."""
        page = (await self.client.get(f"/a/{token}/never" if what.startswith("never") else f"/a/{token}")).text
        fields = {"nonce": nonce_of(page, f"/{what.removesuffix('/code')}"), "subject": "", **typed}
        return await self.client.post(f"/a/{token}/{what}", data=fields, headers={"Accept-Language": "en"})

    async def fields(self, token: str, **typed: str) -> dict[str, str]:
        """What a person sends: the nonce of the page as served, and what is typed."""
        page = (await self.client.get(f"/a/{token}")).text
        return {"nonce": nonce_of(page, "/call"), "subject": "", "region": "FR", "number": "01 99 00 56 78", **typed}

    async def press(self, token: str, **typed: str) -> httpx.Response:
        return await self.client.post(f"/a/{token}/call", data=await self.fields(token, **typed))

    async def placed(self, count: int = 1) -> str:
        """The newest attempt's id, once Asterisk has been told of `count` of them."""
        async with asyncio.timeout(5), self.calls.ordered:
            await self.calls.ordered.wait_for(lambda: len(self.calls.orders) >= count)
        return self.calls.orders[-1].attempt_id

    async def ends(self, token: str, outcome: Outcome, bridged_s: float = 0.0) -> None:
        """A call is asked for, and ends in this way."""
        attempt_id = await self.accepted(token)
        if outcome is Outcome.COMPLETED:
            await self.offers.on_call_event(Bridged(attempt_id=attempt_id, bridged_at=self.clock()))
        await self.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=outcome, bridged_s=bridged_s))

    async def accepted(self, token: str) -> str:
        """The attempt's id of a call that begins."""
        before = len(self.calls.orders)
        await self.offers.accept(token, Channel(Kind.TEL, BEN))
        return await self.placed(before + 1)

    def attempts(self, token: str) -> int:
        offer_id = self.offers.offer_id_of(token)
        return len(self.store.read(lambda rows: rows_of.attempts(rows, self.sealer, offer_id)))

    def notices(self) -> list[Notice]:
        """What waits to be told to somebody, the earliest first."""
        return [notice for notice, _ in self.store.read(lambda rows: outbox.due(rows, self.sealer, 1e12, 100))]

    def answers(self, token: str) -> list[tuple[str, str, str]]:
        """What the offeree said: event, reason, text."""
        offer_id = self.offers.offer_id_of(token)
        found = self.store.read(lambda rows: rows_of.answers(rows, self.sealer, offer_id))
        return [(each.event, each.reason.value if each.reason else "", each.text) for each in found]

    def history(self, token: str) -> list[str]:
        offer_id = self.offers.offer_id_of(token)
        return [entry.event for entry in self.store.read(lambda rows: rows_of.history(rows, offer_id))]


def nonce_of(page: str, action: str = "") -> str:
    """The nonce of the first form, or of the form that is sent to an address with this end."""
    page = page[page.index(f'{action}" novalidate') :] if action else page
    found = re.search(r'name="nonce" value="([^"]+)"', page)
    assert found, "the page holds no nonce"
    return found[1]


def course(attempt_id: str, at: float) -> list[CallEvent]:
    """What Asterisk says of a call that succeeds."""
    return [
        Ringing(attempt_id=attempt_id, leg=1),
        Answered(attempt_id=attempt_id, leg=1),
        Confirmed(attempt_id=attempt_id, leg=1),
        Answered(attempt_id=attempt_id, leg=2),
        Bridged(attempt_id=attempt_id, bridged_at=at),
        Ended(attempt_id=attempt_id, outcome=Outcome.COMPLETED, cause=16, bridged_s=83.0),
    ]


RULES = DiallingRules(region="FR", countries=frozenset({"DE", "GB"}), sip_domains=frozenset({"sip.example"}))


def dial(text: str, region: str) -> Channel:
    """The gateway's own dialling rules."""
    return may_dial(text, region, RULES)


def ring(octet: bytes = b"w") -> KeyRing:
    return added(None, "k1", octet * 32)


def slot_rules() -> SlotRules:
    """Every day and hour in Paris, a week ahead."""
    return SlotRules(hours="Mon-Sun 0-24", zone="Europe/Paris", horizon_s=7 * 86400.0)


MakeGateway = Callable[..., Awaitable[Gateway]]
