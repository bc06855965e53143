"""Connections that come at once are shared out among the processes that listen."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time
from multiprocessing.connection import Connection

import pytest

from smtp_hooks.listening import Taker, bind_tcp


async def _take(sock: socket.socket, told: Connection) -> None:
    """Take connections until told to stop; then say how many."""
    taken = 0

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal taken
            taken += 1

    taker = Taker(sock, Counting, 512)
    told.send("ready")
    while not told.poll():
        await asyncio.sleep(0.01)
    taker.close()
    told.send(taken)


def _process(sock: socket.socket, told: Connection) -> None:
    asyncio.run(_take(sock, told))


@pytest.mark.parametrize(("clients", "least"), [(10, 2), (300, 0)])
def test_two_processes_share_what_comes_at_once(clients: int, least: int) -> None:
    sock = bind_tcp("127.0.0.1", 0)
    context = multiprocessing.get_context("fork")
    connections: list[socket.socket] = []
    ends, processes = [], []
    for _ in range(2):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_process, args=(sock, theirs)))
        processes[-1].start()
        ends.append(ours)
    try:
        assert [end.recv() for end in ends] == ["ready", "ready"]
        connections += [socket.create_connection(sock.getsockname()) for _ in range(clients)]
        time.sleep(0.5)  # a flood is taken by then: nobody waits for 300 turns
        for end in ends:
            end.send("stop")
        shares = [end.recv() for end in ends]
        assert sum(shares) == clients
        assert min(shares) >= least, shares
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.kill()
        sock.close()
