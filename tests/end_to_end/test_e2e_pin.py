"""The PIN in the mail: a letter by Postfix and mail workers, which have no store; then a call with what it shows."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from pathlib import Path

import pytest
from e2e_hidden import shows
from e2e_letters import letter
from e2e_world import Visitor, invited
from lab.phone import Answer, Call
from lab.world import ADA_NUMBER, BEN, BEN_NUMBER, HOST, SHOWN_NUMBER, VOICES, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIGURATION = {"smtp": {"workers": 2}, "offer": {"pin_in_mail": True}}


def parts_of(message: bytes) -> tuple[str, str]:
    """Text and HTML."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    plain, markup = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and markup is not None
    return plain.get_content(), markup.get_content()


async def hear_each_other(ben: Call, ada: Call) -> None:
    for _ in range(60):
        await asyncio.sleep(0.1)
        to_ben, to_ada = ben.rtp.tones(VOICES["ada"]), ada.rtp.tones(VOICES["ben"])
        if to_ben and to_ada and to_ben[VOICES["ada"]] > 0.8 and to_ada[VOICES["ben"]] > 0.8:
            return
    raise AssertionError(f"they do not hear each other: {to_ben} {to_ada}")


@pytest.mark.claim("T9")
async def test_who_reads_the_mail_can_dial_in(folder: Path, http: Visitor) -> None:
    async with World(folder, configuration=CONFIGURATION) as world:
        world.network.plan = {ADA_NUMBER: Answer(press=((0.6, "1"),))}
        await world.submit(letter())
        (arrived,) = await world.wait_for_mail(BEN)
        text, markup = parts_of(arrived)
        said = re.search(r"Or call ([+0-9 ]+) and enter the PIN (\d{6})\.", text)
        assert said is not None and said[1].replace(" ", "") == SHOWN_NUMBER
        assert f'<a href="tel:{SHOWN_NUMBER},,{said[2]}%23"' in markup and f"PIN {said[2]}." in markup
        assert world.dkim_valid(arrived) and not shows(text + markup, ADA_NUMBER)

        world.network.registrar = (HOST, world.sip_port)
        ben = world.network.dial(said[1].replace(" ", ""), caller=BEN_NUMBER, hertz=VOICES["ben"])
        await asyncio.wait_for(ben.up.wait(), 5)
        await asyncio.sleep(0.5)
        ben.rtp.press(f"{said[2]}#")
        ada = await world.network.call(ADA_NUMBER, timeout_s=15)
        assert SHOWN_NUMBER in ada.caller_id and not shows(ada.invite, BEN_NUMBER)
        (link,) = world.links(arrived)
        await http.sees(link, "You are connected")
        await hear_each_other(ben, ada)
        world.network.hang_up(ben)
        await http.sees(link, "The call has ended")
        assert invited(world, ADA_NUMBER) == 1

        # by policy: without a word of it, the account's own wish, and no restart
        world.gateway.run("account", "change", "ada@example.org", "--pin-in-mail", "no")
        await asyncio.sleep(1.5)  # the clock sees what another process has written
        await world.submit(letter())
        text, markup = parts_of((await world.wait_for_mail(BEN, 2))[-1])
        assert "/a/" in text and "PIN" not in text + markup and "tel:" not in markup
