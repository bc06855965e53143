"""The scheduler with a clock of the test's own: each slot rung once, at its time, whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from slot_desk import ADA, BEN, DAY, HOUR, MONDAY, RULES, SEALER, Desk, asked, book_many

from mailgate.calls.model import Answered, Bridged, Channel, Ended, Kind, Outcome, Ringing
from mailgate.calls.trunks import LinesBusy
from mailgate.errors import CallFailed, OutcomeUnknown
from mailgate.offers.events import Due
from mailgate.offers.notice import Kind as Told
from mailgate.offers.scheduler import AGAIN_S, AHEAD_S
from mailgate.offers.slots import LATE_S, Missed
from mailgate.offers.table import State
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import create


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    create(tmp_path / "store.db")
    desk = Desk(tmp_path / "store.db")
    desk.account()
    yield desk
    await desk.stop()


def missed(desk: Desk, token: str) -> Missed | None:
    slot = desk.offer(token).slot
    return slot.missed if slot else None


async def test_a_slot_is_rung_at_its_time_and_once(desk: Desk) -> None:
    token = await desk.booked()
    await desk.round(MONDAY - 0.1)
    assert desk.calls.orders == []
    for at in (MONDAY, MONDAY, MONDAY + 1, MONDAY - 10, MONDAY + 60):
        await desk.round(at)
    [order] = desk.calls.orders
    assert (order.leg1, order.leg2) == (BEN, ADA)
    assert desk.offer(token).state is State.PLACING


async def test_the_attempt_is_committed_before_anybody_is_called(desk: Desk) -> None:
    token = await desk.booked()
    seen: list[State] = []
    desk.calls.answer = lambda: seen.append(desk.offer(token).state)
    await desk.round(MONDAY)
    assert seen == [State.PLACING]


async def test_two_schedulers_ring_it_once(desk: Desk) -> None:
    await desk.booked()
    other = Desk(desk.path, calls=desk.calls, ids=iter(range(1000, 2000)))
    desk.at = other.at = MONDAY
    await asyncio.gather(desk.scheduler.round(), other.scheduler.round())
    await desk.offers.close()
    await other.stop()
    assert len(desk.calls.orders) == 1


@pytest.mark.parametrize(("late_s", "rung"), [(0.0, True), (LATE_S, True), (LATE_S + 1, False), (3 * DAY, False)])
async def test_after_a_time_down_it_is_rung_or_told_to_have_been_missed(desk: Desk, late_s: float, rung: bool) -> None:
    token = await desk.booked()
    await desk.stop()
    desk.at = MONDAY + late_s
    desk.start()
    await desk.round()
    assert len(desk.calls.orders) == rung
    if not rung:
        assert (desk.offer(token).state, missed(desk, token)) == (State.MISSED, Missed.LATE)
        told = desk.notices()[-1]
        assert (told.kind, told.values["missed"]) == (Told.SLOT_MISSED, "late")
    await desk.round()
    assert len(desk.calls.orders) == rung


async def test_killed_between_the_commit_and_the_call_nobody_is_called_twice(desk: Desk) -> None:
    token = await desk.booked()
    desk.at = MONDAY
    # what a process leaves behind that is killed before its Originate: the step, and nothing more
    offer_id = desk.offers.offer_id_of(token)
    desk.calls.answer = _lose
    await desk.offers.apply(offer_id, Due(attempt_id="f" * 32))
    await desk.stop()
    desk.calls.orders.clear()
    desk.start()
    await desk.offers.settle()  # Asterisk has never heard of it
    await desk.round()
    assert desk.calls.orders == []
    assert (desk.offer(token).state, missed(desk, token)) == (State.MISSED, Missed.NOT_REACHED)
    assert desk.notices()[-1].values["outcome"] == "not-placed"


def _lose() -> None:
    raise OutcomeUnknown("the link broke")


async def test_a_lost_answer_is_settled_and_not_rung_again(desk: Desk) -> None:
    token = await desk.booked()
    desk.calls.answer = _lose
    await desk.round(MONDAY)
    assert desk.offer(token).state is State.UNSETTLED
    attempt = desk.calls.orders[0].attempt_id
    desk.calls.known[attempt] = Bridged(attempt_id=attempt, bridged_at=MONDAY + 20)
    await desk.offers.tick()
    await desk.round(MONDAY + 30)
    assert desk.offer(token).state is State.CONNECTED
    assert len(desk.calls.orders) == 1


async def test_a_clock_that_is_set_back_rings_nothing_again_and_forward_nothing_too_late(desk: Desk) -> None:
    first, second = await desk.booked(MONDAY), await desk.booked(MONDAY + HOUR)
    await desk.round(MONDAY)
    await desk.round(MONDAY - HOUR)
    await desk.round(MONDAY + 1)
    assert len(desk.calls.orders) == 1
    await desk.round(MONDAY + 2 * HOUR)
    assert desk.offer(first).state is State.PLACING
    assert missed(desk, second) is Missed.LATE
    assert len(desk.calls.orders) == 1


async def test_a_slot_behind_the_change_of_clocks_is_rung_at_its_wall_time(desk: Desk) -> None:
    """Booked in winter, for nine o'clock in summer time: an hour earlier by UTC."""
    desk.at = 1_806_000_000.0  # 2027-03-25
    token = await desk.open()
    summer = 1_806_303_600.0  # Monday 2027-03-29, 9:00 in Paris, 7:00 UTC
    assert summer in desk.bookings.choices(token)
    await desk.bookings.book(token, asked(summer))
    await desk.round(summer - 0.1)
    assert desk.calls.orders == []
    await desk.round(summer)
    assert len(desk.calls.orders) == 1


async def test_while_asterisk_is_away_a_slot_waits_and_is_rung_when_it_is_back(desk: Desk) -> None:
    token = await desk.booked()
    desk.ready = False
    await desk.round(MONDAY)
    await desk.round(MONDAY + LATE_S - 1)
    assert desk.calls.orders == [] and desk.offer(token).state is State.BOOKED
    desk.ready = True
    await desk.round(MONDAY + LATE_S)
    assert len(desk.calls.orders) == 1


async def test_while_asterisk_is_away_for_long_the_offeror_is_told(desk: Desk) -> None:
    token = await desk.booked()
    desk.ready = False
    await desk.round(MONDAY + LATE_S + 1)
    assert missed(desk, token) is Missed.LATE
    assert desk.notices()[-1].kind is Told.SLOT_MISSED


async def test_what_asterisk_refuses_is_missed_and_told(desk: Desk) -> None:
    def refuse() -> None:
        raise CallFailed("no such endpoint")

    token = await desk.booked()
    desk.calls.answer = refuse
    await desk.round(MONDAY)
    assert missed(desk, token) is Missed.NOT_REACHED
    assert desk.notices()[-1].values["outcome"] == "not-placed"


async def test_where_others_have_all_lines_it_is_tried_again_until_it_is_too_late(desk: Desk) -> None:
    def busy() -> None:
        raise LinesBusy("every line is in use")

    token = await desk.booked()
    desk.calls.answer = busy
    await desk.round(MONDAY)
    await desk.round(MONDAY + 1)
    assert len(desk.calls.orders) == 1, "not four times a second"
    await desk.round(MONDAY + AGAIN_S)
    assert len(desk.calls.orders) == 2
    assert (desk.offer(token).state, desk.offer(token).attempts_left) == (State.BOOKED, 3)
    desk.calls.answer = lambda: None
    await desk.round(MONDAY + 2 * AGAIN_S)
    assert desk.offer(token).state is State.PLACING
    assert len({order.attempt_id for order in desk.calls.orders}) == 3
    assert [n.kind for n in desk.notices()] == [Told.SLOT_BOOKED]


async def test_do_not_disturb_is_honoured_at_the_time(desk: Desk) -> None:
    token = await desk.booked()
    await desk.store.transact(lambda rows: accounts.set_do_not_disturb(rows, "a", True))
    await desk.round(MONDAY)
    assert desk.calls.orders == []
    assert missed(desk, token) is Missed.DO_NOT_DISTURB


async def test_who_has_said_never_again_meanwhile_is_not_rung(desk: Desk) -> None:
    token = await desk.booked()
    await desk.store.transact(lambda rows: rows_of.suppress(rows, SEALER, BEN, now=0.0, reason="not-me"))
    await desk.round(MONDAY)
    assert desk.calls.orders == []
    assert missed(desk, token) is Missed.NOT_CALLABLE


async def test_given_up_a_moment_before_nobody_is_rung(desk: Desk) -> None:
    token = await desk.booked()
    await desk.bookings.cancel(token)
    other = await desk.booked(MONDAY)
    await desk.offers.revoke(desk.offers.offer_id_of(other))
    await desk.round(MONDAY)
    assert desk.calls.orders == []


async def test_no_more_calls_are_begun_than_the_trunk_carries(desk: Desk) -> None:
    """The rules were changed since, or people called meanwhile: the rest is rung as lines become free."""
    book_many(desk.store, 8, lambda n: MONDAY + n / 100, lambda n: Channel(Kind.TEL, f"+3319902{n:04}"))
    await desk.round(MONDAY + 1)
    assert len(desk.calls.orders) == RULES.capacity
    first = [order.attempt_id for order in desk.calls.orders]
    assert [order.leg1.address[-1] for order in desk.calls.orders] == ["0", "1", "2"], "the longest due first"
    for attempt_id in first[:2]:
        await desk.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_BUSY))
    await desk.round(MONDAY + 20)
    assert len(desk.calls.orders) == RULES.capacity + 2
    await desk.round(MONDAY + LATE_S + 1)
    told = [n for n in desk.notices() if n.kind is Told.SLOT_MISSED]
    assert len(desk.calls.orders) == RULES.capacity + 2
    assert desk.store.read(lambda rows: len(rows_of.in_states(rows, SEALER, [State.MISSED]))) == 8 - RULES.capacity
    assert told == [], "accounts that are not there are told nothing"


async def test_an_offeror_who_is_rung_first_is_leg_1_for_asterisk_alone(desk: Desk) -> None:
    desk.account("b", rings_first=True)
    token = await desk.booked(account_id="b")
    await desk.round(MONDAY)
    attempt = desk.offer(token).attempt
    assert attempt is not None and attempt.destination_first and attempt.leg1 == BEN
    for event in (Ringing(attempt_id=attempt.attempt_id, leg=1), Answered(attempt_id=attempt.attempt_id, leg=1)):
        await desk.offers.on_call_event(event)
    assert desk.offer(token).state is State.DESTINATION_ASKED
    await desk.offers.on_call_event(Ended(attempt_id=attempt.attempt_id, outcome=Outcome.NOT_ME))
    assert desk.offer(token).attempt.outcome is Outcome.DESTINATION_REJECTED  # type: ignore[union-attr]
    assert not desk.store.read(lambda rows: rows_of.suppressed(rows, SEALER, BEN))


async def test_speech_is_made_ready_before_and_once(desk: Desk) -> None:
    token = await desk.booked()
    for at in (MONDAY - AHEAD_S - 1, MONDAY - AHEAD_S, MONDAY - 1):
        desk.at = at
        await desk.scheduler.rehearse()
    assert desk.rehearsed == [desk.offers.offer_id_of(token)]


async def test_it_goes_on_after_whatever_goes_wrong(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await desk.booked()
    desk.at = MONDAY

    def broken() -> bool:
        desk.scheduler._ready = lambda: True
        raise RuntimeError("once")

    desk.scheduler._ready = broken
    running = asyncio.create_task(desk.scheduler.run(every_s=0.01))
    async with asyncio.timeout(10):
        while not desk.calls.orders:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    assert "it is tried again" in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.INFO and "199005678" in str(r.__dict__)]


@pytest.mark.timeout(300)
async def test_ten_thousand_slots_of_one_minute(tmp_path: Path) -> None:
    """All rung, each once, in less than the minute in which they are due (bench/slots.py measures it)."""
    create(tmp_path / "many.db")
    desk = Desk(tmp_path / "many.db", rules=replace(RULES, capacity=20_000))
    number = 10_000
    book_many(desk.store, number, lambda n: MONDAY + n * 60 / number, lambda n: Channel(Kind.TEL, f"+3319902{n:04}"))
    began = time.monotonic()
    await desk.round(MONDAY + 60)
    took_s = time.monotonic() - began
    rung = Counter(order.leg1.address for order in desk.calls.orders)
    await desk.stop()
    assert len(rung) == number and set(rung.values()) == {1}
    assert took_s < 60
