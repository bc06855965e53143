"""Accepted on the page that listens, and made by Asterisk: on the reader's own telephone, and from the page itself."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lab.browser import chromium, with_voice
from lab.passing import passing
from lab.phone import Answer
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World
from listening_world import Hop, House, letter
from playwright.async_api import Browser, Page, expect

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PRESS = Answer(press=((1.0, "1"),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with passing() as found:
        found.gateway.account_add(BEN, "Ben Bright", "--number", BEN_NUMBER, "--mode", "never")
        found.network.plan = {BEN_NUMBER: PRESS, ADA_NUMBER: PRESS}
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    async with chromium(*with_voice(VOICES["ben"], folder)) as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def listening(world: World, browser: Browser, name: str) -> AsyncIterator[Page]:
    """Ben's page, in a browser that keeps a device's key."""
    key = await House(world.gateway, Hop()).key(BEN, "--name", name)
    context = await browser.new_context(locale="en-GB")
    url = f"{world.gateway.url}/my"
    await context.add_cookies([{"name": "mailgate_device", "value": key, "url": url}])
    page = await context.new_page()
    await page.goto(f"{url}/listen")
    await expect(page.locator("#line.here")).to_be_visible(timeout=30_000)
    yield page
    await context.close()


async def told(world: World, *pages: Page) -> None:
    """Ada writes, and all pages show the offer; calls of before are forgotten."""
    world.network.forget_calls()
    await world.submit(letter(BEN), sender=ADA, recipients=[BEN])
    for page in pages:
        await expect(page.locator(".offer").first).to_contain_text("Ada Lovelace offers you a call", timeout=60_000)


@pytest.mark.claim("C9", "C19", "C20", "C23", "C30", "C26")
async def test_the_first_of_two_devices_has_the_call(world: World, browser: Browser) -> None:
    async with listening(world, browser, "desk") as desk, listening(world, browser, "tablet") as tablet:
        await told(world, desk, tablet)
        await desk.locator(".offer").first.get_by_role("button", name="Call me on").click()
        state = "Taken on Chrome, Linux. The call is being made."
        for page in (desk, tablet):
            await expect(page.locator(".offer .state").first).to_have_text(state, timeout=30_000)
            await expect(page.locator(".offer").first.get_by_role("button", name="Call me on")).to_be_hidden()
        await world.network.call(BEN_NUMBER)
        ada = await world.network.call(ADA_NUMBER)
        for page in (desk, tablet):
            await expect(page.locator(".offer .state").first).to_have_text("Connected", timeout=30_000)
        assert ADA_NUMBER[-9:] not in await desk.content() and BEN_NUMBER[-9:] not in await desk.content()
        world.network.hang_up(ada)
        for page in (desk, tablet):
            await expect(page.locator(".offer .state").first).to_have_text("The call has ended.", timeout=30_000)


@pytest.mark.claim("T11", "T25")
async def test_it_is_talked_from_the_page_at_once(world: World, browser: Browser) -> None:
    async with listening(world, browser, "desk") as desk:
        await told(world, desk)
        async with desk.expect_popup() as popup:
            await desk.locator(".offer").first.get_by_role("link", name="Talk from this page").click()
        talk = await popup.value
        await talk.get_by_role("button", name="Call Ada Lovelace now").click(timeout=30_000)
        ada = await world.network.call(ADA_NUMBER)
        await expect(talk.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=30_000)
        await expect(desk.locator(".offer .state").first).to_have_text("Connected")
        world.network.hang_up(ada)
        await expect(desk.locator(".offer .state").first).to_have_text("The call has ended.", timeout=30_000)
