"""Booked calls: how long the scheduler alone takes for 10,000 slots of one minute, and how late 200 real ones ring.

    python bench/slots.py                 10,000 slots due in one minute; a clock of its own, a recorder for Asterisk
    python bench/slots.py --count 2000
    python bench/slots.py --real 200      slots of one moment through `mailgate serve` and a real Asterisk: INVITE at
                                          the telephone against the slot's time (needs root: the world has a Postfix)

The first is to be done within the minute (must 60 s, aim 20 s), each slot rung once. The second is to ring within 2 s
of its time (must; aim 1 s); all calls begin at one moment, which is the worst there is, and what they speak was made
ready before. The telephone network refuses each call at once.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts"), str(HERE.parent / "tests" / "offers")]

from lab.phone import Reject  # noqa: E402
from lab.world import World  # noqa: E402
from slot_desk import MONDAY, RULES, Desk, book_many  # noqa: E402

from mailgate.calls.model import Channel, Kind  # noqa: E402
from mailgate.keyfiles import load_ring  # noqa: E402
from mailgate.offers.events import Booked  # noqa: E402
from mailgate.offers.fresh import fresh  # noqa: E402
from mailgate.offers.offer import Offer, Terms, step  # noqa: E402
from mailgate.offers.slots import Rules, Slot  # noqa: E402
from mailgate.store import offers as rows_of  # noqa: E402
from mailgate.store.database import Rows, Store, create  # noqa: E402
from mailgate.store.seal import Sealer  # noqa: E402

ADA = Channel(Kind.TEL, "+33199001234")


def verdict(figure: float, must: float, aim: float) -> str:
    return "aim" if figure <= aim else "must" if figure <= must else "MISSED"


def number(n: int) -> str:
    return f"+331992{n:05}"


async def alone(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        create(path)
        rules = Rules(hours=RULES.hours, zone=RULES.zone, capacity=2 * count)
        desk = Desk(path, rules=rules)
        book_many(desk.store, count, lambda n: MONDAY + n * 60 / count, lambda n: Channel(Kind.TEL, number(n)))
        wall, cpu = time.monotonic(), time.process_time()
        await desk.round(MONDAY + 60)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        rung = Counter(order.leg1.address for order in desk.calls.orders)
        await desk.stop()
    assert len(rung) == count and set(rung.values()) == {1}, "each slot is rung, and once"
    per_minute = wall * 10_000 / count
    print(f"{count} slots of one minute: {wall:.1f} s, {cpu / count * 1000:.2f} ms CPU each", end="  ")
    print(verdict(per_minute, 60, 20))


def book(world: World, count: int, at: float) -> None:
    """Offers of that many accounts, each booked for the same moment, put into the gateway's store beside it."""
    sealer = Sealer(load_ring(world.gateway.folder / "keys" / "number.keys"))
    store = Store(world.gateway.folder / "mailgate.db")

    def work(rows: Rows) -> None:
        for n in range(count):
            terms = Terms(
                account_id=f"bench{n}",
                offeror_name=f"Ada the {n}th",
                destination_name="Ada",
                destination=(ADA,),
                offeree_address=f"ben{n}@example.net",
            )
            offer = Offer(offer_id=f"{n:032x}", terms=terms, created_at=at - 3600, expires_at=at + 3600)
            mark = sha256(offer.offer_id.encode()).digest()
            rows_of.insert(rows, sealer, [fresh(offer, fingerprint=mark, key_id="bench")])
            slot = Slot(start=at, minutes=15, zone="Europe/Paris", leg1=Channel(Kind.TEL, number(n)))
            booked, _ = step(offer, Booked(slot=slot), at - 1800)
            assert rows_of.swap(rows, sealer, offer, booked, event="booked", at=at - 1800)

    store.transact_now(work)
    store.close()


async def real(count: int, ahead_s: float) -> None:
    configuration = {"later": {"capacity": 2 * count}}
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp") as folder:
        async with World(Path(folder), configuration=configuration) as world:
            world.network.plan = lambda _: Reject(code=486, after=0.0)
            at = time.time() + ahead_s
            book(world, count, at)
            wanted = {number(n) for n in range(count)}
            rang: dict[str, float] = {}
            while time.time() < at + 30 and len(rang) < count:
                await asyncio.sleep(0.5)
                offset = time.time() - time.monotonic()
                for when, way, message in list(world.network.wire):
                    called = message.partition("sip:")[2].partition("@")[0]
                    if way == "in" and message.startswith("INVITE") and called in wanted:
                        rang.setdefault(called, when + offset - at)
            tell(count, rang, world)


def tell(count: int, rang: dict[str, float], world: World) -> None:
    """The figures, once it is sure that each slot rang, not before its time, and once."""
    calls = {
        call_id(message)
        for _, way, message in world.network.wire
        if way == "in" and message.startswith("INVITE") and "+331992" in message.partition("\r\n")[0]
    }
    assert len(rang) == count, f"only {len(rang)} of {count} rang"
    assert len(calls) == count, f"{len(calls)} calls for {count} slots"
    late = sorted(rang.values())
    assert late[0] > -0.01, "none before its time"
    p99 = late[int(count * 0.99) - 1]
    print(
        f"{count} slots of one moment: p50 {statistics.median(late) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms,", end=" "
    )
    print(f"last {late[-1] * 1000:.0f} ms after their time  {verdict(late[-1], 2, 1)}", flush=True)


def call_id(message: str) -> str:
    return message.partition("Call-ID: ")[2].partition("\r\n")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--real", type=int, default=0, metavar="SLOTS")
    parser.add_argument("--ahead", type=float, default=90.0, help="seconds for the speech to be made ready")
    given = parser.parse_args()
    asyncio.run(real(given.real, given.ahead) if given.real else alone(given.count))


if __name__ == "__main__":
    main()
