"""From a message to a call, without a mailbox: shown over a socket, accepted there, made by Asterisk."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lab.application import Application
from lab.gateway import HOST
from lab.phone import Answer
from lab.ports import free_port
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World
from listening_world import Device, Hop, House, letter

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    configuration = {"listening": {"call_out": ["127.0.0.0/8"]}}
    async with World(folder, configuration=configuration) as found:
        found.gateway.account_add(BEN, "Ben Bright", "--number", BEN_NUMBER, "--mode", "never")
        yield found
        for name, text in found.logs().items():
            print(f"--- {name}\n{text[-5000:]}")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.claim("C9", "C19", "C20", "C23", "C30", "C26")
async def test_of_several_devices_the_first_to_accept_has_the_call(world: World) -> None:
    home = House(world.gateway, Hop())
    port = free_port()
    own_key = await home.key(BEN, "--connect", f"ws://{HOST}:{port}/")
    tower = await Application.start(
        "--serve", f"{HOST}:{port}", "--name", "tower", "--channel", BEN_NUMBER, key=own_key
    )
    laptop = await Device.come(world.gateway.url, await home.key(), name="laptop", channels=["sip:ben"])
    await tower.prints("^signed-in as tower", 120)
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, ADA_NUMBER: ready}
    await world.submit(letter(BEN), sender=ADA, recipients=[BEN])
    offer = (await laptop.hears("offer", 60, offeror="Ada Lovelace"))["offer"]
    await tower.prints("^offer 1 Ada Lovelace", 60)
    await tower.types("accept 1")
    await laptop.hears("changed", 30, offer=offer, in_call=True, by="tower")
    await laptop.say("accept", offer=offer)
    assert (await laptop.hears("refused", about="accept"))["reason"] == "taken"
    ada = await world.network.call(ADA_NUMBER)
    await laptop.hears("changed", 30, offer=offer, state="connected")
    assert ADA_NUMBER[-9:] not in str(laptop.heard) and ADA_NUMBER[-9:] not in str(tower.lines)
    world.network.hang_up(ada)
    await laptop.hears("changed", 30, offer=offer, outcome="completed")
    await tower.prints(r"^changed 1 used \(completed\)")
    await laptop.leave()
    assert await asyncio.wait_for(tower.end(), 30) == 0
