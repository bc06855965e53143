"""Answers that are not a call, on real parts: from the page through Postfix into the offeror's mailbox."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from e2e_letters import letter
from e2e_world import Visitor, link_to, reset
from lab.phone import Answer, Reject
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World, off_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")


def nonce_of(page: str, form: str) -> str:
    found = re.search(rf'<form id="{form}".*?name="nonce" value="([^"]+)"', page, re.DOTALL)
    assert found is not None, page
    return found[1]


async def says(http: Visitor, link: str, form: str, path: str, **typed: str) -> None:
    """Look at the page, fill a form in, press."""
    shown = f"{link}/never?sent=1" if form == "code" else f"{link}/never" if form == "address" else link
    page = (await http.get(shown)).text
    answer = await http.post(f"{link}/{path}", nonce=nonce_of(page, form), subject="", **typed)
    assert answer.status_code == 303, answer.text


def words_of(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


async def arrives(world: World, address: str, before: int) -> tuple[EmailMessage, bytes]:
    """The next message in a mailbox."""
    raw = (await world.wait_for_mail(address, before + 1))[-1]
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message, raw


@pytest.mark.claim("C6")
async def test_a_rejection_is_shown_to_the_offeror(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    link = await link_to(world)
    before = len(world.mailbox(ADA))
    await says(http, link, "decline", "decline", reason="by-mail", text="Ich höre schlecht.\r\nPlease write.")
    assert "You have declined the call" in (await http.get(link)).text
    message, raw = await arrives(world, ADA, before)
    assert message["Subject"] == f"Call declined: {BEN}"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Return-Path"] in (None, "<>")
    text = words_of(message)
    assert "Reason: they would rather write" in text
    assert "> Ich höre schlecht.\n> Please write." in text
    assert message["In-Reply-To"] is not None, "it answers the message that carried the offer"
    assert world.dkim_valid(raw)
    await http.accept(link)
    await world.network.call(BEN_NUMBER)  # and who declined may think again


@pytest.mark.claim("C8", "C17")
async def test_an_answer_in_words_reaches_the_offeror(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    link = await link_to(world)
    before = len(world.mailbox(ADA))
    await says(http, link, "reply", "reply", text="Tomorrow at ten?")
    message, _ = await arrives(world, ADA, before)
    assert message["Subject"] == f"An answer from {BEN}"
    assert "> Tomorrow at ten?" in words_of(message)
    assert "offers you a call" in (await http.get(link)).text
    assert "Tomorrow at ten" not in world.gateway.log


async def test_a_missed_call_is_told(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),)), ADA_NUMBER: Reject(code=486)}
    link = await link_to(world)
    before = len(world.mailbox(ADA))
    await http.accept(link)
    await http.sees(link, "is on another call", timeout_s=30)
    message, _ = await arrives(world, ADA, before)
    assert message["Subject"] == f"Missed call: {BEN}"
    assert "The line was busy." in words_of(message)
    assert BEN_NUMBER not in words_of(message)


async def test_never_again_by_the_code_that_was_mailed(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    link = await link_to(world)
    before = len(world.mailbox(BEN))
    await says(http, link, "address", "never", address=BEN)
    message, _ = await arrives(world, BEN, before)
    [code] = re.findall(r"(?m)^\s+([0-9]{6})$", words_of(message))
    await says(http, link, "code", "never/code", code=code)
    assert "There will be no more offers" in (await http.get(f"{link}/never")).text
    await asyncio.sleep(1.5)  # accounts and suppressions are remembered for a second
    before = len(world.mailbox(BEN))
    await world.submit(letter())
    assert world.links((await world.wait_for_mail(BEN, before + 1))[-1]) == []
    world.gateway.run("suppress", BEN, "--lift")  # for the tests that come after
    await asyncio.sleep(1.5)
    assert code not in world.gateway.log


async def test_a_gateway_killed_after_the_answer_still_tells_it(world: World, http: Visitor) -> None:
    """Twice, perhaps; then under one Message-ID. Never not at all."""
    link = await link_to(world)
    before = len(world.mailbox(ADA))
    await off_loop(world.postfix.stop)  # nobody takes mail, so that the notice waits
    await says(http, link, "reply", "reply", text="Still there?")
    await off_loop(world.gateway.kill)
    await off_loop(world.postfix.start)
    await off_loop(world.gateway.start)
    message, _ = await arrives(world, ADA, before)
    assert "> Still there?" in words_of(message)
    ids = {email.message_from_bytes(raw)["Message-ID"] for raw in world.mailbox(ADA)[before:]}
    assert len(ids) == 1


async def test_the_offeror_signs_in_by_the_mailed_link_and_sees_what_was_said(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    link = await link_to(world)
    await says(http, link, "decline", "decline", reason="no-need", text="All is well.")
    before = len(world.mailbox(ADA))
    await http.post(f"{world.gateway.url}/my/link", address=ADA)
    raw = b""
    while b"/my/in/" not in raw:  # the notice about the decline may come in between
        message, raw = await arrives(world, ADA, before)
        before += 1
    [door] = re.findall(r"http\S+/my/in/\S+", words_of(message))
    assert (await http.post(door)).status_code == 303
    page = (await http.get(f"{world.gateway.url}/my")).text
    assert "All is well." in page and "it is settled already" in page and BEN in page
    assert door.rpartition("/")[2] not in world.gateway.log
    assert ADA_NUMBER not in page
