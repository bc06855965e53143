"""All networks as one: the plan is followed to the first that delivers, and what fails takes nothing with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mailgate.networks.ways import Ways
from mailgate.offers.notice import Delivery, Kind, Notice
from mailgate.offers.post import Post
from mailgate.offers.ways import DEFAULT, Way
from mailgate.store import outbox
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys

NOTICE = Notice(
    notice_id="n1", kind=Kind.OFFERED, address="ben@example.net", language="en", created_at=1.0, expires_at=1e9
)


@dataclass
class Scripted:
    """A network that answers so, or raises it."""

    answer: Delivery | Exception = Delivery.DELIVERED
    seen: list[str] = field(default_factory=list)

    async def deliver(self, notice: Notice) -> Delivery:
        self.seen.append(notice.notice_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ways(socket: Scripted, im: Scripted, mail: Scripted, *, reached: bool = True) -> tuple[Ways, list[Way]]:
    went: list[Way] = []

    async def note(notice_id: str, way: Way) -> None:
        went.append(way)

    networks = {Way.SOCKET: socket, Way.IM: im, Way.MAIL: mail}
    return Ways(networks, reaches=lambda way, notice: reached, order=lambda address: DEFAULT, went=note), went


@pytest.mark.parametrize(
    ("socket", "im", "mail", "became", "way"),
    [
        (Delivery.DELIVERED, Delivery.DELIVERED, Delivery.DELIVERED, Delivery.DELIVERED, Way.SOCKET),
        (Delivery.REFUSED, Delivery.DELIVERED, Delivery.DELIVERED, Delivery.DELIVERED, Way.IM),
        (Delivery.REFUSED, Delivery.LATER, Delivery.DELIVERED, Delivery.DELIVERED, Way.MAIL),
        (ValueError(), OSError(), Delivery.DELIVERED, Delivery.DELIVERED, Way.MAIL),
        (Delivery.REFUSED, Delivery.REFUSED, Delivery.LATER, Delivery.LATER, None),
        (Delivery.REFUSED, OSError(), Delivery.REFUSED, Delivery.LATER, None),
        (Delivery.REFUSED, Delivery.REFUSED, Delivery.REFUSED, Delivery.REFUSED, None),
    ],
)
async def test_the_first_that_delivers_is_the_last_that_is_tried(
    socket: Delivery | Exception,
    im: Delivery | Exception,
    mail: Delivery | Exception,
    became: Delivery,
    way: Way | None,
) -> None:
    networks = [Scripted(socket), Scripted(im), Scripted(mail)]
    network, went = ways(*networks)
    assert await network.deliver(NOTICE) is became
    assert went == ([way] if way else [])
    if way is Way.SOCKET:
        assert [n.seen for n in networks] == [["n1"], [], []]


async def test_who_is_not_there_gets_mail_and_codes_go_by_mail_alone() -> None:
    networks = [Scripted(), Scripted(), Scripted()]
    away, _ = ways(*networks, reached=False)
    await away.deliver(NOTICE)
    there, _ = ways(*networks)
    await there.deliver(replace(NOTICE, kind=Kind.SIGN_IN, notice_id="n2"))
    assert [n.seen for n in networks] == [[], [], ["n1", "n2"]]


async def test_a_slow_device_holds_up_nobody_else_and_one_call_s_notices_keep_their_order(tmp_path: Path) -> None:
    class Slow:
        def __init__(self) -> None:
            self.told: list[str] = []
            self.go = asyncio.Event()

        async def deliver(self, notice: Notice) -> Delivery:
            if notice.notice_id == "a1":
                await self.go.wait()
            self.told.append(notice.notice_id)
            return Delivery.DELIVERED

    create(tmp_path / "store.db")
    store, sealer, network = Store(tmp_path / "store.db"), Sealer(keys.KeyRing((keys.Key("k1", bytes(32)),))), Slow()
    booked = {"uid": "a"}
    for at, (name, values) in enumerate({"a1": booked, "a2": booked, "b": {}}.items()):
        notice = replace(NOTICE, notice_id=name, created_at=float(at), values=values)
        await store.transact(lambda rows, notice=notice: outbox.put(rows, sealer, notice))  # type: ignore[misc]
    post = Post(store=store, sealer=sealer, network=network, now=lambda: 100.0)
    running = asyncio.create_task(post.run(every_s=0.05))
    try:
        async with asyncio.timeout(20):
            while "b" not in network.told:
                await asyncio.sleep(0.01)
            assert network.told == ["b"]
            network.go.set()
            while len(network.told) < 3:
                await asyncio.sleep(0.01)
        assert network.told == ["b", "a1", "a2"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()
