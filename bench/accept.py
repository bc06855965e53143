"""From the press to the telephone: POST sent → INVITE at leg 1's telephone, against a bare Originate in the same run.

    python bench/accept.py            100 of each, in turn
    python bench/accept.py --count 30
    python bench/accept.py --standing 1000000 --watchers 10000
                                      then the same again while so many offers are open and so many pages watched

A real gateway (`mailgate serve`), a real Asterisk, a scripted telephone network on the trunk that refuses each call
at once. The bare Originate goes over a manager connection of the bench's own, with the same channel. Needs root for
the world's Postfix (see scripts/lab/world.py).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts")]

import httpx  # noqa: E402
from lab.phone import Reject  # noqa: E402
from lab.world import World  # noqa: E402
from page_crowd import watch  # noqa: E402

from mailgate.calls.model import Channel, Kind  # noqa: E402
from mailgate.keyfiles import load_ring  # noqa: E402
from mailgate.offers.fresh import fresh  # noqa: E402
from mailgate.offers.offer import Offer, Terms  # noqa: E402
from mailgate.store import offers as rows_of  # noqa: E402
from mailgate.store.database import Store  # noqa: E402
from mailgate.store.seal import Sealer  # noqa: E402
from tokens import coupon  # noqa: E402
from tokens.keys import KeyRing  # noqa: E402

ADA = Channel(Kind.TEL, "+33199001234")


def open_offers(world: World, count: int) -> list[str]:
    """Links of fresh offers, put into the gateway's store beside it."""
    ring = load_ring(world.gateway.folder / "keys" / "token.keys")
    sealer = Sealer(load_ring(world.gateway.folder / "keys" / "number.keys"))
    store = Store(world.gateway.folder / "mailgate.db")
    links = []
    while count > 0:
        links += _open_some(world, store, ring, sealer, min(count, 5000))
        count -= 5000
    store.close()
    return links


def _open_some(world: World, store: Store, ring: KeyRing, sealer: Sealer, count: int) -> list[str]:
    made, links = [], []
    for _ in range(count):
        offer_id = uuid.uuid4().hex
        token = coupon.mint(ring.newest, offer_id=offer_id, purpose=coupon.Purpose.ACCEPT)
        terms = Terms(
            account_id="bench",
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(ADA,),
            offeree_address="ben@example.net",
        )
        offer = Offer(offer_id=offer_id, terms=terms, created_at=time.time(), expires_at=time.time() + 3600)
        made.append(fresh(offer, fingerprint=coupon.fingerprint(token), key_id=ring.newest.key_id))
        links.append(f"{world.gateway.url}/a/{token}")
    store.transact_now(lambda rows: rows_of.insert(rows, sealer, made))
    return links


async def nonce_of(client: httpx.AsyncClient, link: str) -> str:
    page = (await client.get(link)).text
    return page.partition('name="nonce" value="')[2].partition('"')[0]


async def invited_at(world: World, number: str) -> float:
    """When the telephone of that number got its INVITE (monotonic seconds)."""
    await world.network.call(number, timeout_s=10)
    return next(t for t, way, m in world.network.wire if way == "in" and m.startswith(f"INVITE sip:{number}@"))


async def press(world: World, link: str, nonce: str, number: str) -> float:
    """Seconds from the POST to the INVITE; the request is written by hand, so that no client counts in."""
    body = f"nonce={quote(nonce)}&region=FR&number={quote(number)}".encode()
    path = link.removeprefix(world.gateway.url)
    head = (
        f"POST {path}/call HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.web_port)
    began = time.monotonic()
    writer.write(head + body)
    took = await invited_at(world, number) - began
    assert (await reader.readline()).split()[1] == b"303"
    writer.close()
    return took


async def originate(world: World, writer: asyncio.StreamWriter, number: str) -> float:
    """The same for an Originate that nobody thought about."""
    action = {
        "Action": "Originate",
        "ActionID": number,
        "Channel": f"PJSIP/{number}@trunk",
        "Context": "mailgate-call",
        "Exten": "s",
        "Priority": "1",
        "Async": "true",
    }
    began = time.monotonic()
    writer.write("".join(f"{k}: {v}\r\n" for k, v in action.items()).encode() + b"\r\n")
    return await invited_at(world, number) - began


def row(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{name:18} {statistics.median(ordered) * 1000:8.1f} {p99 * 1000:8.1f}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--standing", type=int, default=0, metavar="OFFERS")
    parser.add_argument("--watchers", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (options.watchers + 1000,) * 2)  # the gateway inherits it
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp") as folder:
        async with World(Path(folder)) as world:
            world.network.plan = lambda number: Reject(code=486, after=0.0)
            calm = await measure(world, options.count, 0)
            if options.standing:
                async with crowd(world, options.standing, options.watchers):
                    crowded = await measure(world, options.count, options.count + 5)
                print(f"{statistics.median(crowded) / statistics.median(calm):.2f} × as long in the crowd (p50)")


@asynccontextmanager
async def crowd(world: World, standing: int, watchers: int) -> AsyncIterator[None]:
    """So many offers are open, and so many of their pages are watched."""
    links = await asyncio.to_thread(open_offers, world, standing)
    tokens = [link.rpartition("/")[2] for link in links[:: max(1, standing // max(1, watchers))]][:watchers]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    watching = context.Process(target=watch, args=(theirs, world.gateway.web_port, tokens))
    watching.start()
    print(f"{standing} offers are open, {await asyncio.to_thread(ours.recv)} pages are watched", flush=True)
    try:
        yield
    finally:
        ours.send("stop")
        await asyncio.to_thread(watching.join)


async def measure(world: World, count: int, first: int) -> list[float]:
    """Print both ways' times, and give those of the presses; numbers are called from the `first` on."""
    pressed: list[float] = []
    bare: list[float] = []
    async with httpx.AsyncClient() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.ami_port)
        login = f"Action: Login\r\nUsername: mailgate\r\nSecret: {world.gateway.ami_secret}\r\nEvents: off\r\n\r\n"
        writer.write(login.encode())
        await reader.readuntil(b"\r\n\r\n")
        for n, link in enumerate(open_offers(world, count + 5), first):
            nonce = await nonce_of(client, link)
            pressed.append(await press(world, link, nonce, f"+331991{n:05}"))
            bare.append(await originate(world, writer, f"+331992{n:05}"))
            await asyncio.sleep(0.02)
        writer.close()
    print(f"{'n = ' + str(count):18} {'p50 ms':>8} {'p99 ms':>8}")
    print(row("press → INVITE", pressed[5:]))
    print(row("bare → INVITE", bare[5:]), flush=True)
    return pressed[5:]


if __name__ == "__main__":
    asyncio.run(main())
