"""An ordinary call fails, and becomes an offer in the mailbox of who was called; the caller may wait for the answer."""

from __future__ import annotations

import asyncio
import email
import email.policy
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_callers import busy, calls, hears, holds, link_in_mail, office
from e2e_hidden import faces, shows
from e2e_world import Visitor, invited
from lab.phone import Answer
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World
from test_e2e_answers import nonce_of

from mailgate.calls import announcements
from mailgate.calls.speech import Speech, SpeechSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUEST = "+33199000055"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    import shutil
    import tempfile

    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    async with office(made) as world:
        world.gateway.account_add(BEN, "Ben Bright", "--sip", "ben", "--extension", "202")
        yield world
        for name, text in world.logs().items():
            print(f"--- {name}\n{text[-6000:]}")
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module")
async def world(one_office: World) -> World:
    return busy(one_office)


def sound(world: World, text: str, language: str) -> Path:
    """Where the gateway keeps the sound of a text."""
    return Speech(SpeechSettings(folder=world.gateway.folder / "sounds")).place(text, language)


def ours(world: World, key: str, language: str = "en") -> Path:
    return sound(world, announcements.hold_words(language, "Ben Bright")[key], language)


@pytest.mark.claim("C1", "C4", "C12")
async def test_a_failed_call_becomes_an_offer(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, raw = await link_in_mail(world, before)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == "Ada Lovelace tried to call you"
    assert message["Reply-To"] == f"Ada Lovelace <{ADA}>"
    assert world.dkim_valid(raw)
    assert not [face for face in faces(raw) if shows(face, ADA_NUMBER)]
    await hears(call, ours(world, "told"))
    call.rtp.press("1")
    await hears(call, ours(world, "back"))
    await asyncio.wait_for(call.over.wait(), 15)
    world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),)), ADA_NUMBER: Answer(press=((1.0, "1"),))}
    await http.accept(link)
    await http.sees(link, "You are connected")
    world.network.hang_up(await world.network.call(ADA_NUMBER))
    await http.sees(link, "The call has ended")


@pytest.mark.claim("C2")
async def test_who_waits_is_connected_in_that_very_call(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace is on the line now")
    world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),))}
    await http.accept(link)
    await http.sees(link, "You are connected")
    ben = await world.network.call(BEN_NUMBER)
    for _ in range(50):
        await asyncio.sleep(0.1)
        if call.rtp.tones(VOICES["ben"])[VOICES["ben"]] > 0.9 and ben.rtp.tones(VOICES["ada"])[VOICES["ada"]] > 0.9:
            break
    else:
        raise AssertionError("they do not hear each other")
    assert call.state == "up"
    assert invited(world, ADA_NUMBER) == 0, "nobody is called who is there"
    wire = [m for _, _, m in world.network.wire if ben.call_id in m]
    assert wire and not [m for m in wire if shows(m, ADA_NUMBER)]
    world.network.hang_up(ben)
    await asyncio.wait_for(call.over.wait(), 2)
    await http.sees(link, "The call has ended")


@pytest.mark.claim("C7", "C18", "C6")
async def test_a_decline_is_spoken_to_who_waits(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace is on the line now")
    text = "Ich bin gerade in einer Besprechung. Bitte rufen Sie morgen an."
    page = (await http.get(link)).text
    declined = time.monotonic()
    await http.post(f"{link}/decline", nonce=nonce_of(page, "decline"), subject="", reason="other", text=text)
    first = await hears(call, ours(world, "declined-text"))
    await hears(call, sound(world, text, "de"))
    await asyncio.wait_for(call.over.wait(), 15)
    print(f"first word after {first - declined:.2f} s")
    assert first - declined < 1.5
