"""The page that listens, in every state: listening, not connected, ready; a call offered, ringing, talked, over.

In each state: no violation for axe-core, and nothing sticks out. Run with MAILGATE_PICTURES=FOLDER it also puts
pictures there, which scripts/pictures makes sheets of.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from e2e_pages import rings, session
from e2e_world import Visitor, ben_joins, link_to, reset
from lab.browser import axe_core, chromium, layout, violations, with_voice
from lab.passing import passing
from lab.phone import Answer
from lab.world import ADA_NUMBER, BEN, VOICES, World
from playwright.async_api import Browser, Page, expect

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PHONE = {"width": 390, "height": 844}
NARROWEST = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10
DESK = {"width": 1280, "height": 900}
TOUCHED = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
STATES = 7


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with passing() as world:
        await ben_joins(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """Ben's, with his voice."""
    async with chromium(*with_voice(VOICES["ben"], tmp_path)) as found:
        yield found


async def walk(world: World, browser: Browser, **options: Any) -> AsyncIterator[tuple[str, Page]]:
    """Ben's page in each state, one after another; found by ids, since it may be in any language."""
    reset(world)
    world.network.plan = {ADA_NUMBER: Answer(press=((1.0, "1"),))}
    cookies = await session(world, BEN)
    context = await browser.new_context(reduced_motion="reduce", **options)
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{world.gateway.url}/my/listen")
    await expect(page.locator("#line.here")).to_be_visible()
    yield "listening", page
    await asyncio.to_thread(world.gateway.stop)
    await expect(page.locator("#line.lost")).to_be_visible()
    yield "not connected", page
    await asyncio.to_thread(world.gateway.start)
    await expect(page.locator("#line.here")).to_be_visible(timeout=60_000)
    await page.locator("#ring-on").click()
    await expect(page.locator("#ring-off")).to_be_focused()
    yield "calls ring here", page
    link = await link_to(world)
    card = page.locator(".offer")
    await expect(card.locator("[data-accept]").first).to_be_visible(timeout=20_000)
    yield "a call is offered", page
    async with httpx.AsyncClient(timeout=20) as client:
        for cookie in cookies:
            client.cookies.set(cookie["name"], cookie["value"])
        assert (await Visitor(client).accept_by_own_order(link)).status_code == 303
    await expect(page.locator("#talk-answer")).to_be_focused(timeout=20_000)
    yield "it rings", page
    await rings(page)
    await page.locator("#talk-answer").click()
    await expect(page.locator("#talk-hang-up")).to_be_visible(timeout=10_000)
    connected = await page.locator("#main").get_attribute("data-connected")
    await expect(card.locator("[data-part=state]")).to_have_text(connected or "?", timeout=20_000)
    yield "talking", page
    await page.locator("#talk-hang-up").click()
    await expect(page.locator("#talk")).to_be_hidden()
    await expect(card.locator("[data-part=state]")).not_to_have_text(connected or "?", timeout=10_000)
    yield "the call has ended", page
    await context.close()


@pytest.mark.parametrize("language", ["en-GB", "de", "ar"])
async def test_everybody_can_use_the_page_that_listens(world: World, browser: Browser, language: str) -> None:
    axe = await asyncio.to_thread(axe_core)
    found: dict[str, list[str]] = {}
    names = []
    async for name, page in walk(world, browser, locale=language, viewport=PHONE):
        names.append(name)
        for viewport, colours in ((NARROWEST, "light"), (DESK, "dark")):
            await page.set_viewport_size(viewport)  # type: ignore[arg-type]
            await page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            if wrong := [*await violations(page, axe), *await layout(page)]:
                found[f"{name}, {colours}"] = wrong
        if name in ("it rings", "talking"):
            await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            await page.evaluate("scrollTo(0, 0)")
            key = page.locator("#talk-answer" if name == "it rings" else "#talk-hang-up")
            await expect(key).to_be_in_viewport(ratio=1)
    assert found == {}
    assert len(names) == STATES


@pytest.mark.optional("MAILGATE_PICTURES")
async def test_pictures_of_the_page_that_listens(world: World, browser: Browser) -> None:
    folder = Path(os.environ["MAILGATE_PICTURES"])
    rounds: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        ("en-GB", {"light": "listening-phone-light", "dark": "listening-phone-dark"}, TOUCHED),
        ("en-GB", {"light": "listening-desk-light", "dark": "listening-desk-dark"}, {"viewport": DESK}),
        ("ar", {"light": "listening-phone-rtl"}, TOUCHED),
    ]
    for language, sheets, options in rounds:
        number = 0
        async for name, page in walk(world, browser, locale=language, **options):
            number += 1
            await page.evaluate("scrollTo(0, 0)")
            await page.mouse.move(0, 0)  # off the key that it has pressed
            if options is TOUCHED:  # not `full_page`, which takes the touch screen away while it looks
                height = await page.evaluate("document.documentElement.scrollHeight")
                await page.set_viewport_size({"width": PHONE["width"], "height": height})
            for colours, sheet in sheets.items():
                await page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
                target = folder / sheet / f"{number:02} {name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                await page.screenshot(path=target)
            await page.set_viewport_size(options["viewport"])
