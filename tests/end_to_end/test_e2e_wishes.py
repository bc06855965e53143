"""What Ada asks for in a message comes true on the telephone: another destination, a number that she gives."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_hidden import faces, shows
from e2e_letters import letter
from e2e_world import Visitor, invited, reset
from lab.phone import Answer
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUPPORT_NUMBER, CARLA = "+33199009999", "carla@example.net"
CONFIGURATION = {"smtp": {"workers": 2}, "policy": {"sender_note": True}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def their_world() -> AsyncIterator[World]:
    """Ada's account names a second party that calls may lead to. Mail is taken by workers, which have no store."""
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp") as folder:
        account = ("--number", ADA_NUMBER, "--destination", f"support=The workshop,{SUPPORT_NUMBER}")
        async with World(Path(folder), account=account, configuration=CONFIGURATION) as world:
            yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(their_world: World) -> World:
    ready = Answer(press=((1.0, "1"),))
    reset(their_world).network.plan = dict.fromkeys((BEN_NUMBER, ADA_NUMBER, SUPPORT_NUMBER), ready)
    return their_world


async def arrived(world: World, message: EmailMessage) -> bytes:
    before = len(world.mailbox(BEN))
    await world.submit(message)
    return (await world.wait_for_mail(BEN, before + 1))[-1]


@pytest.mark.claim("T8", "T21", "T33")
@pytest.mark.parametrize(
    ("subject", "called", "spared", "who"),
    [
        ("[call:support] The drawings", SUPPORT_NUMBER, ADA_NUMBER, "The workshop"),
        ("The drawings", ADA_NUMBER, SUPPORT_NUMBER, "Ada Lovelace"),
    ],
)
async def test_the_call_leads_to_whom_the_offeror_names(
    world: World, http: Visitor, subject: str, called: str, spared: str, who: str
) -> None:
    message = await arrived(world, letter(subject=subject))
    assert b"Subject: The drawings\n" in message.replace(b"\r\n", b"\n")
    (link,) = world.links(message)
    assert who in (await http.get(link)).text
    assert (await http.accept(link)).status_code == 303
    await http.sees(link, "You are connected")
    assert (invited(world, BEN_NUMBER), invited(world, called), invited(world, spared)) == (1, 1, 0)
    world.network.hang_up(await world.network.call(BEN_NUMBER))
    await http.sees(link, "The call has ended")


@pytest.mark.claim("T13", "T28")
async def test_the_offer_holds_the_numbers_that_the_offeror_gave_and_shows_none(world: World, http: Visitor) -> None:
    with_number = letter()
    with_number["X-Call-Offer"] = f"on; callee={BEN_NUMBER}"
    message = await arrived(world, with_number)
    (link,) = world.links(message)
    told = world.gateway.run("explain", link).stdout
    assert f"number the offeror has given: tel:+33…{BEN_NUMBER[-2:]}" in told
    world.gateway.run("account", "book", "put", "ada@example.org", BEN, BEN_NUMBER)
    await asyncio.sleep(1.5)  # the clock sees what another process has written
    (from_book,) = world.links(await arrived(world, letter()))
    assert "number the offeror has given" in world.gateway.run("explain", from_book).stdout
    received = [*faces(message), (await http.get(link)).text, (await http.get(from_book)).text]
    for number in (BEN_NUMBER, ADA_NUMBER, SUPPORT_NUMBER):
        assert not [face for face in received if shows(face, number)]
    database = (world.gateway.folder / "mailgate.db").read_bytes()
    wal = world.gateway.folder / "mailgate.db-wal"
    assert BEN_NUMBER[1:].encode() not in database + (wal.read_bytes() if wal.exists() else b"")


async def test_what_became_of_messages_is_counted_for_those_who_may_see_it(world: World, http: Visitor) -> None:
    before = len(world.mailbox(BEN))
    await world.submit(letter(subject="[nocall] The drawings"))
    (message,) = (await world.wait_for_mail(BEN, before + 1))[before:]
    assert b"nocall" not in message and world.links(message) == []
    assert world.dkim_valid(message)
    counted = 'mailgate_messages_total{decision="passed",reason="declined-by-sender"} 1.0'
    for _ in range(50):  # workers tell once a second what they counted
        if counted in (counters := (await http.get(f"{world.gateway.url}/metrics")).text):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(counters)


async def test_a_link_for_ben_does_not_reach_carla(world: World) -> None:
    (link,) = world.links(await arrived(world, letter()))
    reply = letter(to=f"{BEN}, {CARLA}", html=False)
    reply.set_content(f"Fine.\n\nOn Monday, Ben wrote:\n> {link}\n")
    before = len(world.mailbox(BEN)), len(world.mailbox(CARLA))
    await world.submit(reply, recipients=[BEN, CARLA])
    to_ben = (await world.wait_for_mail(BEN, before[0] + 1))[-1]
    to_carla = (await world.wait_for_mail(CARLA, before[1] + 1))[-1]
    assert world.links(to_ben) == [link]
    own = world.links(to_carla)
    assert link not in own and link.encode() not in to_carla
    assert len([each for each in own if len(each) == len(link)]) == 1  # beside the worthless rest of Ben's


async def test_whoever_asks_for_no_more_gets_none_within_a_second(world: World) -> None:
    world.gateway.run("suppress", CARLA)
    await asyncio.sleep(1.5)  # the clock sees what another process has written
    before = len(world.mailbox(CARLA))
    await world.submit(letter(to=CARLA), recipients=[CARLA])
    assert world.links((await world.wait_for_mail(CARLA, before + 1))[-1]) == []


async def test_the_sender_is_told_of_the_first_offer_and_again_on_request(world: World) -> None:
    await arrived(world, letter())
    (note,) = await world.wait_for_mail(ADA, 1)
    assert world.dkim_valid(note)
    assert b"Auto-Submitted: auto-generated" in note and b"[nocall]" in note
    assert world.links(note) == [] and not [face for face in faces(note) if shows(face, ADA_NUMBER)]
    world.gateway.run("account", "change", ADA, "--note")
    await arrived(world, letter())
    assert len(await world.wait_for_mail(ADA, 2)) == 2
