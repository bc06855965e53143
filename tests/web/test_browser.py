"""The page in Chromium: with and without scripts, on a telephone and a desk, light and dark, for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect
from web_gateway import Gateway, MakeGateway, course, dial

from mailgate.calls.model import Answered, Bridged, Ended, Outcome, Ringing
from mailgate.web.app import create_app
from mailgate.web.server import WebServer

PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def page_of(chromium: Browser, gateway: Gateway, token: str, **options: Any) -> AsyncIterator[Page]:
    """The offer's page in a browser of its own; any complaint of the console or of the page fails the test."""
    context = await chromium.new_context(**({"viewport": PHONE, "locale": "en-GB"} | options))
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto(f"{gateway.url}/a/{token}")
    yield page
    await context.close()
    # a page that says 410, 422 or 403 is an error to the console, and is meant to be one
    assert [c for c in complaints if "the server responded with a status of 4" not in c] == []


@pytest.mark.claim("T2", "T3")
async def test_from_the_press_to_the_end_of_the_call(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        await page.get_by_label("Country").select_option("FR")
        await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
        await page.get_by_role("button", name="Call me now").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
        attempt_id = await gateway.placed()
        titles = [
            "Your telephone is ringing",
            "Press 1 on your telephone",
            "We are calling Ada Lovelace",
            "Ada Lovelace has picked up",
            "You are connected",
            "The call has ended",
        ]
        for event, title in zip(course(attempt_id, gateway.clock()), titles, strict=True):
            await gateway.offers.on_call_event(event)
            await expect(page.get_by_role("heading", level=1)).to_have_text(title)
            await expect(page.get_by_role("status")).to_contain_text(title)
            await expect(page).to_have_title(title)
            if isinstance(event, Bridged):
                await expect(page.locator("#clock")).to_have_text("0:02", timeout=5000)
        await expect(page.locator("main")).to_contain_text("You talked for 1 min 23 s.")
        # what was typed is there again, from this tab's own memory
        await expect(page.get_by_label("Your telephone number")).to_have_value("01 99 00 56 78")
        await expect(page.get_by_label("Country")).to_have_value("FR")
        await page.get_by_role("button", name="Call me again").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
        await gateway.placed(2)


async def test_the_same_without_scripts(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token, java_script_enabled=False) as page:
        await page.get_by_label("Country").select_option("FR")
        await page.get_by_label("Your telephone number").fill("12")
        await page.get_by_role("button", name="Call me now").click()
        await expect(page.locator("#number-error")).to_contain_text("too short")
        await expect(page.get_by_label("Your telephone number")).to_have_value("12")
        await expect(page.get_by_label("Your telephone number")).to_be_focused()
        await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
        await page.get_by_role("button", name="Call me now").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
        attempt_id = await gateway.placed()
        await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Press 1 on your telephone", timeout=10_000)
        await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.NO_KEY))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Nobody pressed 1", timeout=10_000)


async def test_another_tab_follows(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as first, page_of(chromium, gateway, token) as second:
        await second.get_by_label("Your telephone number").focus()
        await gateway.press(token)
        for page in (first, second):
            await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
            await expect(page.locator("main form")).to_have_count(0)
        await expect(second.locator("#title")).to_be_focused()  # the field that had the focus is gone


async def test_back_and_reload_show_the_truth(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        await page.get_by_label("Country").select_option("FR")
        await page.get_by_label("Your telephone number").fill("5")
        await page.get_by_role("button", name="Call me now").click()
        await expect(page.locator("#number-error")).to_be_visible()
        await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
        await page.get_by_role("button", name="Call me now").click()
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("We are calling you")
        attempt_id = await gateway.placed()
        await page.go_back()
        await expect(heading).to_have_text("We are calling you")
        await page.reload()
        await expect(heading).to_have_text("We are calling you")
        await gateway.offers.on_call_event(Ringing(attempt_id=attempt_id, leg=1))
        await expect(heading).to_have_text("Your telephone is ringing")
        await page.goto(f"{gateway.url}/a/{token}/call")
        await expect(heading).to_have_text("Your telephone is ringing")
        assert len(gateway.calls.orders) == 1


async def test_a_double_press_makes_one_call(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    for scripts in (True, False):
        async with page_of(chromium, gateway, token, java_script_enabled=scripts) as page:
            await page.get_by_label("Country").select_option("FR")
            await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
            await page.locator("#call button").dblclick(no_wait_after=True)
            await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
        attempt_id = await gateway.placed()
        await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_BUSY))
        assert gateway.attempts(token) == (1 if scripts else 2)


async def test_where_no_events_come_through_the_page_asks_again(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    attempt_id = await gateway.accepted(token)
    context = await chromium.new_context(locale="en-GB")
    page = await context.new_page()

    async def stop(route: Route) -> None:
        await route.fulfill(status=502)

    await page.route("**/events*", stop)
    await page.goto(f"{gateway.url}/a/{token}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
    await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Press 1 on your telephone", timeout=12_000)
    await context.close()


async def test_a_restart_of_the_server_is_lived_through(gateway: Gateway, chromium: Browser) -> None:
    """The page stays where it is while nobody answers, and then shows what has happened meanwhile."""
    token = await gateway.open()
    attempt_id = await gateway.accepted(token)
    context = await chromium.new_context(locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{token}")
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("We are calling you")
    port = gateway.server.port
    await gateway.server.stop()
    await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    await page.wait_for_timeout(2500)
    await expect(heading).to_have_text("We are calling you")
    app = create_app(gateway.settings, gateway.offers, dial, now=gateway.clock)
    second = WebServer(app, host="127.0.0.1", port=port)
    await second.start()
    await expect(heading).to_have_text("Press 1 on your telephone", timeout=15_000)
    await context.close()
    await second.stop()


async def test_by_keyboard_alone(make_gateway: MakeGateway, chromium: Browser) -> None:
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        order = []
        for _ in range(6):
            await page.keyboard.press("Tab")
            order.append(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert order == ["SUMMARY", "region", "number", "BUTTON", "A", "SUMMARY"]
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Your SIP address")).to_be_visible()
        await page.keyboard.press("Tab")
        await page.keyboard.type("sip:ben@sip.example")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
    await gateway.placed()


async def test_the_example_follows_the_country(gateway: Gateway, chromium: Browser) -> None:
    async with page_of(chromium, gateway, await gateway.open()) as page:
        await page.get_by_label("Country").select_option("DE")
        await expect(page.locator("#example")).to_have_text("01512 3456789")


async def test_declining_by_keyboard_and_thinking_again(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    for scripts in (True, False):
        token = await gateway.open()
        async with page_of(chromium, gateway, token, java_script_enabled=scripts) as page:
            heading = page.get_by_role("heading", level=1)
            await page.get_by_text("Decline the call").press("Enter")
            await page.get_by_role("button", name="Decline").click()
            await expect(page.locator("#decline-error")).to_contain_text("Please choose a reason")
            await expect(page.get_by_label("Why?")).to_be_focused()
            await page.get_by_label("Why?").select_option("Not at the moment")
            await page.get_by_role("button", name="Decline").click()
            await expect(heading).to_have_text("You have declined the call")
            await page.get_by_text("Write an answer").click()
            await page.get_by_label("Your answer to Ada Lovelace").fill("Tomorrow at ten?")
            await page.get_by_role("button", name="Send the answer").click()
            await expect(page.locator("main")).to_contain_text("Your answer is on its way")
            await page.get_by_label("Country").select_option("FR")
            await page.get_by_label("Your telephone number").fill("01 99 00 56 78")
            await page.get_by_role("button", name="Call me now").click()
            await expect(heading).to_have_text("We are calling you")
        assert gateway.history(token) == ["declined", "replied", "accepted"]


async def test_another_tab_sees_that_it_was_declined(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace offers you a call")
        await gateway.answer(token, "decline", reason="not-now")
        await expect(page.get_by_role("heading", level=1)).to_have_text("You have declined the call")


async def test_in_a_frame_only_where_that_is_allowed(make_gateway: MakeGateway, chromium: Browser) -> None:
    closed = await make_gateway()
    allowed = await make_gateway(frame_ancestors="'self'")
    context = await chromium.new_context(locale="en-GB")
    page = await context.new_page()

    async def frames(route: Route) -> None:
        urls = [f"{gateway.url}/a/{await gateway.open()}" for gateway in (allowed, closed)]
        body = "".join(f'<iframe src="{url}"></iframe>' for url in urls)
        await route.fulfill(body=body, content_type="text/html")

    await page.route("**/demo", frames)
    await page.goto(f"{allowed.url}/demo")  # waits for the frames, too
    await expect(page.frame_locator("iframe").nth(0).get_by_role("heading", level=1)).to_be_visible()
    await expect(page.frame_locator("iframe").nth(1).get_by_role("heading", level=1)).to_have_count(0)
    await context.close()
