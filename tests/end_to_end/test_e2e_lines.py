"""What the page says when lines are in use or busy, and that nothing rings then that should not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_world import Visitor, everybody_answers, invited, link_to
from lab.phone import Answer, Reject
from lab.world import ADA_NUMBER, BEN_NUMBER, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRESS = Answer(press=((1.0, "1"),))


@pytest_asyncio.fixture(loop_scope="module")
async def narrow(folder: Path) -> World:
    """A world whose trunk takes two calls at once: one conversation between two telephones."""
    world = World(folder)
    world.tables = '\n[[trunk]]\nname = "trunk"\nhost = "127.0.0.1:{network}"\nkeep_alive_s = 0\ncapacity = 2\n'
    return world


async def test_all_lines_in_use_is_told_and_nothing_rings(narrow: World, http: Visitor) -> None:
    async with narrow as world:
        everybody_answers(world)
        first, second = await link_to(world), await link_to(world)
        await http.accept(first)
        await http.sees(first, "You are connected")
        await http.accept(second)
        page = await http.sees(second, "All our lines are busy")
        assert "Try again in a few minutes" in page
        assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)
        world.network.hang_up(await world.network.call(BEN_NUMBER))
        await http.sees(first, "The call has ended")
        await http.accept(second)  # the line is free again
        await http.sees(second, "You are connected")


async def test_the_same_number_at_both_ends_rings_nowhere(world: World, http: Visitor) -> None:
    everybody_answers(world)
    answer = await http.accept(await link_to(world), ADA_NUMBER)
    assert answer.status_code == 422
    await asyncio.sleep(0.5)
    assert invited(world, ADA_NUMBER) == 0


async def test_both_lines_busy_is_told_of_the_one_that_was_called(world: World, http: Visitor) -> None:
    world.network.plan = {BEN_NUMBER: Reject(code=486), ADA_NUMBER: Reject(code=486)}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "Your line was busy")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 0)
