"""Taking a time: judged again when it is taken, against what others were promised, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slot_desk import ADA, BEN, DAY, HOUR, MONDAY, OWN_NUMBER, RULES, SEALER, Desk, asked

from mailgate.calls.model import Channel, Ended, Kind, Outcome
from mailgate.errors import CallRefused
from mailgate.offers.answer import MOST_REPLIES
from mailgate.offers.notice import Kind as Told
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.slots import SlotRefused
from mailgate.offers.table import State
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import create


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    create(tmp_path / "store.db")
    desk = Desk(tmp_path / "store.db")
    yield desk
    await desk.stop()


async def test_a_time_is_taken_moved_and_given_up(desk: Desk) -> None:
    desk.account()
    token = await desk.open()
    assert desk.bookings.choices(token)[0] == MONDAY
    view = await desk.bookings.book(token, asked(MONDAY))
    assert (view.state, view.slot_at, view.slot_zone) == (State.BOOKED, MONDAY, "Europe/Paris")
    assert MONDAY in desk.bookings.choices(token), "its own time stands in nobody's way"
    view = await desk.bookings.book(token, asked(MONDAY + HOUR, None))
    assert (view.slot_at, view.slot_sequence) == (MONDAY + HOUR, 2)
    slot = desk.offer(token).slot
    assert slot is not None and slot.leg1 == BEN, "where to call was said before"
    view = await desk.bookings.cancel(token)
    assert (view.state, view.slot_at) == (State.OPEN, None)
    assert [n.kind for n in desk.notices()] == [Told.SLOT_BOOKED, Told.SLOT_MOVED, Told.SLOT_CANCELLED]
    assert {n.values["uid"] for n in desk.notices()} == {view.offer_id}
    assert [int(n.values["sequence"]) for n in desk.notices()] == [1, 2, 3]
    with pytest.raises(IllegalTransition):
        await desk.bookings.cancel(token)


async def test_the_offeree_is_mailed_only_where_they_ask(desk: Desk) -> None:
    desk.account()
    token = await desk.open()
    await desk.bookings.book(token, asked(MONDAY, mail=True))
    offeror, offeree = desk.notices()
    assert (offeror.address, offeree.address) == ("a@example.org", "ben@example.net")
    assert (offeror.kind, offeree.kind) == (Told.SLOT_BOOKED, Told.YOUR_SLOT)
    assert "token" not in offeror.values and offeree.values["token"] == token
    await desk.bookings.cancel(token)
    assert [n.kind for n in desk.notices()[2:]] == [Told.SLOT_CANCELLED, Told.YOUR_SLOT_CANCELLED]


async def test_of_many_who_want_the_same_time_one_gets_it(desk: Desk) -> None:
    desk.account()
    tokens = [await desk.open() for _ in range(20)]
    results = await asyncio.gather(
        *(desk.bookings.book(token, asked(MONDAY)) for token in tokens), return_exceptions=True
    )
    refused = [r.reason for r in results if isinstance(r, SlotRefused)]
    assert refused == ["taken"] * 19
    assert MONDAY not in desk.bookings.choices(await desk.open())


async def test_no_more_are_promised_than_the_trunk_carries(desk: Desk) -> None:
    for n in range(10):
        desk.account(f"a{n}")
    tokens = [await desk.open(f"a{n}") for n in range(10)]
    results = await asyncio.gather(
        *(desk.bookings.book(token, asked(MONDAY)) for token in tokens), return_exceptions=True
    )
    refused = [r.reason for r in results if isinstance(r, SlotRefused)]
    assert refused == ["full"] * (10 - RULES.capacity)
    [winner, *_] = [t for t, r in zip(tokens, results, strict=True) if not isinstance(r, BaseException)]
    await desk.bookings.cancel(winner)
    desk.account("late")
    await desk.booked(MONDAY, "late")


async def test_pressed_twice_it_is_booked_once(desk: Desk) -> None:
    token = await desk.open()
    results = await asyncio.gather(
        *(desk.bookings.book(token, asked(MONDAY)) for _ in range(2)), return_exceptions=True
    )
    assert desk.offer(token).slot is not None
    assert sum(isinstance(r, IllegalTransition) for r in results) <= 1


async def test_hours_are_the_account_s_own(desk: Desk) -> None:
    desk.account("b", hours="Mon 7-8", time_zone="America/New_York")
    token = await desk.open("b")
    assert desk.bookings.choices(token)[:2] == [MONDAY + 4 * HOUR, MONDAY + 4 * HOUR + 900]
    with pytest.raises(SlotRefused, match="gone"):
        await desk.bookings.book(token, asked(MONDAY))


async def test_hours_that_cannot_be_read_any_more_are_the_usual_ones(desk: Desk) -> None:
    desk.account("b", hours="whenever", time_zone="Europe/Paris")
    assert desk.bookings.choices(await desk.open("b"))[0] == MONDAY


@pytest.mark.parametrize(
    ("number", "reason"),
    [(ADA, "same-number"), (Channel(Kind.TEL, OWN_NUMBER), "own-number"), (None, "empty")],
    ids=["destination", "gateway", "none"],
)
async def test_numbers_that_may_not_be_called(desk: Desk, number: Channel | None, reason: str) -> None:
    token = await desk.open()
    with pytest.raises(CallRefused) as caught:
        await desk.bookings.book(token, asked(MONDAY, number))
    assert caught.value.reason == reason
    assert desk.offer(token).state is State.OPEN


async def test_whoever_asked_not_to_be_called_is_not_booked(desk: Desk) -> None:
    await desk.store.transact(lambda rows: rows_of.suppress(rows, SEALER, BEN, now=0.0, reason="not-me"))
    with pytest.raises(CallRefused, match="not to be called"):
        await desk.booked()


async def test_a_time_may_be_booked_while_the_offeror_is_not_disturbed(desk: Desk) -> None:
    desk.account(do_not_disturb=True)
    assert desk.offer(await desk.booked()).state is State.BOOKED


async def test_who_rings_first_is_the_account_s_wish_when_it_is_booked(desk: Desk) -> None:
    desk.account(rings_first=True)
    slot = desk.offer(await desk.booked()).slot
    assert slot is not None and slot.destination_first


async def test_a_missed_time_is_chosen_anew(desk: Desk) -> None:
    token = await desk.booked()
    await desk.round(MONDAY)
    ended = Ended(attempt_id=desk.calls.orders[0].attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER)
    await desk.offers.on_call_event(ended)
    assert desk.offer(token).state is State.MISSED
    await desk.bookings.book(token, asked(MONDAY + DAY))
    assert desk.offer(token).state is State.BOOKED
    await desk.booked(MONDAY + HOUR)
    assert len(desk.bookings.choices(token)) > MOST_REPLIES


async def test_the_store_holds_no_number_in_the_open(desk: Desk) -> None:
    await desk.booked()
    content = b"".join(p.read_bytes() for p in desk.path.parent.iterdir() if p.is_file())
    assert b"Europe/Paris" in content and b"199005678" not in content


async def test_changed_hours_are_seen_at_once(desk: Desk) -> None:
    desk.account()
    token = await desk.open()
    await desk.store.transact(
        lambda rows: accounts.set_hours(rows, "a", hours="Tue 9-10", time_zone="Europe/Paris", rings_first=False)
    )
    assert desk.bookings.choices(token)[0] == MONDAY + DAY
