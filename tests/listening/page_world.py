"""The page that listens, in Chromium: signed in by the mailed link, as its user is."""

from __future__ import annotations

import contextlib
import email
import email.policy
import re
from collections.abc import AsyncIterator
from typing import Any

from lab.gateway import Gateway
from listening_world import BEN, House, until
from playwright.async_api import Browser, BrowserContext, Page, expect

PHONE = {"width": 390, "height": 844}


class Visitors:
    """Browsers of people who have signed in, each once: what their browser keeps is kept here."""

    def __init__(self, home: House, browser: Browser) -> None:
        self.home = home
        self.browser = browser
        self._kept: dict[str, Any] = {}

    @property
    def gateway(self) -> Gateway:
        return self.home.gateway

    async def context(self, address: str = BEN, **options: Any) -> BrowserContext:
        """A browser of its own, signed in."""
        if address not in self._kept:
            self._kept[address] = await self._sign_in(address)
        usual = {"viewport": PHONE, "locale": "en-GB", "storage_state": self._kept[address]}
        return await self.browser.new_context(**(usual | options))

    @contextlib.asynccontextmanager
    async def page(self, address: str = BEN, *, user_agent: str = "", **options: Any) -> AsyncIterator[Page]:
        """The page that listens, connected; what the console or the page complains of fails the test."""
        agent = {"user_agent": user_agent} if user_agent else {}
        context = await self.context(address, **agent, **options)
        complaints: list[str] = []
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page = await context.new_page()
        await page.goto(f"{self.gateway.url}/my/listen")
        await expect(page.locator("#line.here")).to_be_visible()
        yield page
        await context.close()
        # a gateway that was stopped on purpose
        assert [c for c in complaints if "ERR_CONNECTION_REFUSED" not in c and "WebSocket connection" not in c] == []

    async def _sign_in(self, address: str) -> Any:
        context = await self.browser.new_context(locale="en-GB")
        page = await context.new_page()
        before = len(self.home.hop.taken)
        await page.goto(f"{self.gateway.url}/my")
        await page.locator("#address-field").fill(address)
        await page.locator("#ask button").click()
        await page.goto(await self._link(address, before))
        await page.locator("#door button").click()
        await expect(page.locator("#out")).to_be_visible()
        kept = await context.storage_state()
        await context.close()
        return kept

    async def _link(self, address: str, before: int) -> str:
        def found() -> str:
            for taken in self.home.hop.taken[before:]:
                message = email.message_from_bytes(taken.content, policy=email.policy.default)
                body = message.get_body(("plain",))
                text = body.get_content() if body else ""
                if message["To"] == address and (link := re.search(rf"{self.gateway.url}/my/in/\S+", text)):
                    return link[0]
            return ""

        link = await until(found, 30, lambda: f"no link among {self.home.hop.subjects()}\n{self.gateway.log[-2000:]}")
        return str(link)
