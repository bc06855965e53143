"""How fast the accept page is, against a static file from the same server: prints both rates and their ratio.

    python bench/page.py [--seconds 4] [--rounds 5] [--connections 8] [--offers 1000]

The server runs in a process of its own (uvloop, real store, real offers); every page is of another offer, and each
answer is checked to be that offer's page. Page and file alternate, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from mailgate.calls.model import CallEvent, CallOrder, Channel, Kind
from mailgate.errors import CallRefused
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.service import Offers, Rules
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.web.settings import WebSettings
from tokens.keys import added

KEYS = added(None, "bench", b"b" * 32)
BATCH = 5000


class NoCalls:
    """Nobody presses here."""

    async def originate(self, order: CallOrder) -> None:
        raise AssertionError("a GET placed a call")

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        raise AssertionError("a GET ended a call")

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        return {}


async def _no_order(offer: Offer) -> CallOrder:
    raise AssertionError("a GET asked for a call")


def _no_dial(number: str, region: str) -> Channel:
    raise CallRefused("other")


def _terms(number: int) -> Terms:
    return Terms(
        account_id="a",
        offeror_name=f"Ada {number}",
        destination_name=f"Ada {number}",
        destination=(Channel(Kind.TEL, "+33199001234"),),
        offeree_address="ben@example.net",
    )


async def _serve(pipe: Connection, count: int, folder: str) -> None:
    path = Path(folder) / "store.db"
    create(path)
    store = Store(path)
    ids = itertools.count(1)
    offers = Offers(
        store=store,
        sealer=Sealer(KEYS),
        ring=KEYS,
        rules=Rules(),
        own_number="+33199000000",
        calls=NoCalls(),
        prepare=_no_order,
        now=time.time,
        new_id=lambda: f"{next(ids):032x}",
    )
    tokens: list[str] = []
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        tokens += [each.token for each in await offers.open([_terms(number) for number in numbers])]
    settings = WebSettings(
        public_url="http://127.0.0.1",
        organisation="Analytical Engines",
        gateway_number="+33199000001",
        default_region="FR",
        keys=KEYS,
    )
    app = create_app(settings, offers, _no_dial)
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    pipe.send((server.port, tokens))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await server.stop()
    store.close()


def serve(pipe: Connection, count: int, folder: str) -> None:
    uvloop.run(_serve(pipe, count, folder))


async def _client(port: int, paths: Iterator[tuple[str, bytes]], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < until:
        path, expected = next(paths)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept-Language: en-GB,en;q=0.5\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        assert expected in await reader.readexactly(length), path
        done += 1
    writer.close()
    return done


async def rate(port: int, paths: Iterator[tuple[str, bytes]], connections: int, seconds: float) -> float:
    """Answers per second."""
    began = time.perf_counter()
    done = await asyncio.gather(*(_client(port, paths, began + seconds) for _ in range(connections)))
    return sum(done) / (time.perf_counter() - began)


def cpu_s(pid: int) -> float:
    """CPU time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(port: int, tokens: list[str], pid: int, arguments: argparse.Namespace) -> None:
    pages = itertools.cycle((f"/a/{token}", b"Ada %d offers" % n) for n, token in enumerate(tokens))
    _, writer = first = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /a/{tokens[0]} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
    style = (await first[0].read()).decode().split('rel="stylesheet" href="')[1].split('"')[0]
    writer.close()
    files = itertools.repeat((style, b":root"))
    rates, costs = [], []
    for _ in range(arguments.rounds):
        found, cost = [], []
        for paths in (pages, files):
            before = cpu_s(pid)
            found.append(await rate(port, paths, arguments.connections, arguments.seconds))
            cost.append((cpu_s(pid) - before) / (found[-1] * arguments.seconds) * 1e6)
        rates.append(found[0] / found[1])
        costs.append(cost[1] / cost[0])
        print(
            f"page {found[0]:6.0f}/s, {cost[0]:4.0f} µs CPU   static file {found[1]:6.0f}/s, {cost[1]:4.0f} µs CPU"
            f"   ratio {rates[-1]:.2f}, by CPU {costs[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(rates):.2f}, by the server's CPU time {statistics.median(costs):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--offers", type=int, default=1000)
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, arguments.offers, folder))
        process.start()
        port, tokens = ours.recv()
        assert process.pid is not None
        try:
            uvloop.run(measure(port, tokens, process.pid, arguments))
        finally:
            ours.send("stop")
            process.join()


if __name__ == "__main__":
    main()
