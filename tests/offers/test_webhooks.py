"""Webhooks from the step to the receiver: written down with the step, sent at least once, tried again, dead at last."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from lab.hooks import Receiver, receiver

from mailgate.calls.model import Answered, Bridged, CallEvent, CallOrder, Channel, Ended, Kind, Outcome
from mailgate.networks.webhook import NotSent, WebhookNetwork
from mailgate.offers import hook
from mailgate.offers.answer import Reason
from mailgate.offers.courier import HOLD_S, Courier
from mailgate.offers.hook import Parcel
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.service import Offers, Opened, Rules
from mailgate.store import webhooks
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from mailgate.store.webhooks import Entry, Webhook
from tokens import keys

RING = keys.KeyRing((keys.Key("k1", bytes(32)),))
SEALER = Sealer(RING)
ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")
SECRET = hook.secret_of(bytes(range(32)))
TERMS = Terms(
    account_id="a",
    offeror_name="Ada Lovelace",
    destination_name="Ada Lovelace",
    destination=(ADA,),
    offeree_address="ben@example.net",
)


class NoCalls:
    async def originate(self, order: CallOrder) -> None:
        pass

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        return True

    async def settle(self, attempt_ids: object) -> dict[str, CallEvent | None]:
        return {}


@dataclass
class House:
    """Offers, a courier, and what it sent."""

    store: Store
    offers: Offers
    courier: Courier
    clock: list[float]
    sent: list[Parcel] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def send(self, parcel: Parcel) -> int:
        self.sent.append(parcel)
        status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            raise NotSent("no connection")
        return status

    def hook(self, url: str = "https://hooks.example/", account_id: str = "a", **secrets: float | None) -> None:
        known = tuple(secrets.items()) or ((SECRET, None),)
        made = Webhook(url=url, secrets=known)
        self.store.transact_now(lambda rows: webhooks.put(rows, SEALER, account_id, made, self.clock[0]))

    async def open(self, account_id: str = "a") -> Opened:
        terms = Terms(**{name: getattr(TERMS, name) for name in Terms.__slots__} | {"account_id": account_id})
        return (await self.offers.open([terms]))[0]

    def entries(self, account_id: str = "a") -> list[Entry]:
        """The earliest first."""
        return self.store.read(lambda rows: webhooks.entries(rows, account_id, None, 99))[::-1]

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        bodies = [json.loads(parcel.body) for parcel in self.sent]
        return [(body["type"], body["data"]) for body in bodies]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    create(tmp_path / "store.db")
    store, clock = Store(tmp_path / "store.db"), [1_800_000_000.0]
    ids = iter(range(1, 10_000))

    async def prepare(offer: Offer) -> CallOrder:
        assert offer.attempt is not None
        return CallOrder(attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0])

    offers = Offers(
        store=store,
        sealer=SEALER,
        ring=RING,
        rules=Rules(valid_s=1000.0, uses=9),
        own_number="+33199000000",
        calls=NoCalls(),
        prepare=prepare,
        now=lambda: clock[0],
        new_id=lambda: f"{next(ids):032x}",
    )

    async def send(parcel: Parcel) -> int:
        return await made.send(parcel)

    made = House(store, offers, Courier(store=store, sealer=SEALER, send=send, now=lambda: clock[0]), clock)
    yield made
    await offers.close()
    store.close()


async def attempt(house: House, opened: Opened, *events: str) -> str:
    view = await house.offers.accept(opened.token, BEN)
    await house.offers.close()
    attempts = house.store.read(lambda rows: rows.all("attempts_of", offer_id=view.offer_id))
    return str(attempts[-1]["attempt_id"])


async def test_every_step_that_matters_is_told_once_in_its_order(house: House) -> None:
    house.hook()
    opened = await house.open()
    await house.offers.answers.reply(opened.token, "Tomorrow?")
    await house.offers.answers.decline(opened.token, Reason.NOT_NOW, "On a train.")
    attempt_id = await attempt(house, opened)
    await house.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    await house.offers.on_call_event(Bridged(attempt_id=attempt_id, bridged_at=house.clock[0]))
    await house.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.COMPLETED, bridged_s=61.5))
    attempt_id = await attempt(house, opened)
    await house.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.DESTINATION_NO_ANSWER))
    house.clock[0] += 2000
    await house.offers.tick()
    await house.courier.round()
    assert [kind for kind, _ in house.told] == [
        "offer.made",
        "offer.replied",
        "offer.declined",
        "offer.accepted",
        "call.connected",
        "call.ended",
        "offer.accepted",
        "call.missed",
        "offer.expired",
    ]
    data = [each for _, each in house.told]
    assert data[1]["answer"] == {"reason": None, "text": "Tomorrow?"}
    assert data[2]["answer"] == {"reason": "not-now", "text": "On a train."}
    assert (data[5]["call"]["outcome"], data[5]["call"]["bridged_s"]) == ("completed", 61.5)
    assert data[7]["call"]["outcome"] == "destination-no-answer" and data[8]["offer"]["state"] == "expired"
    assert {each["offer"]["id"] for each in data} == {opened.offer_id}
    assert len({parcel.headers["webhook-id"] for parcel in house.sent}) == len(house.sent)
    await house.courier.round()
    assert len(house.sent) == 9 and {entry.state for entry in house.entries()} == {"sent"}
    text = b"".join(parcel.body for parcel in house.sent).decode()
    assert "19900" not in text and opened.token not in text


async def test_who_has_no_webhook_costs_no_event(house: House) -> None:
    house.hook(account_id="b")
    opened = await house.open()
    await house.offers.answers.reply(opened.token, "Tomorrow?")
    assert house.entries() == []


async def test_a_revocation_and_a_withdrawal_are_told(house: House) -> None:
    house.hook()
    first, second, third = [await house.open() for _ in range(3)]
    await house.offers.withdraw(first.offer_id)  # before anybody was told
    await house.courier.round()
    await house.offers.withdraw(second.offer_id)
    await house.offers.revoke(third.offer_id)
    await house.courier.round()
    assert [(kind, data["offer"]["id"]) for kind, data in house.told] == [
        ("offer.made", second.offer_id),
        ("offer.made", third.offer_id),
        ("offer.withdrawn", second.offer_id),
        ("offer.revoked", third.offer_id),
    ]


async def test_what_failed_is_tried_again_ever_more_rarely_under_the_same_id(house: House) -> None:
    house.hook()
    house.answers = [500, 0, 302, 429]
    await house.open()
    waits = []
    while house.entries()[0].state != "sent":
        at, count = house.clock[0], len(house.sent)
        while len(house.sent) == count:
            house.clock[0] += 1
            await house.courier.round()
        waits.append(house.clock[0] - at)
    assert waits[1:] == list(hook.DELAYS_S[:4])
    assert len({parcel.headers["webhook-id"] for parcel in house.sent}) == 1
    assert len({parcel.headers["webhook-timestamp"] for parcel in house.sent}) == 5
    assert house.entries()[0].tries == 5


async def test_an_event_that_nobody_takes_is_dead_after_days_and_can_be_tried_again(house: House) -> None:
    house.hook()
    house.answers = [0] * 1000
    await house.open()
    for _ in range(200):
        house.clock[0] += 3600
        await house.courier.round()
    [entry] = house.entries()
    assert (entry.state, entry.told) == ("dead", "its time was over")
    assert 10 <= len(house.sent) <= 20
    house.answers = []
    now = house.clock[0]
    again = {"account_id": "a", "event_id": None, "now": now, "expires_at": now + 60}
    assert house.store.transact_now(lambda rows: rows.run("retry_events", **again)) == 1
    await house.courier.round()
    assert house.entries()[0].state == "sent" and house.told[-1][0] == "offer.made"


async def test_a_receiver_that_wants_no_more_is_left_in_peace(house: House) -> None:
    house.hook()
    await house.open()
    await house.open()
    house.answers = [410]
    await house.courier.round()
    house.clock[0] += 86400
    await house.open()
    await house.courier.round()
    assert len(house.sent) == 1 and {entry.state for entry in house.entries()} == {"dead"}


async def test_one_s_failure_holds_up_one_s_own_events_only(house: House) -> None:
    house.hook()
    house.hook(account_id="b")
    for account_id in ("a", "a", "b", "b"):
        await house.open(account_id)

    async def send(parcel: Parcel) -> int:
        house.sent.append(parcel)
        return 500 if len([s for s in house.sent if s.url == parcel.url]) and parcel.url.endswith("/a") else 204

    house.hook("https://hooks.example/a")
    house.send = send  # type: ignore[method-assign]
    await house.courier.round()
    assert [entry.state for entry in house.entries("b")] == ["sent", "sent"]
    assert sum(parcel.url.endswith("/a") for parcel in house.sent) == 1
    house.clock[0] += HOLD_S - 1
    await house.courier.round()
    assert sum(parcel.url.endswith("/a") for parcel in house.sent) == 2  # the first again; the second waits


async def test_a_slow_receiver_keeps_nobody_waiting(house: House) -> None:
    house.hook("https://hooks.example/slow")
    house.hook("https://hooks.example/quick", account_id="b")
    await house.open("a")
    await house.open("b")
    done = asyncio.Event()

    async def send(parcel: Parcel) -> int:
        if parcel.url.endswith("slow"):
            await done.wait()
        house.sent.append(parcel)
        return 204

    house.send = send  # type: ignore[method-assign]
    running = asyncio.create_task(house.courier.run(every_s=0.01))
    async with asyncio.timeout(5):
        while not house.sent:
            await asyncio.sleep(0.01)
        await house.open("b")
        while len(house.sent) < 2:
            await asyncio.sleep(0.01)
    assert all(parcel.url.endswith("quick") for parcel in house.sent)
    done.set()
    running.cancel()
    await asyncio.wait([running])


async def test_both_secrets_sign_while_one_takes_over(house: House) -> None:
    fresh = hook.secret_of(bytes(32))
    house.hook(**{fresh: None, SECRET: house.clock[0] + 60})
    await house.open()
    house.clock[0] += 30
    await house.courier.round()
    house.clock[0] += 60
    await house.open()
    await house.courier.round()
    assert [len(parcel.headers["webhook-signature"].split()) for parcel in house.sent] == [2, 1]


async def test_nothing_of_it_can_be_read_in_the_store(house: House) -> None:
    house.hook("https://hooks.example/secret-path")
    house.answers = [500]
    await house.open()
    await house.courier.round()
    octets = b"".join(path.read_bytes() for path in house.store.path.parent.iterdir() if path.is_file())
    for text in (b"secret-path", SECRET.encode(), b'"type":"offer.made"'):
        assert text not in octets


def verified(got_headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{got_headers['webhook-id']}.{got_headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in got_headers["webhook-signature"].split(" ")


async def test_over_a_real_connection_a_kill_before_the_mark_sends_it_again(house: House) -> None:
    there: Receiver
    async with receiver() as there:
        house.hook(f"http://127.0.0.1:{there.port}/calls")
        network = WebhookNetwork(inside=(IPv4Network("127.0.0.0/8"),))
        await house.open()

        async def killed(parcel: Parcel) -> int:
            await network.send(parcel)
            raise asyncio.CancelledError  # the process is gone before it could mark the event

        house.send = killed  # type: ignore[method-assign]
        await house.courier.round()
        house.send = network.send  # type: ignore[method-assign]
        await house.courier.round()
    assert [entry.state for entry in house.entries()] == ["sent"]
    assert len(there.got) == 2 and there.got[0].headers["webhook-id"] == there.got[1].headers["webhook-id"]
    assert all(verified(got.headers, got.body) for got in there.got)
