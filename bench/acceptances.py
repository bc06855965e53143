"""Acceptances a second: token, compare-and-set, durable commit, Originate; against the store's single commits.

    python bench/acceptances.py               3,000 offers, 50 presses at a time
    python bench/acceptances.py --profile     says where the time goes (cProfile; slower)

The service, the store (synchronous=FULL) and the link to Asterisk are the gateway's own; in Asterisk's place stands a
recorder that speaks its manager protocol in a process of its own. Announcements are made before, as they are once
they were heard. It fails unless each offer has exactly one attempt, each attempt exactly one Originate, and none of
them is another's. The reference: single commits of a row, one after the other, in the same store.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import multiprocessing
import os
import pstats
import re
import sys
import tempfile
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import uvloop  # noqa: E402

from mailgate.accounts.model import Account, Destination  # noqa: E402
from mailgate.call_desk import CallDesk  # noqa: E402
from mailgate.calls import plan  # noqa: E402
from mailgate.calls.asterisk import Asterisk  # noqa: E402
from mailgate.calls.model import CallEvent, Channel, Kind  # noqa: E402
from mailgate.calls.settings import AsteriskSettings  # noqa: E402
from mailgate.calls.speech import Speech, SpeechSettings  # noqa: E402
from mailgate.offers.offer import Terms  # noqa: E402
from mailgate.offers.service import Offers, Opened, Rules  # noqa: E402
from mailgate.store import accounts  # noqa: E402
from mailgate.store.database import Row, Rows, Store, create  # noqa: E402
from mailgate.store.seal import Sealer  # noqa: E402
from tokens.keys import Key, KeyRing  # noqa: E402

MUST, AIM = 300.0, 600.0
GATEWAY = "+33199000000"
ADA = Channel(Kind.TEL, "+33199001234")
RING = KeyRing((Key("k1", bytes(32)),))
_FIELD = re.compile(rb"(?im)^(action|actionid|channelid): *([^\r]*)\r")


async def _record(pipe: Connection) -> None:
    """Speaks AMI as far as a gateway asks, and keeps the ids of what it was told to call."""
    called: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/9.0.0\r\n")
        while True:
            try:
                asked = {k.lower(): v for k, v in _FIELD.findall(await reader.readuntil(b"\r\n\r\n"))}
            except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
                return
            action = asked[b"action"].lower()
            answer = b"Response: Success\r\nActionID: " + asked.get(b"actionid", b"") + b"\r\nMessage: done\r\n"
            if action == b"getvar":
                answer += b"Variable: x\r\nValue: 1\r\n"
            if action == b"originate":
                called.append(asked[b"channelid"].decode())
            writer.write(answer + b"\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    pipe.send(called)


def record(pipe: Connection) -> None:
    uvloop.run(_record(pipe))


def single_commits(store: Store, seconds: float = 1.0) -> float:
    """A second: each waits for its own fsync."""
    done, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        store.transact_now(lambda rows: rows.run("put_suppression", digest=os.urandom(32), since=0.0, reason="bench"))
        done += 1
    return done / seconds


class House:
    """A gateway's calling side."""

    def __init__(self, folder: Path, ami_port: int) -> None:
        create(folder / "store.db")
        self.store, self.sealer = Store(folder / "store.db"), Sealer(RING)
        way = Destination(name="default", display_name="Ada", channels=(ADA,), verified=frozenset({ADA}))
        account = Account(
            account_id="a", display_name="Ada Lovelace", addresses=("ada@example.org",), destinations=(way,)
        )
        self.store.transact_now(lambda rows: accounts.insert(rows, self.sealer, account))

        async def told(event: CallEvent) -> None:
            raise AssertionError("a recorder tells nothing")

        settings = AsteriskSettings(gateway_number=GATEWAY, port=ami_port, secret="secret-of-the-bench")
        self.asterisk = Asterisk(settings, told)
        ids = itertools.count(1)
        sounds = folder / "sounds"
        desk = CallDesk(self.asterisk, Speech(SpeechSettings(folder=sounds)), sounds, plan.Limits())
        self.offers = Offers(
            store=self.store,
            sealer=self.sealer,
            ring=RING,
            rules=Rules(),
            own_number=GATEWAY,
            calls=self.asterisk,
            prepare=desk.prepare,
            now=time.time,
            new_id=lambda: f"{next(ids):032x}",
        )

    async def open(self, count: int) -> list[Opened]:
        terms = Terms(
            account_id="a",
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(ADA,),
            offeree_address="ben@example.net",
        )
        return await self.offers.open([terms] * count)


async def press(house: House, opened: list[Opened], at_once: int) -> float:
    """Seconds until all are accepted and ordered."""
    waiting = iter(enumerate(opened))

    async def person() -> None:
        for number, each in waiting:
            await house.offers.accept(each.token, Channel(Kind.TEL, f"+331991{number:05}"), browser=f"{number:032x}")

    began = time.perf_counter()
    await asyncio.gather(*(person() for _ in range(at_once)))
    await house.offers.close()  # until the last order has reached the recorder
    return time.perf_counter() - began


def _attempts_of(rows: Rows, *, offer_id: str) -> list[Row]:
    return rows.all("attempts_of", offer_id=offer_id)


def check(house: House, opened: list[Opened], called: list[str]) -> None:
    """None lost, none doubled, none another's."""
    placed = [
        row["attempt_id"] for each in opened for row in house.store.read(partial(_attempts_of, offer_id=each.offer_id))
    ]
    assert len(placed) == len(opened), f"{len(opened)} accepted, {len(placed)} attempts"
    assert len(called) == len(set(called)), "an attempt was sent twice"
    assert set(called) == set(placed), (
        f"{len(set(placed) - set(called))} lost, {len(set(called) - set(placed))} foreign"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--standing", type=int, default=0, metavar="OFFERS", help="others that are open besides")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    recorder = multiprocessing.get_context("spawn").Process(target=record, args=(theirs,), daemon=True)
    recorder.start()
    with tempfile.TemporaryDirectory(prefix="mg") as folder:
        house = House(Path(folder), await asyncio.to_thread(ours.recv))
        await house.asterisk.start()
        assert house.asterisk.connected, house.asterisk.trouble
        for _ in range(0, options.standing, 1000):
            await house.open(1000)
        warm, opened = await house.open(1), await house.open(options.count)
        await press(house, warm, 1)
        commits = await asyncio.to_thread(single_commits, house.store)
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        cpu = time.process_time()
        took = await press(house, opened, options.at_once)
        cpu = time.process_time() - cpu
        profile.disable()
        ours.send("done")
        called = await asyncio.to_thread(ours.recv)
        check(house, warm + opened, called)
        await house.asterisk.stop()
        house.store.close()
    recorder.join(10)
    rate = options.count / took
    verdict = "aim" if rate >= AIM else "must" if rate >= MUST else "MISSED"
    print(f"acceptances/s            {rate:8.0f}   must {MUST:.0f}, aim {AIM:.0f}: {verdict}")
    print(f"single commits/s         {commits:8.0f}   ratio {rate / commits:.2f}")
    print(f"CPU of an acceptance, ms {cpu / options.count * 1000:8.2f}")
    print(f"{len(called)} Originates of {options.count + 1} offers: none lost, none doubled")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    uvloop.run(main())
