"""A page to look at, and what a person does on it to get it into a state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, expect
from web_gateway import Gateway

Do = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page in a state, and what is done on it to get there; `pictured`: it is among the pictures, and
    looked at in every language; `small`: it is for people with a telephone and no time."""

    name: str
    url: str
    do: Do | None = None
    pictured: bool = True
    small: bool = True


def typed(field: str, text: str, form: str, then: str) -> Do:
    async def do(page: Page) -> None:
        await page.locator(field).fill(text)
        await page.locator(f"{form} button").last.click()
        await expect(page.locator(then).first).to_be_visible()

    return do


async def sign_in(gateway: Gateway) -> None:
    """Ada, in the gateway's own client."""
    await gateway.client.post("/my/link", data={"address": "ada@example.org", "subject": ""})
    secret = gateway.notices()[-1].values["secret"]
    assert (await gateway.client.post(f"/my/in/{secret}", data={})).status_code == 303


def at_home(gateway: Gateway, query: str = "", do: Do | None = None) -> Do:
    """Ada on her own page, with the session of the gateway's own client, which has signed in before: links are not
    mailed as often as pages are looked at."""

    async def work(page: Page) -> None:
        session = {"name": "mailgate_session", "value": gateway.client.cookies["mailgate_session"], "url": gateway.url}
        await page.context.add_cookies([session])  # type: ignore[list-item]
        await page.goto(f"{gateway.url}/my{query}")
        await expect(page.locator("#quiet-form")).to_be_visible()
        if do:
            await do(page)

    return work
