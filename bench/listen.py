"""An offer to the screen of a listening application, while very many sockets are open in one process.

    python bench/listen.py [--sockets 10000] [--offers 500]

The gateway's side in this process: real store, offers, uvicorn, `/listen`; devices in processes of their own (each has
its own limit of open files), that sign in and acknowledge. Measured from `Offers.keep` (as mail calls it) to the moment
at which the device has read the message; both clocks are CLOCK_MONOTONIC of one machine. Then the memory of the gateway
for each socket: what RssAnon grew by.

Aim: 50 ms at the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from websockets.asyncio.client import connect

from mailgate.accounts.device import Device
from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import Channel, Kind
from mailgate.listening import Hearing, Listeners, ListeningSettings, Screens
from mailgate.offers.issue import Rules
from mailgate.offers.making import Making
from mailgate.offers.offer import Terms
from mailgate.offers.own import Own
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.reach import Reach
from mailgate.offers.service import Offers
from mailgate.presence import Presence
from mailgate.store import accounts, devices
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.web.settings import WebSettings
from tokens.keys import added

AIM_MS = 50.0
_AT_ONCE = 50


def rss_anon_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    return 0


async def _listen(url: str, keys: list[str], pipe: Any) -> None:
    """One process of devices: each acknowledges, and notes when it had read an offer."""
    gate = asyncio.Semaphore(_AT_ONCE)
    read: list[tuple[str, float]] = []

    async def device(key: str) -> None:
        async with gate:
            socket = await connect(url, compression=None, open_timeout=300, ping_interval=None, proxy=None)
            await socket.send(json.dumps({"type": "hello", "key": key}))
            await socket.recv()
        pipe.send("here")
        async for text in socket:
            at = time.monotonic()
            message = json.loads(text)
            if message["type"] == "offer":
                read.append((message["offer"], at))
                await socket.send(json.dumps({"type": "shown", "id": message["id"]}))

    tasks = [asyncio.create_task(device(key)) for key in keys]
    await asyncio.to_thread(pipe.recv)
    pipe.send(read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _process(url: str, keys: list[str], pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(keys) + 200,) * 2)
    uvloop.run(_listen(url, keys, pipe))


def _people(store: Store, sealer: Sealer, count: int) -> list[str]:
    """So many accounts, each with a device; the devices' keys."""
    keys = [f"mgl-{secrets.token_urlsafe(24)}" for _ in range(count)]

    def work(rows: Any) -> None:
        for number, key in enumerate(keys):
            account_id = f"a{number}"
            channel = Channel(Kind.SIP, f"user{number}")
            account = Account(
                account_id=account_id,
                display_name=f"Person {number}",
                addresses=(f"p{number}@example.net",),
                destinations=(Destination(name="default", display_name=f"Person {number}", channels=(channel,)),),
            )
            accounts.insert(rows, sealer, account)
            made = Device(device_id=f"d{number}", account_id=account_id, name="device", created_at=0.0)
            devices.insert(rows, sealer, made, key)

    store.transact_now(work)
    return keys


async def _there(channel: Channel) -> bool:
    return True


async def _none(_: object) -> Any:
    raise AssertionError("nobody calls here")


async def measure(sockets: int, count: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        create(path)
        store, ring = Store(path), added(None, "k1", os.urandom(32))
        sealer = Sealer(ring)
        keys = await asyncio.to_thread(_people, store, sealer, sockets)
        rules = Rules()
        offers = Offers(
            store=store,
            sealer=sealer,
            ring=ring,
            rules=rules,
            own_number="+33199000000",
            calls=None,  # type: ignore[arg-type]
            prepare=_none,
            now=time.time,
            new_id=lambda: os.urandom(16).hex(),
        )
        making = Making(
            store=store, sealer=sealer, ring=ring, rules=rules, now=time.time, new_id=lambda: os.urandom(16).hex()
        )
        settings = ListeningSettings(public_url="http://127.0.0.1", region="FR", most_sockets=sockets + 10)
        screens = Screens(
            store=store,
            sealer=sealer,
            offers=offers,
            say=lambda notice: (f"{notice.values['offeror']} offers you a call", ""),
            settings=settings,
            now=time.time,
            present=Presence(time.time, lambda name: False),
            pushes=None,
        )
        hearing = Hearing(
            store=store,
            sealer=sealer,
            offers=offers,
            making=making,
            own_order=OwnOrder(offers, Reach(store, sealer), _there, own_number="+33199000000", now=time.time),
            dial=lambda text, region: Channel.parse(text),
            settings=settings,
            now=time.time,
            posted=lambda: None,
            screens=screens,
        )
        listeners = Listeners(
            store=store, sealer=sealer, screens=screens, hearing=hearing, settings=settings, now=time.time
        )
        offers.on_kept = screens.kept
        web = WebSettings(
            public_url="http://127.0.0.1",
            organisation="Bench",
            gateway_number="+33199000000",
            default_region="FR",
            keys=ring,
        )
        own = Own(store=store, sealer=sealer, offers=offers, now=time.time)
        server = WebServer(
            create_app(web, offers, lambda a, b: Channel.parse(a), own=own, listeners=listeners),
            host="127.0.0.1",
            port=0,
        )
        await server.start()
        before = rss_anon_kib()
        url = f"ws://127.0.0.1:{server.port}/listen"
        workers = []
        for part in range(4):
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=_process, args=(url, keys[part::4], theirs), daemon=True
            )
            process.start()
            workers.append((process, ours))
        began = time.monotonic()
        here = 0
        while here < sockets:
            for _, pipe in workers:
                while pipe.poll():
                    assert pipe.recv() == "here"
                    here += 1
            await asyncio.sleep(0.05)
        print(f"{here} sockets signed in after {time.monotonic() - began:.0f} s", flush=True)
        await asyncio.sleep(5)  # what signing in has left to do is not what is measured
        grown = rss_anon_kib() - before
        sent: dict[str, float] = {}
        for number in range(count):
            to = (number * 7919) % sockets
            terms = Terms(
                account_id="a0",
                offeror_name="Ada Lovelace",
                destination_name="Ada Lovelace",
                destination=(Channel(Kind.SIP, "ada"),),
                offeree_address=f"p{to}@example.net",
            )
            issued = offers.new(terms)
            sent[issued.offer.offer_id] = time.monotonic()
            await offers.keep([issued.fresh()])
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)
        read: dict[str, float] = {}
        for process, pipe in workers:
            pipe.send("end")
            read |= dict(await asyncio.to_thread(pipe.recv))
            process.join(5)
        await server.stop()
        store.close()
    assert read.keys() == sent.keys(), f"{len(sent)} offers, {len(read)} shown"
    took = sorted((read[each] - sent[each]) * 1000 for each in sent)
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    print(
        f"offer → read by a listener, {sockets} sockets open, {count} offers: median {statistics.median(took):.1f} ms,"
    )
    verdict = "aim" if p99 <= AIM_MS else "MISSED"
    print(f"  99th percentile {p99:.1f} ms, longest {took[-1]:.1f} ms: {verdict} ({AIM_MS:.0f})")
    print(
        f"memory: {grown / sockets:.1f} KiB a socket (RssAnon {before / 1024:.0f} → {(before + grown) / 1024:.0f} MiB)"
    )
    return p99 <= AIM_MS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--offers", type=int, default=500)
    wished = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (wished.sockets + 500,) * 2)
    raise SystemExit(0 if uvloop.run(measure(wished.sockets, wished.offers)) else 1)


if __name__ == "__main__":
    main()
