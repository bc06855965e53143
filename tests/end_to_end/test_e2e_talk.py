"""Talking from the page, and dialling in: Chromium with a microphone, a telephone with a PIN, Ada at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_hidden import shows
from e2e_world import Visitor, invited, link_to, reset
from lab.browser import chromium, with_voice
from lab.phone import Answer, Call
from lab.talk import begin, hertz_heard
from lab.webphone import page as bare_page
from lab.world import ADA_NUMBER, BEN_NUMBER, HOST, SHOWN_NUMBER, VOICES, World
from playwright.async_api import Browser, Page, expect
from playwright.async_api import Error as PlaywrightError
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRESS = Answer(press=((0.6, "1"),))


@pytest_asyncio.fixture(loop_scope="module")
async def world(one_world: World) -> World:
    world = reset(one_world)
    world.network.plan = {ADA_NUMBER: PRESS}
    world.phones["ada"].plan = {"ada": PRESS}
    return world


@pytest_asyncio.fixture(loop_scope="module")
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with chromium(*with_voice(VOICES["ben"], tmp_path)) as browser:
        yield browser


async def hear_each_other(page: Page, ada: Call) -> None:
    heard = 0.0
    for _ in range(40):
        await asyncio.sleep(0.2)
        heard = await hertz_heard(page)
        if abs(heard - VOICES["ada"]) < 15 and ada.rtp.tones(VOICES["ben"])[VOICES["ben"]] > 0.8:
            return
    raise AssertionError(f"they do not hear each other: {heard} {ada.rtp.tones(*VOICES.values())}")


@pytest.mark.parametrize(
    "destination",
    [
        pytest.param("tel", marks=pytest.mark.claim("T11", "T25")),
        pytest.param("sip", marks=pytest.mark.claim("T12", "T26")),
    ],
)
async def test_a_page_talks_with_the_destination(world: World, browser: Browser, destination: str) -> None:
    link = await link_to(world, sender="countess@example.org" if destination == "sip" else "ada@example.org")
    frames: list[str] = []
    page = await begin(browser, link, frames)
    ada = await (world.network.call(ADA_NUMBER) if destination == "tel" else world.phones["ada"].call("ada"))
    assert SHOWN_NUMBER in ada.caller_id
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
    await hear_each_other(page, ada)
    assert await page.locator("#talk-level").evaluate("meter => meter.value") > 0.1
    await page.get_by_role("button", name="Mute").click()
    await asyncio.sleep(0.8)
    ada.rtp.forget()
    await asyncio.sleep(0.5)
    assert ada.rtp.tones(VOICES["ben"])[VOICES["ben"]] < 0.3
    await page.get_by_role("button", name="Mute").click()
    await page.get_by_text("Keypad").click()
    await page.get_by_role("button", name="5", exact=True).click()
    await hear_each_other(page, ada)
    assert "5" in ada.rtp.keys_heard
    await page.get_by_role("button", name="Hang up").click()
    await asyncio.wait_for(ada.over.wait(), 1)
    await expect(page.get_by_role("heading", level=1)).to_have_text("The call has ended", timeout=5_000)
    assert any("SIP/2.0 200" in frame for frame in frames)
    assert not [text for text in (*frames, await page.content()) if shows(text, ADA_NUMBER)]


async def test_the_other_side_hangs_up(world: World, browser: Browser) -> None:
    page = await begin(browser, await link_to(world))
    ada = await world.network.call(ADA_NUMBER)
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
    world.network.hang_up(ada)
    await expect(page.get_by_role("heading", level=1)).to_have_text("The call has ended", timeout=5_000)
    await expect(page.locator("#talk-say")).to_have_text("The call is over.")


async def test_a_page_that_goes_away_ends_the_call(world: World, browser: Browser) -> None:
    page = await begin(browser, await link_to(world))
    ada = await world.network.call(ADA_NUMBER)
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
    left_at = time.monotonic()
    await page.goto("about:blank")
    await asyncio.wait_for(ada.over.wait(), 5)
    assert time.monotonic() - left_at < 2  # sooner than the relay's grace: the page said so itself


async def test_a_browser_that_is_killed_lets_the_destination_go(world: World, tmp_path: Path) -> None:
    async with chromium(*with_voice(VOICES["ben"], tmp_path)) as browser:
        page = await begin(browser, await link_to(world))
        ada = await world.network.call(ADA_NUMBER)
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
        session = await browser.new_browser_cdp_session()
        with contextlib.suppress(TimeoutError, PlaywrightError):  # it dies of the question
            await asyncio.wait_for(session.send("Browser.crash"), 0.5)
        await asyncio.wait_for(ada.over.wait(), 5)


async def test_a_connection_that_drops_comes_back(world: World, browser: Browser) -> None:
    frames: list[str] = []
    page = await begin(browser, await link_to(world), frames)
    ada = await world.network.call(ADA_NUMBER)
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
    await page.evaluate("sockets.forEach(socket => socket.close())")
    dropped_at = time.monotonic()
    while sum(frame.startswith("ws://") for frame in frames) < 2:
        await asyncio.sleep(0.1)
        assert time.monotonic() - dropped_at < 3  # the grace: after it the call would be gone
    await asyncio.sleep(4)
    assert ada.state == "up"
    await hear_each_other(page, ada)
    world.network.hang_up(ada)  # the goodbye finds the page at its new connection
    await expect(page.locator("#talk-say")).to_have_text("The call is over.", timeout=2_000)


async def test_the_relay_serves_this_call_and_this_page_alone(world: World, http: Visitor, browser: Browser) -> None:
    link = await link_to(world)
    posted = await http.post(f"{link}/talk", nonce=await http.nonce(link))
    assert posted.status_code == 403  # every field that the page holds, and no proof of a press
    frames: list[str] = []
    page = await begin(browser, link, frames)
    ada = await world.network.call(ADA_NUMBER)
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
    right, origin = frames[0], world.gateway.url
    wrong_nonce = right[:-32] + "0" * 32
    for url, source in ((wrong_nonce, origin), (right.partition("?")[0], origin), (right, "http://elsewhere")):
        with pytest.raises(InvalidStatus):
            async with bare_page(url, origin=source, source=HOST):
                pass
    async with bare_page(right, origin=origin, source=HOST) as second:
        assert (await second.invite(f"call{right[-32:]}"))[0] == 403  # used already
    for frame in ("REGISTER sip:ada@x SIP/2.0\r\n\r\n", "INVITE " + "x" * 17_000):
        async with bare_page(right, origin=origin, source=HOST) as second:
            await second.socket.send(frame)
            await asyncio.wait_for(second.socket.wait_closed(), 2)
            assert not second.received
    assert ada.state == "up"
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The call has ended", timeout=5_000)
    for _ in range(30):  # the attempt is over, and so is the relay's service to it
        with contextlib.suppress(InvalidStatus):
            async with bare_page(right, origin=origin, source=HOST):
                await asyncio.sleep(0.1)
            continue
        break
    else:
        raise AssertionError("the relay still serves a call that is over")


@pytest.mark.parametrize(
    "destination",
    [pytest.param("tel", marks=pytest.mark.claim("T9")), pytest.param("sip", marks=pytest.mark.claim("T10"))],
)
async def test_a_pin_leads_to_the_destination(world: World, http: Visitor, destination: str) -> None:
    link = await link_to(world, sender="countess@example.org" if destination == "sip" else "ada@example.org")
    page = (await http.get(link)).text
    pin = re.search(r'class="pin"[^>]*>([0-9 ]+)<', page)
    assert pin is not None
    assert world.asterisk is not None
    world.network.registrar = (HOST, world.sip_port)
    caller = world.network.dial(SHOWN_NUMBER, caller=BEN_NUMBER, hertz=VOICES["ben"])
    await asyncio.wait_for(caller.up.wait(), 5)
    await asyncio.sleep(0.5)
    caller.rtp.press(pin[1].replace(" ", ""))
    side, name = (world.phones["ada"], "ada") if destination == "sip" else (world.network, ADA_NUMBER)
    ada = await side.call(name, timeout_s=15)
    assert SHOWN_NUMBER in ada.caller_id and not shows(ada.invite, BEN_NUMBER)
    await http.sees(link, "You are connected")
    for _ in range(50):
        await asyncio.sleep(0.1)
        to_ben, to_ada = caller.rtp.tones(VOICES["ada"]), ada.rtp.tones(VOICES["ben"])
        if to_ben[VOICES["ada"]] > 0.8 and to_ada[VOICES["ben"]] > 0.8:
            break
    else:
        raise AssertionError(f"they do not hear each other: {to_ben} {to_ada}")
    world.network.hang_up(caller)
    await http.sees(link, "The call has ended")
    assert invited(world, ADA_NUMBER) == (destination == "tel")
    assert [call.state for call in side.calls if call.number == name] == ["left by the other side"]
    own = [m for _, _, m in world.network.wire if caller.call_id in m]
    assert own and not [m for m in own if shows(m, ADA_NUMBER)]
