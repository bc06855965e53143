"""Choosing a time in Chromium: by keyboard, with and without scripts, in every language, for everybody."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect
from test_browser import page_of
from test_later import DAY, TEN, book, due_at
from test_states import DESK, NARROWEST, layout, violations
from web_gateway import Gateway, MakeGateway

from mailgate.calls.model import Answered, Ended, Outcome
from mailgate.offers.events import Passed
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.issue import Rules
from mailgate.offers.slots import Missed
from mailgate.offers.table import State
from mailgate.web.texts import load


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_a_time_is_chosen_by_keyboard_moved_and_cancelled(
    gateway: Gateway, chromium: Browser, scripts: bool
) -> None:
    token = await gateway.open()
    zone = "Asia/Tokyo" if scripts else "Europe/Paris"
    options = {"java_script_enabled": scripts, "timezone_id": "Asia/Tokyo", "locale": "en-US"}
    async with page_of(chromium, gateway, token, **options) as page:
        heading = page.get_by_role("heading", level=1)
        await page.get_by_role("link", name="Choose a time").press("Enter")
        await expect(page.get_by_label("Your time zone")).to_have_value(zone)
        await page.get_by_role("button", name="Book this time").press("Enter")
        await expect(page.locator("#later-error")).to_contain_text("Please choose one of the times")
        await page.locator(".days a").nth(1).press("Enter")
        await expect(page.locator(".days [aria-current]")).to_have_count(1)
        await page.locator(".times input").first.press("Space")
        await page.locator(".times input").first.press("ArrowRight")  # radio buttons are one stop, as a group should be
        await page.get_by_label("Country").select_option("FR")
        await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
        await page.get_by_label("Your telephone number").press("Enter")
        await expect(heading).to_have_text("Your call is booked")
        first = gateway.offers.look(token)
        assert (first.state, first.slot_zone) == (State.BOOKED, zone)
        await page.get_by_role("link", name="Choose another time").press("Enter")
        await expect(page.get_by_label("Your time zone")).to_have_value(zone)
        await page.locator(".days a").nth(2).press("Enter")
        await page.locator(".times input").nth(3).press("Space")
        await page.get_by_role("button", name="Move the call to this time").press("Enter")
        await expect(heading).to_have_text("Your call is booked")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Put it into my calendar").press("Enter")
        assert (await download.value).suggested_filename == "call.ics"
        await page.locator(".booked summary").press("Enter")
        await page.locator("#cancel input[name=sure]").press("Space")
        await page.locator("#cancel button").press("Enter")
        await expect(heading).to_have_text("Ada Lovelace offers you a call")
    assert gateway.history(token) == ["booked", "moved", "cancelled"]


async def test_another_tab_follows_a_booking_and_its_call(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        heading = page.get_by_role("heading", level=1)
        await book(gateway, token)
        await expect(heading).to_have_text("Your call is booked")
        attempt_id = await due_at(gateway, token)
        await expect(heading).to_have_text("We are calling you")
        await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER))
        await expect(heading).to_have_text("You did not pick up")
        await expect(page.get_by_role("link", name="Have a code mailed")).to_be_visible()  # it was another browser's


@pytest.mark.parametrize("language", sorted(load()))
async def test_everybody_can_use_every_page_of_it(
    make_gateway: MakeGateway, chromium: Browser, axe: str, language: str
) -> None:
    # what is booked here beside the browser would be another one's, and be kept from it
    gateway = await make_gateway(rules=Rules(forwarding=Forwarding.BEARER))
    gateway.account(rings_first=True)

    async def everywhere(token: str, what: str) -> None:
        async with page_of(chromium, gateway, token, reduced_motion="reduce", locale=language) as page:
            for viewport, colours in ((NARROWEST, "light"), (DESK, "dark")):
                await page.set_viewport_size(viewport)
                await page.emulate_media(color_scheme=colours)
                assert await violations(page, axe) == [], (what, colours)
                assert await layout(page) == []

    token = await gateway.open()
    await everywhere(f"{token}/later?any=1", "choose")
    await everywhere(f"{token}/later?zone=x", "a zone that is none")
    async with page_of(chromium, gateway, f"{token}/later", locale=language) as page:
        await page.locator(".times label").first.click()
        await page.locator(".tick").click()
        await page.locator("#later button").click()
        await expect(page.locator("#number-error")).to_be_visible()
        assert await violations(page, axe) == []
        assert await layout(page) == []
    await book(gateway, token)
    await everywhere(token, "booked")
    async with page_of(chromium, gateway, token, locale=language) as page:
        await page.locator(".booked summary").click()
        assert await violations(page, axe) == []
        assert await layout(page) == []
    await everywhere(f"{token}/later", "move")
    attempt_id = await due_at(gateway, token)
    await everywhere(token, "the destination first")
    await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    await everywhere(token, "your turn")
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.DESTINATION_NO_ANSWER))
    await book(gateway, token, TEN + DAY)
    gateway.clock.at = TEN + DAY
    await gateway.offers.apply(gateway.offers.offer_id_of(token), Passed(missed=Missed.LATE))
    await everywhere(token, "missed")
