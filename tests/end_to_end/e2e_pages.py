"""Pages of who is signed in, as telephones: opened, answered, listened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from e2e_world import Visitor, sign_in
from lab.phone import Call
from lab.talk import IN_THE_PAGE, hertz_heard, watch
from lab.world import World
from playwright.async_api import Browser, Page, expect

_SESSIONS: dict[tuple[str, str], list[dict[str, str]]] = {}
"""By gateway and address: no more than ten links an hour are mailed to anybody (mailgate.offers.own)."""


async def session(world: World, address: str) -> list[dict[str, str]]:
    """Cookies of who is signed in there, as Playwright takes them."""
    known = (world.gateway.url, address)
    if known not in _SESSIONS:
        async with httpx.AsyncClient(timeout=20) as client:
            await sign_in(world, Visitor(client), address)
            _SESSIONS[known] = [
                {"name": c.name, "value": c.value or "", "url": f"{world.gateway.url}/my"} for c in client.cookies.jar
            ]
    return _SESSIONS[known]


@asynccontextmanager
async def standing(
    world: World, browser: Browser, address: str, frames: list[str] | None = None
) -> AsyncIterator[Page]:
    """The page /my/listen of who is signed in, and calls are wanted there."""
    cookies = await session(world, address)
    context = await browser.new_context(locale="en-GB")
    await context.add_init_script(IN_THE_PAGE)
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await context.new_page()
    if frames is not None:
        page.on("websocket", lambda socket: watch(socket, frames))
    try:
        await page.goto(f"{world.gateway.url}/my/listen")
        await page.get_by_role("button", name="Take calls here").click()
        await expect(page.locator("#ring-say")).to_contain_text("Calls ring here")
        yield page
    finally:
        await context.close()


async def rings(page: Page) -> None:
    """Until the page rings and takes a press for an answer."""
    await expect(page.locator("#talk-ring[data-settled]")).to_be_visible(timeout=20_000)


async def answers(page: Page, says: str) -> None:
    await rings(page)
    await expect(page.locator("#talk-say")).to_have_text(says)
    await page.get_by_role("button", name="Answer", exact=True).click()
    await expect(page.locator("#talk-say")).to_have_text("You can talk.", timeout=10_000)


async def hears(page: Page, hertz: int) -> None:
    heard = 0.0
    for _ in range(30):
        heard = await hertz_heard(page)
        if abs(heard - hertz) < 15:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{heard} is not {hertz}")


async def is_heard(call: Call, hertz: int) -> None:
    async with asyncio.timeout(10):
        while call.rtp.tones(hertz)[hertz] <= 0.8:
            await asyncio.sleep(0.1)
