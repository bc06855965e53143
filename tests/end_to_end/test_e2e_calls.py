"""From the link to two people talking: every pair of networks, every way it ends, and what each side gets to see."""

from __future__ import annotations

import asyncio
import re

import pytest
import pytest_asyncio
from e2e_hidden import faces, shows
from e2e_world import Visitor, everybody_answers, invited, link_to, reset
from lab.phone import Answer, Call, Reject
from lab.world import ADA_NUMBER, BEN, BEN_NUMBER, SHOWN_NUMBER, VOICES, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(one_world: World) -> World:
    return reset(one_world)


PRESS = Answer(press=((1.0, "1"),))


async def hear_each_other(ben: Call, ada: Call) -> None:
    """Each hears the other's tone, and only that."""
    for _ in range(100):
        await asyncio.sleep(0.1)
        heard_by_ben, heard_by_ada = (call.rtp.tones(VOICES["ada"], VOICES["ben"]) for call in (ben, ada))
        if heard_by_ben and heard_by_ada:
            to_ben, to_ada = heard_by_ben[VOICES["ada"]], heard_by_ada[VOICES["ben"]]
            if to_ben > 0.9 and to_ada > 0.9:
                return
    raise AssertionError("they do not hear each other")


@pytest.mark.parametrize(
    ("offeree", "destination"),
    [
        pytest.param("tel", "tel", marks=pytest.mark.claim("T9", "T23", "T7", "T35", "T6", "T22"), id="PSTN-PSTN"),
        pytest.param("tel", "sip", marks=pytest.mark.claim("T10", "T24"), id="PSTN-VoIP"),
        pytest.param("sip", "tel", marks=pytest.mark.claim("T11", "T25"), id="VoIP-PSTN"),
        pytest.param("sip", "sip", marks=pytest.mark.claim("T12", "T26"), id="VoIP-VoIP"),
    ],
)
async def test_both_are_called_and_bridged(world: World, http: Visitor, offeree: str, destination: str) -> None:
    sender = "countess@example.org" if destination == "sip" else "ada@example.org"
    everybody_answers(world)
    world.phones["ben"].plan = {"ben": PRESS}
    world.phones["ada"].plan = {"ada": PRESS}
    link = await link_to(world, sender=sender)
    pressed = await (http.accept(link) if offeree == "tel" else http.accept_by_sip(link, "sip:ben"))
    assert pressed.status_code == 303
    ben_side = world.network if offeree == "tel" else world.phones["ben"]
    ben = await ben_side.call(BEN_NUMBER if offeree == "tel" else "ben")
    ada_side = world.network if destination == "tel" else world.phones["ada"]
    ada = await ada_side.call(ADA_NUMBER if destination == "tel" else "ada")
    await hear_each_other(ben, ada)
    assert SHOWN_NUMBER in ben.caller_id and SHOWN_NUMBER in ada.caller_id
    await http.sees(link, "You are connected")
    ben_side.hang_up(ben)
    await http.sees(link, "The call has ended")


@pytest.mark.claim("T2", "T3", "T17", "T18", "T34")
async def test_without_a_press_of_1_the_destination_s_telephone_stays_silent(world: World, http: Visitor) -> None:
    world.network.plan = {BEN_NUMBER: Answer(hang_up=3.0), ADA_NUMBER: PRESS}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "Press 1 on your telephone")
    await http.sees(link, "You hung up before pressing 1")
    assert invited(world, ADA_NUMBER) == 0


@pytest.mark.parametrize(
    ("ben", "ada", "words"),
    [
        (Reject(code=486), PRESS, "Your line was busy"),
        (Reject(code=603), PRESS, "Your telephone turned the call down"),
        (Reject(code=404), PRESS, "That number is not in service"),
        (Reject(code=503), PRESS, "We could not reach your telephone"),
        (PRESS, Reject(code=486), "Ada Lovelace is on another call"),
        (PRESS, Reject(code=603), "Ada Lovelace cannot talk right now"),
        (PRESS, Reject(code=404), "Ada Lovelace could not be called"),
        (PRESS, Answer(hang_up=1.0), "Ada Lovelace hung up before you were connected"),
    ],
)
async def test_every_end_is_told_in_words(
    world: World, http: Visitor, ben: Answer | Reject, ada: Answer | Reject, words: str
) -> None:
    world.network.plan = {BEN_NUMBER: ben, ADA_NUMBER: ada}
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, words)


async def test_whoever_presses_9_is_not_called_again(world: World, http: Visitor) -> None:
    stranger = "+33199000077"
    world.network.plan = {stranger: Answer(press=((1.0, "9"),)), ADA_NUMBER: PRESS}
    link = await link_to(world)
    await http.accept(link, stranger)
    await http.sees(link, "That telephone had not asked for a call")
    assert (await http.accept(await link_to(world), stranger)).status_code == 422
    assert invited(world, stranger) == 1
    assert invited(world, ADA_NUMBER) == 0


@pytest.mark.claim("T14", "T29")
async def test_the_offeree_receives_the_number_in_no_form(world: World, http: Visitor) -> None:
    """The message, every HTTP answer with its headers, every SIP message of Ben's telephone, as seen on the wire."""
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link, ADA_NUMBER)  # a page of refusal, should anybody guess it
    await http.accept(link)
    await http.sees(link, "You are connected")
    ben = await world.network.call(BEN_NUMBER)
    await asyncio.sleep(1)
    world.network.hang_up(ben)
    await http.sees(link, "The call has ended")
    stream = await http.get(f"{link}/events")
    await http.get(link[:-1])
    received = [face for message in world.mailbox(BEN) for face in faces(message)]
    received += [f"{a.status_code} {a.headers} {a.text}" for a in http.answers]
    wire = [message for _, _, message in world.network.wire if ben.call_id in message]
    assert any(m.startswith("INVITE") for m in wire) and any(m.startswith("BYE") for m in wire) and stream
    assert len(received) > 10
    assert not [text for text in (*received, *wire) if shows(text, ADA_NUMBER)]
    # the search itself finds what it looks for: leg 2's own messages hold the number
    assert any(shows(message, ADA_NUMBER) for _, _, message in world.network.wire)


async def test_no_log_holds_a_number_or_a_token(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    await http.accept(link)
    await http.sees(link, "You are connected")
    world.network.hang_up(await world.network.call(BEN_NUMBER))
    await http.sees(link, "The call has ended")
    logs = world.logs()
    assert "offer stepped" in logs["mailgate"] and "status=sent" in logs["Postfix"]
    token = link.rpartition("/")[2]
    for name, text in logs.items():
        assert not shows(text, ADA_NUMBER), name
        assert not shows(text, BEN_NUMBER), name
        assert token not in text, name


async def test_fifty_presses_at_once_make_one_call(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    nonce = await http.nonce(link)
    answers = await asyncio.gather(
        *(http.post(f"{link}/call", nonce=nonce, region="FR", number=BEN_NUMBER) for _ in range(50))
    )
    assert {a.status_code for a in answers} == {303}
    await http.sees(link, "You are connected")
    assert invited(world, BEN_NUMBER) == 1
    assert world.gateway.run("explain", link).stdout.count("accepted") == 1


async def test_forged_tokens_and_ended_offers_call_nobody(world: World, http: Visitor) -> None:
    everybody_answers(world)
    link = await link_to(world)
    nonce = await http.nonce(link)
    forged = link[:-2] + ("AA" if not link.endswith("AA") else "BB")
    for wrong in (forged, link[:-1], link + "A", link.rpartition("/")[0] + "/" + "A" * 36):
        assert (await http.get(wrong)).status_code == 404
        assert (await http.post(f"{wrong}/call", nonce=nonce, region="FR", number=BEN_NUMBER)).status_code == 404
    assert (await http.post(f"{link}/call", region="FR", number=BEN_NUMBER)).status_code == 403
    offer_id = re.search(r"Offer ([0-9a-f]{32})", world.gateway.run("explain", link).stdout)
    assert offer_id is not None
    world.gateway.run("offers", "revoke", offer_id[1])
    page = await http.get(link)
    assert page.status_code == 410 and "taken back" in page.text
    assert (await http.post(f"{link}/call", nonce=nonce, region="FR", number=BEN_NUMBER)).status_code == 410
    await asyncio.sleep(1)
    assert invited(world, BEN_NUMBER) == 0
