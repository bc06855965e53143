"""Cut cables and killed processes: the call goes on, its state is right afterwards, nobody is called twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_world import Visitor, everybody_answers, invited, link_to
from lab.cable import Cable
from lab.phone import Answer
from lab.world import ADA_NUMBER, BEN_NUMBER, World, off_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def cable(folder: Path) -> AsyncIterator[tuple[World, Cable]]:
    """A world whose gateway reaches Asterisk by a cable."""
    world = World(folder)
    cable = Cable(world.gateway.ami_port)
    world.configuration["asterisk"] = {"ami": f"127.0.0.1:{await cable.open()}"}
    async with world:
        yield world, cable
    await cable.close()


async def test_the_link_cut_right_after_the_order(cable: tuple[World, Cable], http: Visitor) -> None:
    world, line = cable
    everybody_answers(world)
    link = await link_to(world)
    line.after = b"Action: Originate"
    await http.accept(link)
    for _ in range(100):
        if line.is_cut:
            break
        await asyncio.sleep(0.05)
    assert line.is_cut
    ben = await world.network.call(BEN_NUMBER)
    await world.network.call(ADA_NUMBER)
    await asyncio.sleep(2)
    line.mend()
    await http.sees(link, "You are connected", timeout_s=30)
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)


async def test_the_link_cut_before_the_order_arrives(cable: tuple[World, Cable], http: Visitor) -> None:
    world, line = cable
    everybody_answers(world)
    link = await link_to(world)
    nonce = await http.nonce(link)
    line.cut()
    await http.post(f"{link}/call", nonce=nonce, region="FR", number=BEN_NUMBER)
    await http.sees(link, "The call was not placed", timeout_s=30)
    line.mend()
    await asyncio.sleep(2)
    assert invited(world, BEN_NUMBER) == 0
    for _ in range(100):  # and once the link is back, a second press makes the call
        await http.accept(link)
        await asyncio.sleep(0.2)
        if invited(world, BEN_NUMBER):
            break
    await http.sees(link, "You are connected")
    assert invited(world, BEN_NUMBER) == 1


async def test_killed_in_mid_call_and_started_again(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected")
    world.gateway.kill()
    ben = await world.network.call(BEN_NUMBER)
    await asyncio.sleep(1)
    assert ben.state == "up"
    await off_loop(world.gateway.start)
    await http.sees(link, "You are connected")
    world.network.hang_up(ben)
    page = await http.sees(link, "The call has ended")
    assert re.search(r"You talked for \d+ s", page)
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)


async def test_killed_in_mid_call_which_then_ends_without_it(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected")
    world.gateway.kill()
    await asyncio.sleep(1.5)
    world.network.hang_up(await world.network.call(BEN_NUMBER))
    await asyncio.sleep(0.5)
    await off_loop(world.gateway.start)
    await http.sees(link, "The call has ended")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)


async def test_killed_while_the_telephone_rings_and_nobody_answers(world: World, http: Visitor) -> None:
    world.gateway.stop()
    world.gateway.configure("call", ring_offeree_s=5)
    await off_loop(world.gateway.start)
    world.network.plan = {BEN_NUMBER: Answer(after=60)}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "Your telephone is ringing")
    world.gateway.kill()
    await asyncio.sleep(6)
    await off_loop(world.gateway.start)
    await http.sees(link, "You did not pick up")
    assert invited(world, BEN_NUMBER) == 1


async def test_stopped_by_sigterm_in_mid_call(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected")
    assert await off_loop(world.gateway.stop) == 0
    ben = await world.network.call(BEN_NUMBER)
    assert ben.state == "up"
    await off_loop(world.gateway.start)
    await http.sees(link, "You are connected")
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")
    assert invited(world, BEN_NUMBER) == 1
