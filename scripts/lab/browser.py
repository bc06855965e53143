"""Debian's Chromium by playwright, for tests and pictures: `async with chromium() as browser: …`.

Nothing is fetched by it at the start and nothing updates itself; it talks to the pages of the test only.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

PROGRAM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser; make contexts in it with the width, colours and scripting that are wanted."""
    async with async_playwright() as playwright:
        program = shutil.which("chromium") or PROGRAM
        browser = await playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        try:
            yield browser
        finally:
            await browser.close()
