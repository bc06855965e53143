"""What goes wrong in Asterisk while somebody waits at the page: what the page says of it is true, and nobody is called
twice. The same without the page, in more variants: tests/telephony/test_asterisk_trouble.py and test_settling.py."""

from __future__ import annotations

import asyncio
import re
import time
from html import unescape

import pytest
import pytest_asyncio
from e2e_world import Visitor, everybody_answers, invited, link_to, reset
from lab.asterisk import PrivateAsterisk
from lab.phone import Answer, Ring
from lab.world import ADA_NUMBER, BEN_NUMBER, World, off_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRESS = Answer(press=((1.0, "1"),))
ON_DISK_S = 1.5
"""Asterisk writes astdb to disk once a second."""


@pytest_asyncio.fixture(loop_scope="module")
async def world(one_world: World) -> World:
    return reset(one_world)


def asterisk_of(world: World) -> PrivateAsterisk:
    assert world.asterisk is not None
    return world.asterisk


async def logged(world: World, words: str, before: int, timeout_s: float = 30.0) -> None:
    """Once mailgate's log says so, behind its first `before` characters."""
    async with asyncio.timeout(timeout_s):
        while words not in world.gateway.log[before:]:
            await asyncio.sleep(0.1)


async def says(http: Visitor, link: str, pattern: str, timeout_s: float = 15.0) -> str:
    """The page once the pattern is in it."""
    page, until = "", time.monotonic() + timeout_s
    while not re.search(pattern, page, re.DOTALL):
        assert time.monotonic() < until, page
        await asyncio.sleep(0.1)
        page = unescape((await http.get(link)).text)
    return page


async def started_again(world: World, way: str) -> None:
    """Asterisk ends as ordered, or is killed, and is there again; mailgate knows it."""
    asterisk, before = asterisk_of(world), len(world.gateway.log)
    await off_loop(asterisk.stop if way == "ordered" else asterisk.kill)
    await off_loop(asterisk.start)
    await logged(world, "linked to Asterisk", before)
    await world.register()


async def calls_as_ever(world: World, http: Visitor) -> None:
    """A new offer, taken up, is a call."""
    everybody_answers(world)
    before = invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected", timeout_s=40)
    world.network.hang_up(await world.network.call(BEN_NUMBER))
    await http.sees(link, "The call has ended")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("stage", "way", "waits_s", "words"),
    [
        ("connected", "ordered", ON_DISK_S, r"The call has ended.*You talked for \d+ s"),
        ("connected", "killed", ON_DISK_S, "We do not know how the call went"),
        ("connected", "killed", 0.0, "We do not know how the call went"),
        ("rings", "ordered", ON_DISK_S, "We could not reach your telephone|We do not know how the call went"),
        ("rings", "killed", ON_DISK_S, "We do not know how the call went"),
        ("rings", "killed", 0.0, "We do not know how the call went"),
    ],
)
async def test_started_again_in_mid_call(
    world: World, http: Visitor, stage: str, way: str, waits_s: float, words: str
) -> None:
    everybody_answers(world)
    if stage == "rings":
        world.network.plan = {BEN_NUMBER: Ring(), ADA_NUMBER: PRESS}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected" if stage == "connected" else "Your telephone is ringing")
    await asyncio.sleep(waits_s)
    await started_again(world, way)
    page = await says(http, link, words)
    assert "Nobody’s telephone rang" not in page
    await asyncio.sleep(1)
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, int(stage == "connected"))
    await calls_as_ever(world, http)


async def test_killed_in_the_moment_of_the_order(world: World, http: Visitor) -> None:
    """Before Asterisk has written a word to disk, with mailgate away meanwhile: the page claims nothing."""
    world.network.plan = {BEN_NUMBER: Ring(), ADA_NUMBER: PRESS}
    link = await link_to(world)
    nonce = await http.nonce(link)
    asyncio.get_running_loop().create_task(
        http.post(f"{link}/call", nonce=nonce, region="FR", number=BEN_NUMBER)
    ).add_done_callback(lambda task: task.exception())
    await world.network.call(BEN_NUMBER)
    world.gateway.kill()
    await off_loop(asterisk_of(world).kill)
    await off_loop(asterisk_of(world).start)
    await off_loop(world.gateway.start)
    page = await http.sees(link, "We do not know how the call went")
    assert "Nobody’s telephone rang" not in page
    await world.register()
    assert invited(world, BEN_NUMBER) == 1


async def test_frozen_in_mid_call_and_thawed(world: World, http: Visitor) -> None:
    """The link stands and nothing comes by it: half open. The call is not lost, nor made again."""
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected")
    before = len(world.gateway.log)
    asterisk_of(world).pause()
    try:
        await logged(world, "the link to Asterisk is gone", before)
        other = await link_to(world)
        await http.accept(other)
        page = await http.sees(other, "The call was not placed")
        assert "Nobody’s telephone rang" in page
    finally:
        asterisk_of(world).resume()
    await logged(world, "linked to Asterisk", before)
    await http.sees(link, "You are connected")
    world.network.hang_up(await world.network.call(BEN_NUMBER))
    await http.sees(link, "The call has ended")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)


async def test_without_a_module_nothing_rings(world: World, http: Visitor) -> None:
    before = len(world.gateway.log)
    asterisk_of(world).cli("module unload app_dial.so")
    await logged(world, "no calls can be placed", before)
    link = await link_to(world)
    await http.accept(link)
    page = await http.sees(link, "The call was not placed")
    assert "Nobody’s telephone rang" in page and "Call Ada Lovelace now" in page
    asterisk_of(world).cli("module load app_dial.so")
    await logged(world, "linked to Asterisk", before)
    assert invited(world, BEN_NUMBER) == 0
    await calls_as_ever(world, http)


async def test_a_module_that_goes_in_mid_call_is_a_fault_of_ours(world: World, http: Visitor) -> None:
    world.network.plan = {BEN_NUMBER: Answer(press=((2.5, "1"),)), ADA_NUMBER: PRESS}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "Press 1 on your telephone")
    before = len(world.gateway.log)
    asterisk_of(world).cli("module unload app_dial.so")
    await http.sees(link, "Something went wrong at our end")
    asterisk_of(world).cli("module load app_dial.so")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 0)
    if "no calls can be placed" in world.gateway.log[before:]:
        await logged(world, "linked to Asterisk", before)
    await calls_as_ever(world, http)


async def test_refused_by_the_manager_interface(world: World, http: Visitor) -> None:
    """The secret was changed at one end: nothing rings, until it is the same again."""
    asterisk, log = asterisk_of(world), len(world.gateway.log)
    manager = asterisk.etc / "manager.d" / "mailgate.conf"
    ours = manager.read_text()
    await off_loop(world.gateway.stop)
    manager.write_text(ours.replace(world.gateway.ami_secret, "another-secret"))
    asterisk.cli("manager reload")
    await off_loop(world.gateway.start)
    link = await link_to(world)
    await http.accept(link)
    assert "Nobody’s telephone rang" in await http.sees(link, "The call was not placed")
    assert "refuses the AMI user" in world.gateway.log[log:]
    assert world.gateway.ami_secret not in world.gateway.log
    manager.write_text(ours)
    asterisk.cli("manager reload")
    await logged(world, "linked to Asterisk", log)
    assert invited(world, BEN_NUMBER) == 0
    await calls_as_ever(world, http)


async def found_again(world: World) -> None:
    """Asterisk sees that the provider is back. It would by itself within 18 s, which no test need wait for.
    A look that was under way when the provider came back may still tell of its absence (`qualify_timeout` is 3 s), so
    good news counts once it has outlived that."""
    asterisk, good, trunk = asterisk_of(world), 0, ""
    for _ in range(40):
        if not good:
            await off_loop(asterisk.cli, "pjsip qualify trunk")
        await asyncio.sleep(1)
        trunk = await off_loop(asterisk.cli, "pjsip show aor trunk")
        good = good + 1 if re.search(r"\bAvail\b", trunk) else 0
        if good == 5:
            return
    pytest.fail(f"the provider is back, and not found:\n{trunk}\n{asterisk.messages[-2000:]}")


@pytest.mark.parametrize("leg", [1, 2])
async def test_a_trunk_that_nobody_answers_on(world: World, http: Visitor, leg: int) -> None:
    """The provider is gone, and Asterisk has not noticed yet (it gives up on an INVITE after 32 s: RFC 3261, 17.1.1.2):
    which party could not be reached is told, and the other's telephone is let go."""
    world.phones["ben"].plan = {"ben": PRESS}
    link = await link_to(world)
    port = world.network.port
    await world.network.close()
    try:
        if leg == 1:
            await http.accept(link)
            page = await http.sees(link, "We could not reach your telephone", timeout_s=100)
            assert "Ada Lovelace was not called" in page
        else:
            await http.accept_by_sip(link, "sip:ben")
            await http.sees(link, "Ada Lovelace could not be reached", timeout_s=100)
            ben = await world.phones["ben"].call("ben")
            await asyncio.wait_for(ben.over.wait(), 10)
    finally:
        world.network.port = port
        await world.network.open()
    await found_again(world)
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (0, 0)
    await calls_as_ever(world, http)
