"""The page that listens, in Chromium: shows offers at once, answers them, comes back after a failure; for everybody."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lab.browser import axe_core, chromium, layout, violations
from listening_world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, House, house, until
from page_world import Visitors
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visitors() -> AsyncIterator[Visitors]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    async with house(folder, ack_s=10) as home, chromium() as browser:
        yield Visitors(home, browser)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(visitors: Visitors) -> House:
    return visitors.home


async def offer(page: Page, to: str = BEN) -> None:
    """Offer a call from the page."""
    await page.get_by_label("Their e-mail address").fill(to)
    await page.get_by_role("button", name="Offer a call").click()
    await expect(page.locator("#make-said")).to_contain_text(f"Offered to {to}")


def went(home: House) -> list[str]:
    """By which ways offers were told until now."""
    return re.findall(r"notice tried notice=\S+ kind=offered way=(\w+) delivery=delivered", home.gateway.log)


async def goes(home: House, before: list[str], way: str) -> None:
    """The next offer goes that way."""
    await until(lambda: len(went(home)) > len(before), 60, lambda: home.gateway.log[-3000:])
    assert went(home)[len(before) :] == [way]


@pytest.mark.claim("C5", "C16", "C23", "C30", "C6", "C8")
async def test_from_one_page_to_two_others_and_back(visitors: Visitors, home: House) -> None:
    async with (
        visitors.page(ADA) as ada,
        visitors.page(BEN) as telephone,
        visitors.page(BEN, user_agent=FIREFOX) as desk,
    ):
        mails = len(home.hop.taken)
        await offer(ada)
        for page in (telephone, desk):
            card = page.locator(".offer")
            await expect(card.get_by_role("heading")).to_have_text("Ada Lovelace offers you a call")
            await expect(card).to_contain_text("Good until")
            await expect(page.locator("#live")).to_have_text("Ada Lovelace offers you a call")
            await expect(page).to_have_title("(1) Calls offered to you")
        await telephone.get_by_text("Write an answer").click()
        await telephone.get_by_label("Your answer to Ada Lovelace").fill("After lunch?")
        await telephone.get_by_role("button", name="Send the answer").click()
        await expect(ada.locator("#news")).to_contain_text("After lunch?")
        await expect(telephone.locator(".offer .state")).to_have_text("Your answer is on its way.")
        await telephone.get_by_text("Decline the call").click()
        await telephone.get_by_role("button", name="Decline", exact=True).click()
        await expect(telephone.locator(".offer")).to_contain_text("choose a reason, or write a few words")
        await telephone.get_by_label("A few words, if you like").fill("On a train <b>now</b>")
        await telephone.get_by_role("button", name="Decline", exact=True).click()
        await expect(ada.locator("#news")).to_contain_text("On a train <b>now</b>")
        for page in (telephone, desk):
            await expect(page.locator(".offer .state")).to_have_text("You have declined.")
            await expect(page.locator(".offer").get_by_role("button")).to_have_count(0)
            await expect(page).to_have_title("Calls offered to you")
        assert ADA_NUMBER[-9:] not in await telephone.content()
        assert BEN_NUMBER[-9:] not in await telephone.content()
        assert len(home.hop.taken) == mails, "nothing of it went by mail"


async def test_the_ways_of_an_offer(visitors: Visitors) -> None:
    """To the account's own telephone by its mark; to the offer's page, to talk from there, or for another time."""
    async with visitors.page(ADA) as ada, visitors.page(BEN) as ben:
        await offer(ada)
        card = ben.locator(".offer").first
        for name, end in (("Talk from this page", "#talk"), ("Choose a time", "/later"), ("Open the offer’s page", "")):
            link = await card.get_by_role("link", name=name).get_attribute("href")
            assert link is not None and link.startswith(f"{visitors.gateway.url}/a/") and link.endswith(end)
        async with ben.expect_popup() as popup:
            await card.get_by_role("link", name="Choose a time").click()
        later = await popup.value
        await expect(later.get_by_role("heading", level=1)).to_have_text("Choose a time")
        await later.close()
        async with ben.expect_popup() as popup:
            await card.get_by_role("link", name="Talk from this page").click()
        talk = await popup.value
        await expect(talk.locator("#talk")).to_be_visible()
        await talk.close()
        # there is no Asterisk here: the order is given, fails at once, and can be given anew
        await card.get_by_role("button", name="Call me on +33 … 02").click()
        await expect(card.locator(".state")).to_have_text("The call did not come about. You can try again.")
        await expect(card.get_by_role("button", name="Call me on +33 … 02")).to_be_enabled()


async def test_a_connection_that_is_lost_is_said_and_had_again(visitors: Visitors, home: House) -> None:
    async with visitors.page(ADA) as ada, visitors.page(BEN) as ben:
        await offer(ada)
        newest = ben.locator(".offer").first
        await newest.get_by_text("Write an answer").click()
        await newest.get_by_label("Your answer to Ada Lovelace").fill("half a sent")
        shown = await ben.locator(".offer").count()
        await asyncio.to_thread(home.gateway.stop)
        await expect(ben.locator("#line.lost")).to_contain_text("The connection is lost")
        await newest.get_by_role("button", name="Send the answer").click()
        await expect(newest).to_contain_text("The connection is lost")
        await asyncio.to_thread(home.gateway.start)
        await expect(ben.locator("#line.here")).to_be_visible(timeout=60_000)
        await asyncio.sleep(4)  # what the gateway does not show anew would have gone by now
        assert await ben.locator(".offer").count() == shown, "no offer is lost, and none is there twice"
        await expect(newest.get_by_label("Your answer to Ada Lovelace")).to_have_value("half a sent")


async def test_who_signs_out_is_told(visitors: Visitors) -> None:
    """In another tab: this one is cut off, and says what to do; another browser of the same person comes back."""
    elsewhere = Visitors(visitors.home, visitors.browser)  # a session that may end here
    async with visitors.page(BEN) as desk, elsewhere.page(BEN) as ben:
        other = await ben.context.new_page()
        await other.goto(f"{visitors.gateway.url}/my")
        await other.locator("#out button").click()
        await expect(ben.locator("#line.lost")).to_contain_text("You are signed out here")
        await expect(desk.locator("#line.here")).to_be_visible(timeout=20_000)
    context = await visitors.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{visitors.gateway.url}/my/listen")
    await expect(page).to_have_url(f"{visitors.gateway.url}/my")
    await context.close()


async def test_whose_account_is_removed_is_told(visitors: Visitors, home: House) -> None:
    await home.command("account", "add", "--name", "Cyn Drew", "--number", "+33199000077", "cyn@example.net")
    async with visitors.page(BEN) as ben, visitors.page("cyn@example.net") as cyn:
        await expect(cyn.locator("#line.here")).to_be_visible()
        await home.command("account", "remove", "cyn@example.net", "--yes")
        await expect(cyn.locator("#line.lost")).to_contain_text("signed out", timeout=20_000)
        await expect(ben.locator("#line.here")).to_be_visible()


async def test_how_one_is_goes_to_the_gateway_and_is_remembered(visitors: Visitors, home: House) -> None:
    async with visitors.page(ADA) as ada, visitors.page(BEN) as ben:
        await ben.get_by_label("Status").select_option("dnd")
        await expect(ben.locator("#status-hint")).to_contain_text("Nothing is shown here")
        before = went(home)
        await offer(ada)
        await goes(home, before, "mail")
        await ben.reload()
        await expect(ben.locator("#line.here")).to_be_visible()
        await expect(ben.get_by_label("Status")).to_have_value("dnd")
        await expect(ben.locator(".offer")).to_have_count(0)
        await ben.get_by_label("Status").select_option("available")
        await expect(ben.locator(".offer")).not_to_have_count(0)


async def test_what_nobody_looks_at_is_not_shown(visitors: Visitors, home: House) -> None:
    """A page that lies behind others does not say that it has shown anything; when it is looked at, it does."""
    async with visitors.page(ADA) as ada, visitors.page(BEN) as ben:
        await ben.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => window.behind, configurable: true});"
            "window.behind = true;"
        )
        before, shown = went(home), await ben.locator(".offer").count()
        await offer(ada)
        await expect(ben.locator(".offer")).to_have_count(shown + 1)
        await goes(home, before, "mail")
        before = went(home)
        await offer(ada)
        await expect(ben.locator(".offer")).to_have_count(shown + 2)
        await ben.evaluate("window.behind = false; document.dispatchEvent(new Event('visibilitychange'))")
        await goes(home, before, "socket")


async def test_without_scripts_it_says_what_is_needed(visitors: Visitors) -> None:
    context = await visitors.context(BEN, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{visitors.gateway.url}/my")
    await page.get_by_role("link", name="Listen for calls").click()
    await expect(page.locator("noscript .notice")).to_contain_text("needs JavaScript")
    await expect(page.locator("#listening")).to_be_hidden()
    await page.get_by_role("link", name="Your offers of calls").click()
    await expect(page).to_have_url(f"{visitors.gateway.url}/my")
    await context.close()


@pytest.mark.parametrize("language", ["en-GB", "de", "ar"])
async def test_everybody_can_use_it(visitors: Visitors, language: str) -> None:
    axe = await asyncio.to_thread(axe_core)
    async with (
        visitors.page(ADA) as ada,
        visitors.page(BEN, locale=language, reduced_motion="reduce") as ben,
    ):
        await offer(ada)
        card = ben.locator(".offer").first
        await expect(card).to_be_visible()
        for details in await card.locator("summary").all():
            await details.click()
        direction = "rtl" if language == "ar" else "ltr"
        assert await ben.locator("html").get_attribute("dir") == direction
        for width, colours in ((320, "light"), (1280, "dark")):
            await ben.set_viewport_size({"width": width, "height": 800})
            await ben.emulate_media(color_scheme="dark" if colours == "dark" else "light")
            assert await violations(ben, axe) == [], (language, colours)
            assert await layout(ben) == []
        await card.locator("textarea").first.fill("X")
        await card.locator("form").first.evaluate("form => form.requestSubmit()")
        await expect(card.locator(".state")).to_be_visible()
        assert await violations(ben, axe) == []
