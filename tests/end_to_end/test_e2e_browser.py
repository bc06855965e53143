"""The main job as a person lives through it, in Chromium: the mail, the icon, the number, the call, its end."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import os
import re
from pathlib import Path

import pytest
from e2e_hidden import shows
from e2e_letters import letter
from e2e_world import everybody_answers
from lab.browser import chromium
from lab.world import ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World
from playwright.async_api import Page, Response, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCREENSHOTS = Path(os.environ.get("MAILGATE_SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots")


def as_a_mail_program_shows_it(message: bytes) -> str:
    """The HTML part, its inline images put in their places, within the frame of a mail program."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    html = parsed.get_body(("html",)).get_content()  # type: ignore[union-attr]
    for part in parsed.walk():
        if part["Content-ID"]:
            image = base64.b64encode(part.get_payload(decode=True)).decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:image/png;base64,{image}")
    head = f"<h2 style='font:600 20px sans-serif'>{parsed['Subject']}</h2><p style='font:14px sans-serif'>"
    return html.replace("<body>", f"<body style='margin:24px'>{head}{parsed['From'].addresses[0].display_name}</p><hr>")


@pytest.mark.claim("T1", "T2", "T3", "T16", "T17", "T18", "T32", "T34", "T36", "T4", "T19")
async def test_a_click_on_the_icon_becomes_a_call(folder: Path) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 (before anything runs)
    async with World(folder) as world, chromium() as browser:
        everybody_answers(world)
        await world.submit(letter())
        (arrived,) = await world.wait_for_mail(BEN)
        context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
        received: list[str] = []
        unread: set[asyncio.Task[None]] = set()

        async def keep(answer: Response) -> None:
            headers = await answer.all_headers()
            streamed = "event-stream" in headers.get("content-type", "") or 300 <= answer.status < 400
            received.append(f"{answer.url} {headers} {'' if streamed else await answer.text()}")

        def note(answer: Response) -> None:
            task = asyncio.create_task(keep(answer))
            unread.add(task)
            task.add_done_callback(unread.discard)

        context.on("response", note)
        mail = await context.new_page()
        await mail.set_content(as_a_mail_program_shows_it(arrived))
        await mail.screenshot(path=SCREENSHOTS / "message.png", full_page=True)
        async with context.expect_page() as opened:
            await mail.locator("a img").click()
        page: Page = await opened.value
        await page.wait_for_load_state()
        assert "Ada Lovelace" in await page.locator("h1").inner_text()
        await page.screenshot(path=SCREENSHOTS / "page.png", full_page=True)
        assert world.gateway.run("offers").stdout.count(" open ") == 1  # looking has changed nothing

        await page.locator("#number").fill("01 99 00 00 02")
        await page.locator("#call button[type=submit]").click()
        ben = await world.network.call(BEN_NUMBER)
        ada = await world.network.call(ADA_NUMBER, timeout_s=20)
        await expect(page.locator("h1")).to_have_text("You are connected", timeout=20_000)
        await page.screenshot(path=SCREENSHOTS / "connected.png", full_page=True)
        for _ in range(50):
            await asyncio.sleep(0.2)
            to_ben, to_ada = ben.rtp.tones(VOICES["ada"]), ada.rtp.tones(VOICES["ben"])
            if to_ben and to_ada and to_ben[VOICES["ada"]] > 0.9 and to_ada[VOICES["ben"]] > 0.9:
                break
        else:
            raise AssertionError(f"they do not hear each other: {to_ben} {to_ada}")

        world.network.hang_up(ben)
        await expect(page.locator("h1")).to_have_text("The call has ended", timeout=10_000)
        assert re.search(r"You talked for \d+ s", await page.locator("#panel").inner_text())
        await page.screenshot(path=SCREENSHOTS / "ended.png", full_page=True)
        if unread:
            await asyncio.wait(unread, timeout=5)
        assert any("/a/" in text for text in received)
        assert not [text for text in received if shows(text, ADA_NUMBER)]
