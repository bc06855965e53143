"""PINs of offers on a real store: unique while an offer lives, worth one attempt, and not to be guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import count
from pathlib import Path

import pytest

from mailgate.calls.model import CallEvent, CallOrder, Channel, Ended, Kind, Outcome
from mailgate.offers.guesses import OF_ALL, OF_ONE, WITHIN_S, Guesses
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.service import Offers, Rules
from mailgate.store import pins as rows_of
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys, pin

RING = keys.KeyRing((keys.Key("k1", bytes(32)),))
TERMS = Terms(
    account_id="a",
    offeror_name="Ada Lovelace",
    destination_name="Ada Lovelace",
    destination=(Channel(Kind.TEL, "+33199001234"),),
    offeree_address="ben@example.net",
)
CALLER = "+33199005678"


class Waiting:
    """Stands where Asterisk does: takes orders for who waits on a channel."""

    def __init__(self) -> None:
        self.orders: list[CallOrder] = []

    async def originate(self, order: CallOrder) -> None:
        self.orders.append(order)

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        return True

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return dict.fromkeys(attempt_ids)


class Desk:
    def __init__(self, path: Path, digits: int) -> None:
        create(path)
        self.store, self.sealer, self.calls, self.at = Store(path), Sealer(RING), Waiting(), 1000.0
        ids = count(1)
        self.offers = Offers(
            store=self.store,
            sealer=self.sealer,
            ring=RING,
            rules=Rules(uses=2, pin_digits=digits),
            own_number="+33199000000",
            calls=self.calls,
            prepare=self.prepare,
            now=lambda: self.at,
            new_id=lambda: f"{next(ids):032x}",
        )

    async def prepare(self, offer: Offer) -> CallOrder:
        assert offer.attempt is not None
        return CallOrder(attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0])

    async def open(self) -> tuple[str, str]:
        """A new offer's token and PIN."""
        [opened] = await self.offers.open([TERMS])
        return opened.token, self.offers.look(opened.token).pin


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "s.db", 6)
    yield made
    await made.offers.close()
    made.store.close()


async def test_the_right_pin_begins_one_attempt_on_the_channel_that_waits(desk: Desk) -> None:
    token, digits = await desk.open()
    assert len(digits) == 6
    assert await desk.offers.dialled_in(digits, CALLER, "17.1") == "come"
    assert await desk.offers.dialled_in(digits, CALLER, "17.2") == "no"  # one at a time
    await asyncio.sleep(0.05)
    [order] = desk.calls.orders
    assert order.leg1 == Channel(Kind.DIAL_IN, "17.1")
    view = desk.offers.look(token)
    assert view.in_call and view.leg1_kind is Kind.DIAL_IN and view.pin == ""
    await desk.offers.on_call_event(Ended(attempt_id=order.attempt_id, outcome=Outcome.DESTINATION_BUSY))
    assert desk.offers.look(token).pin == digits


async def test_a_pin_ends_with_its_offer(desk: Desk) -> None:
    token, digits = await desk.open()
    await desk.offers.revoke(desk.offers.offer_id_of(token))
    assert await desk.offers.dialled_in(digits, CALLER, "17.1") == "wrong"
    token, digits = await desk.open()
    desk.at += 15 * 86_400
    assert await desk.offers.dialled_in(digits, CALLER, "17.1") == "no"
    assert desk.offers.look(token).pin == "" and not desk.calls.orders


async def test_a_pin_that_is_taken_is_not_given_twice(desk: Desk) -> None:
    """The digits that the second offer would get belong to the first already; free again, they may be given."""
    first, _ = await desk.open()
    wanted = pin.mint(RING.newest, offer_id=f"{2:032x}", generation=0, digits=6)
    holder = desk.offers.offer_id_of(first)
    await desk.store.transact(
        lambda rows: rows_of.put(rows, desk.sealer, wanted, offer_id=holder, key_id="k1", generation=9)
    )
    _, second = await desk.open()
    assert second == pin.mint(RING.newest, offer_id=f"{2:032x}", generation=1, digits=6)


async def test_the_store_holds_no_pin(desk: Desk) -> None:
    _, digits = await desk.open()
    await desk.store.transact(lambda rows: None)
    held = b"".join(p.read_bytes() for p in desk.store.path.parent.iterdir())
    assert digits.encode() not in held


async def test_without_digits_there_is_no_pin(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "s.db", 0)
    _, digits = await desk.open()
    assert digits == ""
    assert await desk.offers.dialled_in("000000", CALLER, "17.1") == "no"
    desk.store.close()


async def test_guessing_ends_soon(desk: Desk) -> None:
    _, digits = await desk.open()
    wrong = f"{(int(digits) + 1) % 10**6:06d}"
    for _ in range(OF_ONE):
        assert await desk.offers.dialled_in(wrong, CALLER, "17.1") == "wrong"
    assert await desk.offers.dialled_in(digits, CALLER, "17.1") == "no"
    assert await desk.offers.dialled_in(digits, "+33199009999", "17.2") == "come"


def test_all_callers_together_are_limited_too_and_time_heals() -> None:
    at = [0.0]
    guesses = Guesses(lambda: at[0])
    for n in range(OF_ALL):
        assert guesses.allowed(f"caller {n}")
        guesses.wrong(f"caller {n}")
    assert not guesses.allowed("anybody")
    at[0] += WITHIN_S
    assert guesses.allowed("anybody")
