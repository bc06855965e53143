"""The post: at least once, under one id, later where it must be, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailgate.offers.notice import Delivery, Kind, Notice
from mailgate.offers.post import FIRST_DELAY_S, LONGEST_DELAY_S, Post, delay_s
from mailgate.store import outbox
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys

SEALER = Sealer(keys.KeyRing((keys.Key("k1", bytes(32)),)))


def notice(name: str = "n1", expires_at: float = 1e6) -> Notice:
    return Notice(
        notice_id=name,
        kind=Kind.REPLIED,
        address="ada@example.org",
        language="en",
        created_at=100.0,
        expires_at=expires_at,
        values={"offeree": "ben@example.net", "text": "a private word"},
    )


@dataclass
class Scripted:
    """A network that does as it is told, and delivers when nothing is left."""

    script: list[Delivery | BaseException] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def deliver(self, notice: Notice) -> Delivery:
        self.seen.append(notice.notice_id)
        what = self.script.pop(0) if self.script else Delivery.DELIVERED
        if isinstance(what, BaseException):
            raise what
        return what


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create(tmp_path / "store.db")
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


def put(store: Store, each: Notice) -> None:
    store.transact_now(lambda rows: outbox.put(rows, SEALER, each))


def post(store: Store, network: Scripted, clock: list[float]) -> Post:
    return Post(store=store, sealer=SEALER, network=network, now=lambda: clock[0])


async def test_what_was_delivered_is_not_sent_again_nor_put_again(store: Store) -> None:
    network, clock = Scripted(), [100.0]
    for _ in range(3):
        put(store, notice())
        await post(store, network, clock).round()
    assert network.seen == ["n1"]


async def test_a_notice_comes_out_as_it_went_in_and_its_words_are_gone_once_it_was_sent(store: Store) -> None:
    put(store, notice())
    [(found, tries)] = store.read(lambda rows: outbox.due(rows, SEALER, 100.0, 10))
    assert (found, tries) == (notice(), 0)
    await post(store, Scripted(), [100.0]).round()
    assert store.read(lambda rows: rows.one("notices_due", now=1e9, most=1)) is None
    sent = await store.transact(lambda rows: rows.one("notice_by_id", notice_id="n1"))
    assert sent is not None and (sent["state"], sent["content"]) == ("sent", b"")


async def test_a_post_that_dies_after_the_network_took_it_sends_it_again_under_the_same_id(store: Store) -> None:
    put(store, notice())
    network, clock = Scripted([asyncio.CancelledError()]), [100.0]
    with pytest.raises(asyncio.CancelledError):
        await post(store, network, clock).round()
    await post(store, network, clock).round()
    assert network.seen == ["n1", "n1"]


@pytest.mark.parametrize("trouble", [Delivery.LATER, RuntimeError("broken")], ids=["later", "exception"])
async def test_a_try_that_failed_waits_longer_each_time(store: Store, trouble: Delivery | BaseException) -> None:
    put(store, notice())
    network, clock = Scripted([trouble, trouble]), [100.0]
    for wait_s in (FIRST_DELAY_S, 2 * FIRST_DELAY_S):
        await post(store, network, clock).round()
        tried = len(network.seen)
        clock[0] += wait_s - 1
        await post(store, network, clock).round()
        assert len(network.seen) == tried, "too early"
        clock[0] += 1
    await post(store, network, clock).round()
    await post(store, network, clock).round()
    assert network.seen == ["n1"] * 3


def test_delays_double_and_are_bounded() -> None:
    delays = [delay_s(tries) for tries in range(200)]
    assert delays[:3] == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]
    assert max(delays) == LONGEST_DELAY_S and delays == sorted(delays)


async def test_one_that_is_refused_holds_up_no_other(store: Store) -> None:
    put(store, notice("n1"))
    put(store, notice("n2"))
    network, clock = Scripted([Delivery.REFUSED]), [100.0]
    for _ in range(2):
        await post(store, network, clock).round()
        clock[0] += 86400.0
    assert network.seen == ["n1", "n2"]


async def test_what_is_too_old_is_not_sent(store: Store) -> None:
    put(store, notice(expires_at=150.0))
    network = Scripted()
    await post(store, network, [150.0]).round()
    assert network.seen == []
    assert store.read(lambda rows: outbox.due(rows, SEALER, 1e9, 10)) == []


async def test_what_was_done_with_is_forgotten_in_the_end(store: Store) -> None:
    put(store, notice())
    clock = [100.0]
    one = post(store, Scripted(), clock)
    await one.round()
    clock[0] += outbox.KEPT_S + 1
    await one.round()
    assert store.read(lambda rows: rows.one("notice_by_id", notice_id="n1")) is None


async def test_the_running_post_finds_what_comes_and_outlives_trouble(store: Store) -> None:
    network = Scripted([RuntimeError("broken")])
    clock = [100.0]
    running = asyncio.create_task(post(store, network, clock).run(every_s=0.01))
    put(store, notice("n1"))
    put(store, notice("n2"))
    async with asyncio.timeout(5):
        while network.seen.count("n2") < 1:
            await asyncio.sleep(0.01)
        clock[0] += FIRST_DELAY_S
        while network.seen.count("n1") < 2:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
