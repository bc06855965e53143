"""An ordinary call fails and becomes an instant message; an answer by word makes the telephones ring."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_callers import DIALPLAN, busy, calls
from e2e_hidden import shows
from lab.chatter import Chatter
from lab.passing import passing
from lab.phone import Answer
from lab.prosody import Prosody
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World, off_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = "calls@call.example.net"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prosody() -> AsyncIterator[Prosody]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    made = Prosody(folder, accounts={BEN: "ben's"})
    await off_loop(made.start)
    yield made
    await off_loop(made.stop)
    print(made.log[-2000:])
    shutil.rmtree(folder, ignore_errors=True)


class Office(World):
    """A world with an XMPP server, as the component of which mailgate is set up before it starts."""

    def __init__(self, folder: Path, prosody: Prosody) -> None:
        super().__init__(folder, dialplan=DIALPLAN)
        secret = folder / "xmpp.secret"
        folder.mkdir(parents=True, exist_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(prosody.secret)
        self.configuration["xmpp"] = {
            "component": prosody.component,
            "server": f"127.0.0.1:{prosody.component_port}",
            "secret_file": str(secret),
        }
        self.configuration["failed_calls"] = {"hold_s": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_office(prosody: Prosody) -> AsyncIterator[World]:
    async with passing(Office, prosody=prosody) as world:
        world.gateway.account_add(BEN, "Ben Bright", "--number", BEN_NUMBER, "--extension", "202", "--xmpp", BEN)
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ben(one_office: World, prosody: Prosody) -> AsyncIterator[Chatter]:
    """Ben with his client, who lets the gateway see that he is there."""
    async with Chatter(prosody, BEN) as chatter:
        async with asyncio.timeout(90):
            while GATEWAY not in chatter.asked_by:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # his leave and his presence are on their way
        yield chatter


@pytest.mark.claim("C3", "C14", "C10", "C21", "C24")
async def test_a_word_makes_the_telephones_ring(one_office: World, ben: Chatter) -> None:
    world = busy(one_office)
    mails = len(world.mailbox(BEN))
    await asyncio.wait_for(calls(world).over.wait(), 20)
    message = await ben.hears("Ada Lovelace tried to call you")
    assert f"{world.gateway.url}/a/" in message["body"] and not shows(str(message), ADA_NUMBER)
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, ADA_NUMBER: ready}
    ben.says("accept", GATEWAY, thread=str(message["thread"]))
    answer = await ben.hears("Your telephone rings in a moment")
    assert not shows(str(answer), ADA_NUMBER)
    his, hers = await world.network.call(BEN_NUMBER), await world.network.call(ADA_NUMBER)
    async with asyncio.timeout(20):
        for phone, voice in ((his, VOICES["ada"]), (hers, VOICES["ben"])):
            while phone.rtp.tones(voice)[voice] < 0.9:
                await asyncio.sleep(0.1)
    world.network.hang_up(hers)
    await asyncio.wait_for(his.over.wait(), 20)
    assert len(world.mailbox(BEN)) == mails, "what was seen as a message needs no mail"


@pytest.mark.claim("C6", "C8")
async def test_a_decline_by_word_reaches_the_offeror(one_office: World, ben: Chatter) -> None:
    world = busy(one_office)
    mails = len(world.mailbox(ADA))
    await asyncio.wait_for(calls(world).over.wait(), 20)
    await ben.hears("Ada Lovelace tried to call you")
    ben.says("answer I am on my way", GATEWAY)
    await ben.hears("Ada Lovelace will be told")
    ben.says("no, in a meeting", GATEWAY)
    await ben.hears("you declined")
    told = (await world.wait_for_mail(ADA, mails + 2))[-2:]
    # Each goes as soon as it can: of two that come within a moment, the second may be in the mailbox first.
    said = [[words in message for words in (b"I am on my way", b"in a meeting")] for message in told]
    assert sorted(said) == [[False, True], [True, False]]
