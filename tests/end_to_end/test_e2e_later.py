"""A call at another time, on real parts: the letter, the page in Chromium, the booking, both telephones at the time."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage

import icalendar
import pytest
import pytest_asyncio
from e2e_hidden import shows
from e2e_world import Visitor, everybody_answers, invited, link_to, reset
from lab.browser import chromium
from lab.passing import passing
from lab.phone import Answer
from lab.world import ADA, ADA_NUMBER, BEN_NUMBER, VOICES, World, off_loop
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOT_S = 300
"""The shortest slot there is: one begins every five minutes. Where that is too long to wait for, a booking's time is
brought nearer in the store (`brought_nearer`), which is as much as a later day can be had in a test."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def round_the_clock() -> AsyncIterator[World]:
    """A world in which a call may be booked at any time, with an account that is rung first."""
    later = {"slot_minutes": 5, "lead_minutes": 0.0, "hours": "Mon-Sun 0-24", "day": "0-24", "time_zone": "UTC"}
    async with passing(configuration={"later": later}) as world:
        world.gateway.account_add("countess@example.org", "Ada Lovelace", "--number", ADA_NUMBER, "--rings-first")
        yield world


def brought_nearer(world: World, ahead_s: float) -> float:
    """The time of every booked call is so far from now; when that is (UNIX seconds)."""
    at = time.time() + ahead_s
    path = world.gateway.folder / "mailgate.db"
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as store, store:
        assert store.execute("UPDATE slots SET start = ? WHERE waits = 1", (at,)).rowcount == 1
    return at


async def books(http: Visitor, link: str, number: str = BEN_NUMBER) -> None:
    """The first time there is, by a reader without scripts."""
    page = (await http.get(f"{link}/later?zone=UTC")).text
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)
    first = re.search(r'name="at" value="(\d+)"', page)
    assert nonce is not None and first is not None, page
    fields = {"nonce": nonce[1], "at": first[1], "zone": "UTC", "region": "FR", "number": number}
    assert (await http.post(f"{link}/later", **fields)).status_code == 303


async def rings_at(world: World, number: str, at: float) -> float:
    """How many seconds after the time the telephone of that number rang."""
    await world.network.call(number, timeout_s=max(1.0, at - time.time()) + 20)
    rang = next(t for t, way, m in world.network.wire if way == "in" and m.startswith(f"INVITE sip:{number}@"))
    return time.time() - (time.monotonic() - rang) - at


@pytest.mark.claim("C1", "C13", "C22", "C29")
async def test_from_the_letter_to_both_telephones_at_the_time(round_the_clock: World) -> None:
    world = reset(round_the_clock)
    everybody_answers(world)
    before = len(world.mailbox(ADA))
    link = await link_to(world)
    async with chromium() as browser:
        context = await browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", timezone_id="Asia/Tokyo"
        )
        page = await context.new_page()
        await page.goto(link)
        await page.get_by_role("link", name="Choose a time").click()
        await expect(page.get_by_label("Your time zone")).to_have_value("Asia/Tokyo")  # the browser's own
        await page.locator(".times label").first.click()
        await page.get_by_label("Your telephone number").fill("01 99 00 00 02")
        await page.get_by_label("Mail me the calendar file").check()
        await page.get_by_role("button", name="Book this time").click()
        await expect(page.locator("h1")).to_have_text("Your call is booked")
        await expect(page.locator(".when")).to_contain_text("Japan Standard Time")
        assert invited(world, BEN_NUMBER) == 0
        at = brought_nearer(world, 4.0)
        assert -0.1 <= await rings_at(world, BEN_NUMBER, at) < 2.0
        ben = await world.network.call(BEN_NUMBER)
        ada = await world.network.call(ADA_NUMBER, timeout_s=20)
        await expect(page.locator("h1")).to_have_text("You are connected", timeout=20_000)
        for _ in range(50):
            await asyncio.sleep(0.2)
            to_ben, to_ada = ben.rtp.tones(VOICES["ada"]), ada.rtp.tones(VOICES["ben"])
            if to_ben and to_ada and to_ben[VOICES["ada"]] > 0.9 and to_ada[VOICES["ben"]] > 0.9:
                break
        else:
            raise AssertionError(f"they do not hear each other: {to_ben} {to_ada}")
        world.network.hang_up(ben)
        await expect(page.locator("h1")).to_have_text("The call has ended", timeout=10_000)
        shown = await page.content()
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)
    told = (await world.wait_for_mail(ADA, before + 1))[before]
    message = email.message_from_bytes(told, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Subject"].startswith("Call booked: ben@example.net, ")
    assert world.dkim_valid(told)
    [file] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(file.get_content())
    assert calendar["METHOD"] == "REQUEST"
    yours = [m for m in world.mailbox("ben@example.net") if b"text/calendar" in m]
    assert len(yours) == 1, "mailed to the offeree, who asked for it"
    assert not [text for text in (shown, told.decode(), yours[0].decode()) if shows(text, ADA_NUMBER)]
    assert not shows(told.decode(), BEN_NUMBER)


async def test_the_one_who_asked_to_be_rung_first_is(round_the_clock: World, http: Visitor) -> None:
    world = reset(round_the_clock)
    world.network.plan = {ADA_NUMBER: Answer(press=((1.0, "1"),)), BEN_NUMBER: Answer(press=((1.0, "1"),))}
    link = await link_to(world, sender="countess@example.org")
    await books(http, link)
    brought_nearer(world, 3.0)
    await world.network.call(ADA_NUMBER, timeout_s=20)
    assert invited(world, BEN_NUMBER) == 0, "only once the destination has pressed 1"
    await http.sees(link, "is picking up")
    ben = await world.network.call(BEN_NUMBER, timeout_s=20)
    await http.sees(link, "You are connected", timeout_s=20)
    for caller in (m for _, way, m in world.network.wire if way == "in" and m.startswith("INVITE")):
        number = re.search(r"(?m)^From: .*<sip:([^@>]+)@", caller)
        assert number is not None and number[1].lstrip("+") == "33199000000", "each sees the gateway's number"
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")


async def test_killed_before_the_time_it_rings_after_the_start(round_the_clock: World, http: Visitor) -> None:
    world = reset(round_the_clock)
    everybody_answers(world)
    link = await link_to(world)
    await books(http, link)
    await off_loop(world.gateway.kill)
    brought_nearer(world, 0.0)
    await asyncio.sleep(1.0)
    await off_loop(world.gateway.start)
    await world.network.call(BEN_NUMBER, timeout_s=20)
    await http.sees(link, "You are connected", timeout_s=30)
    assert invited(world, BEN_NUMBER) == 1


async def test_down_for_too_long_nobody_is_rung_and_both_are_told(round_the_clock: World, http: Visitor) -> None:
    world = reset(round_the_clock)
    everybody_answers(world)
    before = len(world.mailbox(ADA))
    link = await link_to(world)
    await books(http, link)
    await world.wait_for_mail(ADA, before + 1)
    await off_loop(world.gateway.kill)
    brought_nearer(world, -301.0)
    await off_loop(world.gateway.start)
    await http.sees(link, "The call did not come about")
    message = email.message_from_bytes((await world.wait_for_mail(ADA, before + 2))[-1], policy=email.policy.default)
    assert message["Subject"] == "Booked call did not take place: ben@example.net"
    assert invited(world, BEN_NUMBER) == invited(world, ADA_NUMBER) == 0


async def test_an_offeree_who_does_not_answer_may_book_again(round_the_clock: World, http: Visitor) -> None:
    world = reset(round_the_clock)
    world.network.plan = {BEN_NUMBER: Answer(press=())}  # a machine: it answers and presses nothing
    link = await link_to(world)
    await books(http, link)
    brought_nearer(world, 0.0)
    await http.sees(link, "Nobody pressed 1", timeout_s=60)
    assert "missed" in world.gateway.run("offers").stdout
    everybody_answers(world)
    await books(http, link)
    brought_nearer(world, 0.0)
    await http.sees(link, "You are connected", timeout_s=30)
