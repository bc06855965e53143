"""The wire between two processes, here between two ends in one: batches, complaints, and the other side going away."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from mailgate.gather import Gather
from mailgate.workers.wire import Answer, AskedFailed, Wire, WireLost


async def pair(answer: Answer) -> tuple[Wire, Wire]:
    """Who asks, and who answers."""
    ours, theirs = socket.socketpair()
    asking, answering = Wire(lambda name, argument: None), Wire(answer)
    await asking.open(ours)
    await answering.open(theirs)
    return asking, answering


async def test_what_is_asked_at_once_is_answered_each_with_its_own() -> None:
    def answer(name: str, argument: Any) -> Any:
        if name == "later":
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.01, future.set_result, -argument)
            return future
        return argument * 2

    asking, answering = await pair(answer)
    later = [asking.ask("later", n) for n in range(5)]
    twice = [asking.ask("twice", n) for n in range(5)]
    assert await asyncio.gather(*twice, *later) == [0, 2, 4, 6, 8, 0, -1, -2, -3, -4]
    asking.close()
    await answering.lost


async def test_what_fails_there_is_told_here() -> None:
    def answer(name: str, argument: Any) -> Any:
        raise ValueError("no such thing")

    asking, answering = await pair(answer)
    with pytest.raises(AskedFailed, match="no such thing"):
        await asking.ask("thing")
    asking.close()
    await answering.lost


async def test_who_waits_for_one_that_goes_away_hears_of_it() -> None:
    asking, answering = await pair(lambda name, argument: asyncio.get_running_loop().create_future())
    asked = asking.ask("something")
    await asyncio.sleep(0.01)
    answering.close()
    with pytest.raises(WireLost):
        await asked
    with pytest.raises(WireLost):
        await asking.ask("more")


async def test_nonsense_ends_the_wire() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(lambda name, argument: None)
    await wire.open(ours)
    theirs.sendall(b"\0\0\0\1x")
    await asyncio.wait_for(wire.lost, 2)
    theirs.close()


async def test_what_comes_while_a_write_is_under_way_goes_together_in_the_next() -> None:
    written: list[list[int]] = []
    go_on = asyncio.Event()

    async def write(items: list[int]) -> None:
        written.append(items)
        await go_on.wait()
        if 3 in items:
            raise ValueError("not this one")

    gather: Gather[int] = Gather(write)
    first = gather.put(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [gather.put(2), gather.put(3)]
    go_on.set()
    await first
    for other in others:
        with pytest.raises(ValueError, match="not this one"):
            await other
    assert written == [[1], [2, 3]]
