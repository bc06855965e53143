"""Every state of every page: no violation for axe-core, nothing sticks out, small, and there without scripts.

Run with MAILGATE_PICTURES=FOLDER it also puts pictures there, which scripts/pictures makes sheets of.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import lab.browser
import pytest
from lab.browser import layout, violations
from playwright.async_api import Browser, Page
from web_gateway import MakeGateway
from web_shown import Shown
from web_states import walk

PHONE = {"width": 390, "height": 844}
NARROWEST = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10
DESK = {"width": 1280, "height": 900}
ROUNDS = ((NARROWEST, "light"), (DESK, "dark"))
MOST_OCTETS = 30_000


@pytest.fixture
async def speaking(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser with a microphone that hears a tone."""
    async with lab.browser.chromium(*lab.browser.with_voice(440, tmp_path)) as browser:
        yield browser


async def opened(browser: Browser, shown: Shown, language: str, **options: Any) -> Page:
    context = await browser.new_context(
        **({"viewport": PHONE, "locale": language, "reduced_motion": "reduce", "permissions": ["microphone"]} | options)
    )
    page = await context.new_page()
    await page.goto(shown.url)
    if shown.do:
        await shown.do(page)
    return page


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", ["en-GB", "de", "ar"])
async def test_everybody_can_use_every_page(
    make_gateway: MakeGateway, speaking: Browser, axe: str, language: str
) -> None:
    found: dict[str, list[str]] = {}
    names = set()
    async for shown in walk(make_gateway):
        names.add(shown.name)
        if language != "en-GB" and not shown.pictured:
            continue
        page = await opened(speaking, shown, language)
        for viewport, colours in ROUNDS:
            await page.set_viewport_size(viewport)  # type: ignore[arg-type]
            await page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            wrong = [*await violations(page, axe), *await layout(page)]
            if wrong:
                found[f"{shown.name}, {colours}"] = wrong
        await page.context.close()
    assert found == {}
    assert len(names) > 75, "each state is a state of its own"


@pytest.mark.timeout(300)
async def test_every_page_is_small_and_there_without_scripts(make_gateway: MakeGateway, chromium: Browser) -> None:
    context = await chromium.new_context(locale="en-GB", java_script_enabled=False)
    page = await context.new_page()
    async for shown in walk(make_gateway):
        answer = await page.goto(shown.url)
        assert answer is not None and (len(await answer.body()) < MOST_OCTETS or not shown.small), shown.name
        assert await page.get_by_role("heading", level=1).inner_text(), shown.name
    await context.close()


@pytest.mark.optional("MAILGATE_PICTURES")
@pytest.mark.timeout(900)
async def test_pictures(make_gateway: MakeGateway, speaking: Browser) -> None:
    folder = Path(os.environ["MAILGATE_PICTURES"])
    sheets: list[tuple[str, str, dict[str, Any]]] = [
        ("phone light", "en-GB", {"viewport": PHONE, "color_scheme": "light", "has_touch": True, "is_mobile": True}),
        ("phone dark", "en-GB", {"viewport": PHONE, "color_scheme": "dark", "has_touch": True, "is_mobile": True}),
        ("desk light", "en-GB", {"viewport": DESK, "color_scheme": "light"}),
        ("desk dark", "en-GB", {"viewport": DESK, "color_scheme": "dark"}),
        ("phone rtl", "ar", {"viewport": PHONE, "color_scheme": "light", "has_touch": True, "is_mobile": True}),
    ]
    number = 0
    async for shown in walk(make_gateway):
        if not shown.pictured:
            continue
        number += 1
        for sheet, language, options in sheets:
            page = await opened(speaking, shown, language, **options)
            await page.evaluate("document.activeElement.blur()")
            if "desk" not in sheet:  # not `full_page`, which takes the touch screen away while it looks
                height = await page.evaluate("document.documentElement.scrollHeight")
                await page.set_viewport_size({"width": PHONE["width"], "height": height})
            target = folder / f"page-{sheet}".replace(" ", "-") / f"{number:02} {shown.name}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=target)
            await page.context.close()
