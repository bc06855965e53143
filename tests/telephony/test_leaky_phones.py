"""Telephones and networks that tell: each way by itself, told by either leg, looked for on the other one's wire.

Each telephone has an address of its own, so that the other's address is known wherever it turns up: in the audio
stream's description too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import GATEWAY, Calls
from lab.phone import Answer, Call, Phone, Reject

from mailgate.calls.model import Bridged, CallOrder, Channel, Outcome

pytestmark = pytest.mark.claim("T14", "T29")

Make = Callable[..., CallOrder]
SECRET = "+33699007766"
NAME = "Augusta-King"
HERE, THERE = "127.0.0.21", "127.0.0.22"
URI = f'"{NAME}" <sip:{SECRET}@{THERE}>'

HEADERS = {
    "P-Asserted-Identity": f"P-Asserted-Identity: {URI}",
    "P-Preferred-Identity": f"P-Preferred-Identity: {URI}",
    "Remote-Party-ID": f"Remote-Party-ID: {URI};party=called;privacy=off;screen=yes",
    "Diversion": f"Diversion: {URI};reason=unconditional",
    "History-Info": f"History-Info: {URI};index=1",
    "Reply-To": f"Reply-To: {URI}",
    "P-Called-Party-ID": f"P-Called-Party-ID: {URI}",
    "Call-Info": f"Call-Info: <http://{THERE}/{SECRET}.vcf>;purpose=card",
    "Subject": f"Subject: {SECRET} {NAME}",
    "Organization": f"Organization: {NAME} {SECRET}",
    "User-Agent": f"User-Agent: {NAME}/{SECRET}",
    "Server": f"Server: {NAME}/{SECRET}",
    "Identity": f'Identity: "eyJ0biI6{SECRET}";info=<https://{THERE}/cert>;alg=ES256',
}


def leaks(phone: Phone) -> list[str]:
    """What this telephone received that holds the other one's number, name or address, in whatever spelling."""
    found = []
    for _, way, message in phone.wire:
        flat = re.sub(r"[\s().%/_-]|%20", "", message)
        if way == "in" and (SECRET[-9:] in flat or NAME.replace("-", "") in flat or THERE in message):
            found.append(message)
    return found


class Pair:
    """Two registered telephones, one that tells and one that listens, and a call between them."""

    def __init__(self, calls: Calls, order: Make, listener: Phone, teller: Phone) -> None:
        self.calls, self.order, self.listener, self.teller = calls, order, listener, teller

    async def bridged(self, told_by: int, answer: Answer) -> tuple[CallOrder, Call]:
        """A call in which the teller is the leg of that number; the teller's dialogue."""
        self.teller.plan = lambda _: answer
        self.listener.plan = lambda _: Answer()
        legs = [Channel.parse("sip:alice"), Channel.parse("sip:bob")]
        if told_by == 1:
            legs.reverse()
        made = self.order(leg1=legs[0], leg2=legs[1], confirm1=False, confirm2=False)
        await self.calls.edge.originate(made)
        await self.calls.seen(made.attempt_id, Bridged)
        return made, await self.teller.call()


@pytest.fixture
async def pair(pbx: PrivateAsterisk, calls: Calls, order: Make) -> AsyncIterator[Pair]:
    registrar = (HOST, pbx.sip_port)
    listener = await Phone(user="alice", password="pw-of-alice", registrar=registrar, host=HERE).open()
    teller = await Phone(user="bob", password="pw-of-bob-", registrar=registrar, host=THERE, hertz=700).open()
    assert (await listener.register(), await teller.register()) == (200, 200)
    yield Pair(calls, order, listener, teller)
    for phone in (listener, teller):
        for call in phone.calls:
            phone.hang_up(call)
        await phone.register(expires_s=0)
        await phone.close()


@pytest.mark.parametrize("told_by", [1, 2])
@pytest.mark.parametrize("header", HEADERS)
async def test_a_header(pair: Pair, header: str, told_by: int) -> None:
    """In the ringing, in the answer, and again in mid-call by UPDATE and by re-INVITE."""
    _, call = await pair.bridged(told_by, Answer(headers=(HEADERS[header],)))
    pair.teller.update(call, HEADERS[header])
    await asyncio.sleep(0.1)
    pair.teller.invite_again(call, HEADERS[header])
    await asyncio.sleep(0.25)
    said = [m for _, way, m in pair.teller.wire if way == "out" and SECRET in m]
    assert len(said) >= 4, "it was not told at all"
    assert leaks(pair.listener) == []
    pair.teller.hang_up(call, HEADERS[header], "Reason: SIP;cause=200;text=" + f'"{SECRET} {NAME}"')
    await asyncio.sleep(0.15)
    assert leaks(pair.listener) == []


@pytest.mark.parametrize("told_by", [1, 2])
async def test_the_description_of_the_audio(pair: Pair, told_by: int) -> None:
    """Who made the session, its name and information, addresses for mail and telephone; whence the audio comes."""
    pair.teller.session = (
        f"o={NAME} 1 1 IN IP4 {THERE}",
        f"s={SECRET}",
        f"i={NAME} {SECRET}",
        f"u=http://{THERE}/{SECRET}",
        f"e={NAME}@{THERE}",
        f"p={SECRET}",
    )
    _, call = await pair.bridged(told_by, Answer())
    pair.teller.invite_again(call)
    await asyncio.sleep(1)
    heard = (await pair.listener.call()).rtp
    assert heard.tones(700)[700] > 0.8  # its audio came
    assert heard.sources == {HOST}  # from Asterisk alone
    described = [m for _, way, m in pair.listener.wire if way == "in" and "m=audio" in m]
    assert described
    assert all(re.search(rf"(?m)^c=IN IP4 {re.escape(HOST)}\r?$", message) for message in described)
    assert leaks(pair.listener) == []


async def test_early_audio_before_the_answer(pair: Pair) -> None:
    """183 with a description and headers: leg 1 hears ringing, and receives neither."""
    await pair.bridged(2, Answer(after=0.6, early_media=True, headers=tuple(HEADERS.values())))
    assert leaks(pair.listener) == []


@pytest.mark.parametrize("told_by", [1, 2])
async def test_a_wish_to_be_connected_elsewhere(pair: Pair, told_by: int) -> None:
    """REFER, with and without Replaces and Referred-By: refused, and the other side hears nothing of it."""
    made, call = await pair.bridged(told_by, Answer())
    pair.teller.refer(call, f"sip:{SECRET}@{THERE}")
    pair.teller.refer(call, f"sip:{SECRET}@{THERE}?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2")
    await asyncio.sleep(0.3)
    answers = [m for _, way, m in pair.teller.wire if way == "in" and "REFER" in m and m.startswith("SIP/2.0")]
    assert len(answers) == 2
    assert not [m for m in answers if m.startswith("SIP/2.0 2")]
    assert leaks(pair.listener) == []
    await pair.calls.edge.hang_up(made.attempt_id)
    assert (await pair.calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("told_by", [1, 2])
@pytest.mark.parametrize("code", [302, 301, 380, 486, 480, 603, 503])
async def test_a_refusal_that_names_somebody_else(pair: Pair, told_by: int, code: int) -> None:
    contact = f"Contact: {URI}"
    pair.teller.plan = lambda _: Reject(code=code, ring=True, headers=(contact, *HEADERS.values()))
    pair.listener.plan = lambda _: Answer()
    legs = [Channel.parse("sip:alice"), Channel.parse("sip:bob")]
    if told_by == 1:
        legs.reverse()
    made = pair.order(leg1=legs[0], leg2=legs[1], confirm1=False, confirm2=False)
    await pair.calls.edge.originate(made)
    await pair.calls.ended(made.attempt_id)
    await asyncio.sleep(0.15)
    assert leaks(pair.listener) == []
    assert len(pair.listener.calls) == (0 if told_by == 1 else 1)
    assert all(GATEWAY in call.caller_id for call in pair.listener.calls)


@pytest.mark.parametrize("told_by", [1, 2])
async def test_words_sent_in_mid_call(pair: Pair, told_by: int) -> None:
    """INFO and MESSAGE within the dialogue."""
    _, call = await pair.bridged(told_by, Answer())
    pair.teller.send(call, "INFO", "text/plain", f"{NAME} {SECRET}")
    pair.teller.send(call, "MESSAGE", "text/plain", f"{NAME} {SECRET}")
    await asyncio.sleep(0.3)
    assert leaks(pair.listener) == []
