"""Bookings and scheduler on a real store, with a clock that can be set and a recorder where Asterisk is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.offers.booking import Asked, Bookings
from mailgate.offers.events import Booked
from mailgate.offers.fresh import fresh
from mailgate.offers.notice import Notice
from mailgate.offers.offer import Offer, Terms, step
from mailgate.offers.scheduler import Scheduler
from mailgate.offers.service import Offers, Rules
from mailgate.offers.slots import Rules as SlotRules
from mailgate.offers.slots import Slot
from mailgate.store import accounts, outbox
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens import keys

RING = keys.KeyRing((keys.Key("k1", bytes(32)),))
SEALER = Sealer(RING)
ADA = Channel(Kind.TEL, "+33199001234")
BEN = Channel(Kind.TEL, "+33199005678")
OWN_NUMBER = "+33199000000"
MONDAY = 1_800_259_200.0
"""2027-01-18 at 9 in Paris."""
HOUR, DAY = 3600.0, 86400.0
RULES = SlotRules(hours="Mon-Fri 9-18", zone="Europe/Paris", capacity=3)


@dataclass
class Recorder:
    """Takes orders and remembers them; `answer` may raise what Asterisk would."""

    orders: list[CallOrder] = field(default_factory=list)
    known: dict[str, CallEvent | None] = field(default_factory=dict)
    answer: Callable[[], None] = lambda: None

    async def originate(self, order: CallOrder) -> None:
        self.orders.append(order)
        self.answer()

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        return True

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return {i: self.known.get(i) for i in attempt_ids}


@dataclass
class Desk:
    """One gateway's slots. `at` is what its clock shows."""

    path: Path
    rules: SlotRules = RULES
    at: float = MONDAY - DAY
    ready: bool = True
    calls: Recorder = field(default_factory=Recorder)
    rehearsed: list[str] = field(default_factory=list)
    ids: Iterable[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A process that has just begun, over what the store holds."""
        self.store = Store(self.path)
        self.offers = Offers(
            store=self.store,
            sealer=SEALER,
            ring=RING,
            rules=Rules(valid_s=30 * DAY, uses=1, attempts=3),
            own_number=OWN_NUMBER,
            calls=self.calls,
            prepare=self._prepare,
            now=self.now,
            new_id=self.new_id,
        )
        self.bookings = Bookings(
            self.offers, store=self.store, sealer=SEALER, rules=self.rules, own_number=OWN_NUMBER, now=self.now
        )
        self.scheduler = Scheduler(
            self.offers,
            store=self.store,
            sealer=SEALER,
            capacity=self.rules.capacity,
            own_number=OWN_NUMBER,
            now=self.now,
            new_id=self.new_id,
            ready=lambda: self.ready,
            rehearse=self._rehearse,
        )

    async def stop(self) -> None:
        await self.offers.close()
        self.store.close()

    def now(self) -> float:
        return self.at

    def new_id(self) -> str:
        return f"{next(iter(self.ids)):032x}"

    async def _prepare(self, offer: Offer) -> CallOrder:
        assert offer.attempt is not None
        return CallOrder(attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0])

    async def _rehearse(self, offer: Offer) -> None:
        self.rehearsed.append(offer.offer_id)

    def account(self, account_id: str = "a", **changes: object) -> None:
        made = Account(
            account_id=account_id,
            display_name="Ada Lovelace",
            addresses=(f"{account_id}@example.org",),
            destinations=(
                Destination(name="default", display_name="Ada Lovelace", channels=(ADA,), verified=frozenset({ADA})),
            ),
            **changes,  # type: ignore[arg-type]
        )
        self.store.transact_now(lambda rows: accounts.insert(rows, SEALER, made))

    async def open(self, account_id: str = "a") -> str:
        """A new offer's token."""
        terms = Terms(
            account_id=account_id,
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(ADA,),
            offeree_address="ben@example.net",
        )
        return (await self.offers.open([terms]))[0].token

    async def booked(self, start: float = MONDAY, account_id: str = "a", leg1: Channel = BEN) -> str:
        """The token of an offer whose call is to be made at that time."""
        token = await self.open(account_id)
        await self.bookings.book(token, asked(start, leg1))
        return token

    async def round(self, at: float | None = None) -> None:
        """The scheduler's work at a moment, and the calls that come of it under way."""
        self.at = self.at if at is None else at
        while await self.scheduler.round():
            pass
        await self.offers.close()

    def offer(self, token: str) -> Offer:
        offer_id = self.offers.offer_id_of(token)
        found = self.store.read(lambda rows: rows_of.by_id(rows, SEALER, offer_id))
        assert found is not None
        return found

    def notices(self) -> list[Notice]:
        return [notice for notice, _ in self.store.read(lambda rows: outbox.due(rows, SEALER, 1e12, 1000))]


def asked(start: float, leg1: Channel | None = BEN, **more: object) -> Asked:
    return Asked(start=start, zone="Europe/Paris", leg1=leg1, **more)  # type: ignore[arg-type]


def book_many(store: Store, number: int, start: Callable[[int], float], leg1: Callable[[int], Channel]) -> list[str]:
    """Offers that are booked already, put into the store in one go; their ids."""
    made: list[Offer] = []
    for n in range(number):
        terms = Terms(
            account_id=f"account{n}",
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(ADA,),
            offeree_address=f"ben{n}@example.net",
        )
        made.append(Offer(offer_id=f"{n:032x}", terms=terms, created_at=0.0, expires_at=start(n) + DAY))

    def work(rows: Rows) -> None:
        rows_of.insert(
            rows, SEALER, [fresh(o, fingerprint=sha256(o.offer_id.encode()).digest(), key_id="k1") for o in made]
        )
        for n, offer in enumerate(made):
            slot = Slot(start=start(n), minutes=15, zone="Europe/Paris", leg1=leg1(n))
            changed, _ = step(offer, Booked(slot=slot), start(n) - HOUR)
            assert rows_of.swap(rows, SEALER, offer, changed, event="booked", at=0.0)

    store.transact_now(work)
    return [each.offer_id for each in made]
