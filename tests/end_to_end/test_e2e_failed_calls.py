"""An ordinary call fails, and becomes an offer in the mailbox of who was called; the caller may wait for the answer."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import sqlite3
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_callers import busy, calls, holds, link_in_mail, office
from e2e_hidden import faces, shows
from e2e_world import Visitor, invited
from lab.browser import chromium, with_voice
from lab.passing import passing
from lab.phone import Answer
from lab.spoken import hears, said, there
from lab.talk import begin
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World, off_loop
from playwright.async_api import expect
from test_e2e_answers import nonce_of, words_of

from mailgate.calls import announcements

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUEST = "+33199000055"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_office() -> AsyncIterator[World]:
    async with passing(office) as world:
        # off the loop: a telephone that does not answer OPTIONS meanwhile counts as gone
        await off_loop(world.gateway.account_add, BEN, "Ben Bright", "--sip", "ben", "--extension", "202")
        await prepared(busy(world))
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(one_office: World) -> AsyncIterator[World]:
    yield busy(one_office)
    await nothing_open(one_office)


async def prepared(world: World) -> None:
    """What is said to every caller of Ben's is made and kept: the first call ever may hear Asterisk's own words."""
    before = len(world.mailbox(BEN))
    call = await holds(world.network.dial("202", caller="+33199000050"))
    await link_in_mail(world, before)
    keys = ("told", "word", "back", "declined", "declined-text", "replied", "wait", "goodbye")
    for path in (ours(world, key) for key in keys):
        await asyncio.wait_for(there(path), 60)
    world.network.hang_up(call)
    await nothing_open(world)


async def nothing_open(world: World) -> None:
    """A test that broke off leaves no offer that the next test's call would be counted for."""
    with contextlib.closing(sqlite3.connect(world.gateway.folder / "mailgate.db")) as store:
        left = [row[0] for row in store.execute("SELECT offer_id FROM offers WHERE state = 'open'")]
    for offer_id in left:
        await off_loop(world.gateway.run, "offers", "revoke", offer_id)


def sound(world: World, text: str, language: str) -> Path:
    """Where the gateway keeps the sound of a text."""
    return said(world.gateway.folder / "sounds", text, language)


def ours(world: World, key: str, language: str = "en") -> Path:
    return sound(world, announcements.hold_words(language, "Ben Bright")[key], language)


@pytest.mark.claim("C1", "C4", "C12", "C13", "C15")
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
    placed = {m.split("Call-ID: ")[1].split()[0] for _, way, m in world.network.wire if way == "out" and "INVITE" in m}
    assert call.call_id in placed and call.call_id != ben.call_id, "the caller's own call, from before to after"
    wire = [m for _, _, m in world.network.wire if ben.call_id in m]
    assert wire and not [m for m in wire if shows(m, ADA_NUMBER)]
    world.network.hang_up(ben)
    await asyncio.wait_for(call.over.wait(), 2)
    await http.sees(link, "The call has ended")


async def test_who_waits_is_connected_with_a_sip_telephone(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace is on the line now")
    world.phones["ben"].plan = {"ben": Answer(press=((1.0, "1"),))}
    await http.accept_by_sip(link, "sip:ben")
    await http.sees(link, "You are connected")
    assert call.state == "up" and invited(world, ADA_NUMBER) == 0
    world.network.hang_up(call)
    await http.sees(link, "The call has ended")
    await asyncio.wait_for((await world.phones["ben"].call("ben")).over.wait(), 2)


async def test_who_waits_is_connected_with_the_page(world: World, http: Visitor, tmp_path: Path) -> None:
    """The whole way by data: message, page, microphone; only the caller has a telephone."""
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    async with chromium(*with_voice(VOICES["ben"], tmp_path)) as browser:
        page = await begin(browser, link)
        await expect(page.get_by_role("heading", name="You are connected")).to_be_visible(timeout=20_000)
        for _ in range(50):
            await asyncio.sleep(0.1)
            if call.rtp.tones(VOICES["ben"])[VOICES["ben"]] > 0.8:
                break
        else:
            raise AssertionError("the caller does not hear the page")
        assert invited(world, ADA_NUMBER) == 0
        await page.get_by_role("button", name="Hang up").click()
        await asyncio.wait_for(call.over.wait(), 5)


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


async def test_an_answer_is_spoken_and_the_caller_waits_on(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    page = await http.sees(link, "Ada Lovelace is on the line now")
    text = "Un instant, je suis presque là."
    await http.post(f"{link}/reply", nonce=nonce_of(page, "reply"), subject="", text=text)
    await hears(call, ours(world, "replied"))
    await hears(call, sound(world, text, "fr"))
    await hears(call, ours(world, "wait"))
    await http.sees(link, "Ada Lovelace is on the line now")
    world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),))}
    await http.accept(link)
    await http.sees(link, "You are connected")
    assert call.state == "up"
    world.network.hang_up(call)
    await http.sees(link, "The call has ended")


async def test_ten_calls_are_one_offer(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    for _ in range(10):
        call = world.network.dial("202", caller=GUEST, hertz=VOICES["ada"])
        await holds(call)
        world.network.hang_up(call)
    link, raw = await link_in_mail(world, before)
    await asyncio.sleep(2)
    assert len(world.mailbox(BEN)) == before + 1
    assert email.message_from_bytes(raw)["Subject"] == "Somebody tried to call you"
    assert not [face for face in faces(raw) if shows(face, GUEST)]
    page = await http.get(link)
    assert "A caller" in page.text and not shows(page.text, GUEST)
    with contextlib.closing(sqlite3.connect(world.gateway.folder / "mailgate.db")) as store:
        latest = "SELECT offer_id FROM missed_calls ORDER BY at DESC LIMIT 1"
        [(counted,)] = store.execute(f"SELECT count(*) FROM missed_calls WHERE offer_id = ({latest})")
    assert counted == 10
    assert not shows(world.gateway.log, GUEST)


async def test_a_guest_is_called_back(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    other = "+33199000056"
    call = await holds(world.network.dial("202", caller=other))
    world.network.hang_up(call)
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "A caller offers you a call")  # and is on the line no more
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, other: ready}
    await http.accept(link)
    await http.sees(link, "You are connected")
    ben = await world.network.call(BEN_NUMBER)
    assert not [m for _, _, m in world.network.wire if ben.call_id in m and shows(m, other)]
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")


async def test_a_withheld_number_is_noted_once(world: World) -> None:
    before = len(world.mailbox(BEN))
    for _ in range(2):
        call = world.network.dial("202", caller="anonymous")
        await asyncio.wait_for(call.over.wait(), 10)
        assert call.state == "refused 486"
    raw = (await world.wait_for_mail(BEN, before + 1))[-1]
    await asyncio.sleep(2)
    assert len(world.mailbox(BEN)) == before + 1
    assert world.links(raw) == []
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage) and "no way to call back" in words_of(message)


async def test_a_call_that_fails_while_the_gateway_is_down(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    await off_loop(world.gateway.kill)
    call = world.network.dial("202", caller="+33199000057")
    await asyncio.wait_for(call.over.wait(), 10)
    assert call.state == "refused 486"
    await off_loop(world.gateway.start)
    await link_in_mail(world, before)
    await off_loop(world.gateway.kill)
    await off_loop(world.gateway.start)
    await asyncio.sleep(2)
    assert len(world.mailbox(BEN)) == before + 1, "once"


async def test_the_gateway_is_killed_while_somebody_waits(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await off_loop(world.gateway.kill)
    await asyncio.sleep(1)
    assert call.state == "up"
    await off_loop(world.gateway.start)
    page = await http.sees(link, "Ada Lovelace is on the line now", timeout_s=30)
    await http.post(f"{link}/decline", nonce=nonce_of(page, "decline"), subject="", reason="not-now", text="")
    await hears(call, ours(world, "declined"))
    await hears(call, ours(world, "reason-not-now"))
    await asyncio.wait_for(call.over.wait(), 15)


async def test_the_gateway_is_killed_between_acceptance_and_conversation(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    call = await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace is on the line now")
    world.network.plan = {BEN_NUMBER: Answer(after=2.0, press=((1.0, "1"),))}
    await http.accept(link)
    ben = await world.network.call(BEN_NUMBER)
    await off_loop(world.gateway.kill)
    await asyncio.wait_for(ben.up.wait(), 10)
    await off_loop(world.gateway.start)
    await http.sees(link, "You are connected", timeout_s=30)
    assert call.state == "up" and invited(world, BEN_NUMBER) == 1 and invited(world, ADA_NUMBER) == 0
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")
    await asyncio.wait_for(call.over.wait(), 2)


async def test_asterisk_is_killed_while_somebody_waits(world: World, http: Visitor) -> None:
    """The caller's line is gone with it; the offer is not, and the call back is made as for any other."""
    before = len(world.mailbox(BEN))
    await holds(calls(world))
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace is on the line now")
    assert world.asterisk is not None
    await off_loop(world.asterisk.kill)
    await off_loop(world.asterisk.start)
    await world.register()
    page = await http.sees(link, "Ada Lovelace offers you a call", timeout_s=30)
    assert "on the line now" not in page
    world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),)), ADA_NUMBER: Answer(press=((1.0, "1"),))}
    await http.accept(link)
    await http.sees(link, "You are connected")
    assert invited(world, ADA_NUMBER) == 1
    world.network.hang_up(await world.network.call(ADA_NUMBER))
    await http.sees(link, "The call has ended")


async def test_a_decline_rings_the_offeror_who_wishes_so(world: World, http: Visitor) -> None:
    await off_loop(world.gateway.run, "account", "change", ADA, "--notices", "telephone")
    told, before = len(world.mailbox(ADA)), len(world.mailbox(BEN))
    call = await holds(calls(world))
    world.network.hang_up(call)
    link, _ = await link_in_mail(world, before)
    await http.sees(link, "Ada Lovelace offers you a call")  # and is on the line no more
    world.network.plan = {ADA_NUMBER: Answer()}
    text = "I am away until Monday."
    page = (await http.get(link)).text
    await http.post(f"{link}/decline", nonce=nonce_of(page, "decline"), subject="", reason="other", text=text)
    ring = await holds(await world.network.call(ADA_NUMBER))
    await hears(ring, ours(world, "tell-declined-text"))
    await hears(ring, sound(world, text, "en"))
    await hears(ring, ours(world, "tell-again"))
    ring.rtp.forget()
    ring.rtp.press("1")
    await hears(ring, sound(world, text, "en"))
    await asyncio.wait_for(ring.over.wait(), 60)
    await asyncio.sleep(35)  # the next look
    assert invited(world, ADA_NUMBER) == 1
    assert len(world.mailbox(ADA)) == told, "it was heard: no mail beside it"
