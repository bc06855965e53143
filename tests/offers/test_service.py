"""The service: committed before it acts, one call for each acceptance, and settled when an answer is lost.

Asterisk is a recorder here; the same ways are walked with the real one in tests/telephony and tests/end_to_end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from mailgate.calls.model import Answered, Bridged, CallEvent, CallOrder, Channel, Confirmed, Ended, Kind, Outcome
from mailgate.errors import CallFailed, CallRefused, OutcomeUnknown
from mailgate.offers.offer import IllegalTransition, Offer, Terms
from mailgate.offers.service import Offers, Opened, Rules, UnknownOffer
from mailgate.offers.table import State
from mailgate.store import offers as rows_of
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import coupon, keys
from tokens.errors import Forged

RING = keys.KeyRing((keys.Key("k1", bytes(32)),))
ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")
TERMS = Terms(
    account_id="a",
    offeror_name="Ada Lovelace",
    destination_name="Ada Lovelace",
    destination=(ADA,),
    offeree_address="ben@example.net",
)


@dataclass
class Recorder:
    """Takes orders and remembers them; `answer` may raise what Asterisk would."""

    orders: list[CallOrder] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    known: dict[str, CallEvent | None] = field(default_factory=dict)
    answer: Callable[[], None] = lambda: None
    before_order: Callable[[CallOrder], None] = lambda order: None

    async def originate(self, order: CallOrder) -> None:
        self.before_order(order)
        self.orders.append(order)
        self.answer()

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        self.hung_up.append(attempt_id)
        return True

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return {i: self.known[i] for i in attempt_ids}


@dataclass
class World:
    path: Path
    store: Store
    calls: Recorder
    offers: Offers
    clock: list[float]

    async def open(self) -> Opened:
        return (await self.offers.open([TERMS]))[0]

    async def accepted(self) -> tuple[Opened, str]:
        opened = await self.open()
        await self.offers.accept(opened.token, BEN)
        await self.offers.close()
        return opened, self.calls.orders[-1].attempt_id if self.calls.orders else ""

    def offer(self, opened: Opened) -> Offer:
        found = self.store.read(lambda rows: rows_of.by_id(rows, Sealer(RING), opened.offer_id))
        assert found is not None
        return found


def service(store: Store, calls: Recorder, clock: list[float]) -> Offers:
    ids = count()

    async def prepare(offer: Offer) -> CallOrder:
        assert offer.attempt is not None
        return CallOrder(attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0])

    return Offers(
        store=store,
        sealer=Sealer(RING),
        ring=RING,
        rules=Rules(valid_s=1000.0, uses=1, attempts=3),
        own_number="+33199000000",
        calls=calls,
        prepare=prepare,
        now=lambda: clock[0],
        new_id=lambda: f"{next(ids):032x}",
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    create(tmp_path / "store.db")
    store, calls, clock = Store(tmp_path / "store.db"), Recorder(), [100.0]
    world = World(tmp_path / "store.db", store, calls, service(store, calls, clock), clock)
    yield world
    await world.offers.close()
    store.close()


async def test_an_offer_is_in_the_store_when_its_token_is_handed_out(world: World) -> None:
    opened = await world.open()
    other = Store(world.path)
    mark = coupon.fingerprint(opened.token)
    assert other.read(lambda rows: rows_of.by_fingerprint(rows, Sealer(RING), mark)) == world.offer(opened)
    other.close()
    assert opened.token.encode() not in b"".join(p.read_bytes() for p in world.path.parent.iterdir())


async def test_the_acceptance_is_committed_before_asterisk_is_asked(world: World) -> None:
    seen: list[State] = []

    def look(order: CallOrder) -> None:
        other = Store(world.path)
        offer = other.read(lambda rows: rows_of.by_attempt(rows, Sealer(RING), order.attempt_id))
        assert offer is not None
        seen.append(offer.state)
        other.close()

    world.calls.before_order = look
    await world.accepted()
    assert seen == [State.PLACING]


async def test_fifty_presses_at_once_make_one_call(world: World) -> None:
    opened = await world.open()
    results = await asyncio.gather(*(world.offers.accept(opened.token, BEN) for _ in range(50)), return_exceptions=True)
    await world.offers.close()
    assert sum(isinstance(r, IllegalTransition) for r in results) == 49
    assert len(world.calls.orders) == 1


async def test_watchers_see_each_state_once_and_late_events_change_nothing(world: World) -> None:
    opened, attempt = await world.accepted()
    states: list[State] = []

    async def watch() -> None:
        async for seen in world.offers.watch(opened.token):
            states.append(seen.state)
            if seen.state is State.USED:
                return

    watcher = asyncio.create_task(watch())
    for event in (
        Answered(attempt_id=attempt, leg=1),
        Confirmed(attempt_id=attempt, leg=1),
        Answered(attempt_id=attempt, leg=1),  # late, from before a reconnection
        Bridged(attempt_id=attempt, bridged_at=101.0),
        Ended(attempt_id=attempt, outcome=Outcome.COMPLETED, cause=16, bridged_s=5.0),
    ):
        await asyncio.sleep(0)
        await world.offers.on_call_event(event)
        await asyncio.sleep(0)
    await asyncio.wait_for(watcher, 5)
    assert states == [State.PLACING, State.OFFEREE_ASKED, State.DESTINATION_RINGING, State.CONNECTED, State.USED]
    assert world.offers.look(opened.token).bridged_s == 5.0


async def test_a_refused_order_leaves_the_offer_open(world: World) -> None:
    def refuse() -> None:
        raise CallFailed("Asterisk is away")

    world.calls.answer = refuse
    opened, _ = await world.accepted()
    view = world.offers.look(opened.token)
    assert (view.state, view.outcome, view.may_accept) == (State.OPEN, Outcome.NOT_PLACED, True)


def lose() -> None:
    raise OutcomeUnknown("the link broke")


async def test_a_lost_answer_is_never_asked_again_and_settled_as_asterisk_recorded(world: World) -> None:
    world.calls.answer = lose
    opened, attempt = await world.accepted()
    assert world.offers.look(opened.token).state is State.UNSETTLED
    with pytest.raises(IllegalTransition):
        await world.offers.accept(opened.token, BEN)
    world.calls.known[attempt] = Bridged(attempt_id=attempt, bridged_at=105.0)
    await world.offers.tick()
    assert world.offers.look(opened.token).state is State.CONNECTED
    assert len(world.calls.orders) == 1


async def test_a_call_that_asterisk_never_heard_of_was_not_placed(world: World) -> None:
    world.calls.answer = lose
    opened, attempt = await world.accepted()
    world.calls.known[attempt] = None
    await world.offers.settle()
    view = world.offers.look(opened.token)
    assert (view.state, view.outcome) == (State.OPEN, Outcome.NOT_PLACED)


async def test_after_a_restart_the_call_is_picked_up_and_not_placed_again(world: World) -> None:
    opened, attempt = await world.accepted()
    calls = Recorder(known={attempt: Ended(attempt_id=attempt, outcome=Outcome.COMPLETED, bridged_s=61.0)})
    again = service(world.store, calls, world.clock)
    await again.settle()
    view = again.look(opened.token)
    assert (view.state, view.outcome, view.bridged_s) == (State.USED, Outcome.COMPLETED, 61.0)
    assert calls.orders == []


async def test_time_ends_an_offer(world: World) -> None:
    opened = await world.open()
    world.clock[0] = 1100.0
    assert world.offers.look(opened.token).state is State.EXPIRED
    with pytest.raises(IllegalTransition):
        await world.offers.accept(opened.token, BEN)
    await world.offers.tick()
    assert world.offer(opened).state is State.EXPIRED


async def test_a_revocation_by_another_process_hangs_up_and_reaches_watchers(world: World) -> None:
    opened, attempt = await world.accepted()
    await world.offers.tick()
    other = Store(world.path)
    await service(other, Recorder(), world.clock).revoke(opened.offer_id)
    other.close()
    await world.offers.tick()
    assert world.calls.hung_up == [attempt]
    await world.offers.on_call_event(Ended(attempt_id=attempt, outcome=Outcome.OFFEREE_HUNG_UP))
    view = world.offers.look(opened.token)
    assert (view.state, view.outcome) == (State.REVOKED, Outcome.REVOKED)


async def test_others_get_their_turn_while_many_watchers_are_told_of_another_process(world: World) -> None:
    """Ten thousand pages that are watched would hold up everybody for a second."""
    opened = [await world.open() for _ in range(200)]
    told: list[str] = []

    async def watch(token: str) -> None:
        async for seen in world.offers.watch(token):
            told.append(seen.state.value)

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 0 < len(told) < len(opened)

    watchers = [asyncio.create_task(watch(each.token)) for each in opened]
    while len(told) < len(opened):
        await asyncio.sleep(0)
    await world.offers.tick()
    other = Store(world.path)
    for each in opened:
        await service(other, Recorder(), world.clock).revoke(each.offer_id)
    other.close()
    told.clear()
    other_work = asyncio.create_task(others())
    await world.offers.tick()
    while len(told) < len(opened):
        await asyncio.sleep(0)
    for task in (other_work, *watchers):
        task.cancel()
    await asyncio.gather(other_work, *watchers, return_exceptions=True)
    assert told == ["revoked"] * len(opened)
    assert turns >= len(opened) // 20 - 1


async def test_whoever_says_not_me_is_not_called_again(world: World) -> None:
    opened, attempt = await world.accepted()
    await world.offers.on_call_event(Ended(attempt_id=attempt, outcome=Outcome.NOT_ME))
    with pytest.raises(CallRefused) as caught:
        await world.offers.accept(opened.token, BEN)
    assert caught.value.reason == "suppressed"


async def test_the_destination_s_own_number_is_refused(world: World) -> None:
    opened = await world.open()
    with pytest.raises(CallRefused) as caught:
        await world.offers.accept(opened.token, ADA)
    assert caught.value.reason == "same-number"


async def test_the_gateway_s_own_number_is_refused(world: World) -> None:
    opened = await world.open()
    with pytest.raises(CallRefused) as caught:
        await world.offers.accept(opened.token, Channel(Kind.TEL, "+33199000000"))
    assert caught.value.reason == "own-number"


async def test_tokens_of_others_and_of_nothing(world: World) -> None:
    stranger = keys.Key("x", bytes(range(32)))
    with pytest.raises(Forged):
        world.offers.look(coupon.mint(stranger, offer_id="o", purpose=coupon.Purpose.ACCEPT))
    with pytest.raises(UnknownOffer):
        world.offers.look(coupon.mint(RING.newest, offer_id="gone", purpose=coupon.Purpose.ACCEPT))


async def test_no_number_and_no_token_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    opened, attempt = await world.accepted()
    await world.offers.on_call_event(Ended(attempt_id=attempt, outcome=Outcome.NOT_ME))
    text = caplog.text + "".join(str(r.__dict__) for r in caplog.records)
    assert "offer stepped" in text
    assert opened.token not in text and "199005678" not in text and "199001234" not in text


async def test_the_clock_tells_when_what_mail_remembers_has_changed(world: World) -> None:
    await world.offers.tick()
    await world.open()
    assert await world.offers.tick() is False  # offers are nothing that mail remembers
    await world.store.transact(lambda rows: rows_of.suppress(rows, Sealer(RING), BEN, now=1.0, reason="not-me"))
    assert await world.offers.tick() is True
    assert await world.offers.tick() is False
    other = Store(world.path)
    another = Channel(Kind.TEL, "+33199007777")
    other.transact_now(lambda rows: rows_of.suppress(rows, Sealer(RING), another, now=1.0, reason="by-command"))
    other.close()
    assert await world.offers.tick() is True
