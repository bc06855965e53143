"""How the accept page bears a crowd: its GET with a million open offers and ten thousand watchers, against a thousand.

    python bench/page_crowd.py [--offers 1000000] [--watchers 10000] [--seconds 4] [--rounds 5]

Two servers run, each in a process of its own: one with 1,000 offers and nobody watching, one with the crowd. Pages of
either are asked for in turn, so that what else the machine does hits both; the figures are time per page, crowd to
calm. The watchers sit in a third process and hold an open event stream each, to offers all over the store.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import resource
import statistics
import tempfile
import time
from multiprocessing.connection import Connection

import page
import uvloop

CALM = 1000
ASKED_FOR = 2000
"""Different pages that are asked for; more would only fill the pipe."""


async def _watch(port: int, token: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /a/{token}/events HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    await reader.readuntil(b"data: ")
    return writer


async def _watchers(pipe: Connection, port: int, tokens: list[str]) -> None:
    held: list[asyncio.StreamWriter] = []
    for some in (tokens[i : i + 100] for i in range(0, len(tokens), 100)):
        held += await asyncio.gather(*(_watch(port, token) for token in some))
    pipe.send(len(held))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


def watch(pipe: Connection, port: int, tokens: list[str]) -> None:
    uvloop.run(_watchers(pipe, port, tokens))


async def measure(servers: list[tuple[int, list[str], int]], arguments: argparse.Namespace) -> None:
    pages = [
        itertools.cycle((f"/a/{token}", b" offers you a call") for token in tokens[:ASKED_FOR])
        for _, tokens, _ in servers
    ]
    slower, dearer = [], []
    for _ in range(arguments.rounds):
        rates, costs = [], []
        for (port, _, pid), paths in zip(servers, pages, strict=True):
            before = page.cpu_s(pid)
            rates.append(await page.rate(port, paths, arguments.connections, arguments.seconds))
            costs.append((page.cpu_s(pid) - before) / (rates[-1] * arguments.seconds) * 1e6)
        slower.append(rates[0] / rates[1])
        dearer.append(costs[1] / costs[0])
        print(
            f"calm {rates[0]:6.0f}/s, {costs[0]:4.0f} µs CPU   crowd {rates[1]:6.0f}/s, {costs[1]:4.0f} µs CPU   "
            f"× {slower[-1]:.2f}, by CPU × {dearer[-1]:.2f}",
            flush=True,
        )
    print(f"median × {statistics.median(slower):.2f}, by the server's CPU time × {statistics.median(dearer):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offers", type=int, default=1_000_000)
    parser.add_argument("--watchers", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.watchers + 500,) * 2)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as calm, tempfile.TemporaryDirectory() as crowd:
        started: list[tuple[Connection, multiprocessing.process.BaseProcess]] = []
        servers: list[tuple[int, list[str], int]] = []
        try:
            for folder, count in ((calm, CALM), (crowd, arguments.offers)):
                ours, theirs = context.Pipe()
                process = context.Process(target=page.serve, args=(theirs, count, folder))
                began = time.perf_counter()
                process.start()
                started.append((ours, process))
                port, tokens = ours.recv()
                assert process.pid is not None
                servers.append((port, tokens, process.pid))
                print(f"{count} offers are open after {time.perf_counter() - began:.0f} s", flush=True)
            ours, theirs = context.Pipe()
            port, tokens, _ = servers[1]
            spread = tokens[:: max(1, len(tokens) // arguments.watchers)][: arguments.watchers]
            watcher = context.Process(target=watch, args=(theirs, port, spread))
            watcher.start()
            started.insert(0, (ours, watcher))
            print(f"{ours.recv()} pages are watched", flush=True)
            # the pages asked for are all over the store, too
            servers[1] = (port, tokens[:: max(1, len(tokens) // ASKED_FOR)], servers[1][2])
            uvloop.run(measure(servers, arguments))
        finally:
            for pipe, each in started:
                pipe.send("stop")
                each.join()


if __name__ == "__main__":
    main()
