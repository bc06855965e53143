"""From a message to a call, without a mailbox: shown over a socket, accepted there, made by Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lab.application import Application
from lab.gateway import HOST
from lab.passing import passing
from lab.phone import Answer, Ring
from lab.ports import free_port
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World
from listening_world import Device, Hop, House, letter, until

DOV = "dov@example.com"
CAUTIOUS = {"dial_in": True, "ring_offeree_s": 5, "ring_destination_s": 5}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    configuration = {"listening": {"call_out": ["127.0.0.0/8"]}, "call": CAUTIOUS}
    async with passing(configuration=configuration) as found:
        await asyncio.to_thread(found.gateway.account_add, BEN, "Ben Bright", "--number", BEN_NUMBER, "--mode", "never")
        await asyncio.to_thread(
            found.gateway.account_add, DOV, "Dov Desk", "--sip", "ben", "--number", BEN_NUMBER, "--mode", "never"
        )
        yield found


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


async def offered(world: World, device: Device, to: str) -> str:
    """Ada writes; the offer that the device is shown."""
    before = len(device.heard)
    await world.submit(letter(to), sender=ADA, recipients=[to])
    await until(lambda: [m for m in device.heard[before:] if m["type"] == "offer"], 60, lambda: str(device.heard))
    return str(next(m for m in device.heard[before:] if m["type"] == "offer")["offer"])


@pytest.mark.claim("C27", "C28")
async def test_a_device_s_ways_are_tried_in_its_order_and_it_sees_how_it_goes(world: World) -> None:
    """Ben's SIP telephone rings, nobody answers, and his other telephone is called."""
    home = House(world.gateway, Hop())
    laptop = await Device.come(
        world.gateway.url, await home.key(), name="laptop", channels=["112", "sip:ben", BEN_NUMBER]
    )
    world.phones["ben"].plan = {"ben": Ring()}
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, ADA_NUMBER: ready}
    since = len(world.network.calls)
    offer = await offered(world, laptop, BEN)
    await laptop.say("accept", offer=offer)
    await laptop.hears("changed", 30, offer=offer, in_call=True, falls=0)
    await laptop.hears("changed", 30, offer=offer, in_call=True, falls=1, state="offeree-ringing")
    await laptop.hears("changed", 30, offer=offer, state="connected")
    assert [call.number for call in world.network.calls[since:]] == [BEN_NUMBER, ADA_NUMBER]
    assert not [m for m in laptop.heard if m["type"] == "changed" and m.get("outcome")], "it was one acceptance"
    assert ADA_NUMBER[-9:] not in str(laptop.heard)
    world.network.hang_up(world.network.calls[-1])
    await laptop.hears("changed", 30, offer=offer, outcome="completed")
    await laptop.leave()


@pytest.mark.claim("C19", "C26", "C27")
async def test_who_talks_on_a_telephone_of_theirs_is_busy_and_shown_things_quietly(world: World) -> None:
    """Dov's device says that he is there; Asterisk says that he talks."""
    home = House(world.gateway, Hop())
    desk = await Device.come(world.gateway.url, await home.key(DOV), name="desk")
    ready = Answer(press=((1.0, "1"),))
    world.phones["ben"].plan = {"ben": ready}
    world.network.plan = {ADA_NUMBER: ready}
    offer = await offered(world, desk, DOV)
    await desk.hears("offer", offer=offer, quiet=False)
    await desk.say("accept", offer=offer)  # by the list of his account
    await desk.hears("changed", 30, offer=offer, state="connected")
    second = await offered(world, desk, DOV)
    await desk.hears("offer", offer=second, quiet=True)
    talk = world.phones["ben"].calls[-1]
    world.phones["ben"].hang_up(talk)
    await desk.hears("changed", 30, offer=offer, outcome="completed")
    await asyncio.sleep(0.5)
    third = await offered(world, desk, DOV)
    await desk.hears("offer", offer=third, quiet=False)
    await desk.leave()
