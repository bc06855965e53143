"""XMPP on a real Prosody with real clients: offers arrive, words act, presence is believed, nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from lab.chatter import Chatter
from lab.prosody import Prosody
from xmpp_world import ACCOUNTS, ADA, BEN, BEN_PHONE, SEALER, URL, Side, account, on_network, until

from mailgate.networks.ways import Ways
from mailgate.networks.xmpp import XmppNetwork
from mailgate.networks.xmpp_presence import Availability
from mailgate.offers.notice import Delivery, Kind, Network, Notice
from mailgate.offers.post import Post
from mailgate.offers.table import State
from mailgate.offers.ways import Way
from mailgate.store import outbox

GATEWAY = "calls@call.example.net"


def im_first(network: XmppNetwork, mail: Network) -> Ways:
    """As serve puts them together."""
    return Ways(
        {Way.IM: network, Way.MAIL: mail},
        reaches=lambda way, notice: way is Way.IM and network.reaches(notice.address),
        order=lambda address: (Way.IM, Way.MAIL),
    )


@pytest.fixture(scope="module")
def prosody() -> Iterator[Prosody]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    made = Prosody(folder, accounts=ACCOUNTS)
    made.start()
    yield made
    made.stop()
    print(made.log[-3000:])
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    made = Side(tmp_path)
    made.known(account("ada@example.org", "Ada Lovelace", ADA, "ada"))
    made.known(account(BEN, "Ben Bright", BEN_PHONE, "ben"), BEN)
    yield made
    await made.close()


@pytest.mark.claim("C10", "C21", "C24", "C3", "C14")
async def test_an_offer_comes_as_a_message_and_is_accepted_by_a_word(prosody: Prosody, side: Side) -> None:
    async with on_network(side, prosody) as network, Chatter(prosody, BEN) as ben:
        await until(lambda: network.reaches(BEN))
        offer_id, notice = await side.offer()
        assert await network.deliver(notice) is Delivery.DELIVERED
        message = await ben.hears("Ada Lovelace tried to call you")
        assert f"{URL}/a/{notice.values['token']}" in message["body"]
        assert "199001234" not in str(message), "the offeror's number is nobody's"
        assert str(message["thread"]) == notice.notice_id and message["id"] == notice.notice_id
        sent = ben.says("accept", GATEWAY, thread=str(message["thread"]))
        answer = await ben.hears("Your telephone rings in a moment")
        assert "02" in answer["body"] and "199000002" not in answer["body"]
        await ben.acknowledged(sent)
        await until(lambda: side.calls.orders)
        [order] = side.calls.orders
        assert (order.leg1, order.leg2) == (BEN_PHONE, ADA)
        assert side.stored(offer_id).state is State.PLACING


async def test_a_client_account_does_the_same(prosody: Prosody, side: Side) -> None:
    async with on_network(side, prosody, client=True) as network, Chatter(prosody, BEN) as ben:
        await until(lambda: network.reaches(BEN))
        _, notice = await side.offer()
        assert await network.deliver(notice) is Delivery.DELIVERED
        await ben.hears("Ada Lovelace tried to call you")
        ben.says("1", "calls@example.net")
        await ben.hears("Your telephone rings in a moment")
        await until(lambda: side.calls.orders)


async def test_a_decline_is_written_down_before_it_is_answered(prosody: Prosody, side: Side) -> None:
    async with on_network(side, prosody) as network, Chatter(prosody, BEN) as ben:
        await until(lambda: network.reaches(BEN))
        offer_id, notice = await side.offer()
        await network.deliver(notice)
        await ben.hears("tried to call you")
        sent = ben.says("no, in a meeting until four", GATEWAY)
        await ben.acknowledged(sent)
        assert side.stored(offer_id).state is State.DECLINED
        [(told, _)] = side.store.read(lambda rows: outbox.due(rows, SEALER, side.now(), 10))
        assert (told.kind, told.address) == (Kind.DECLINED, "ada@example.org")
        assert told.values["text"] == "in a meeting until four"


async def test_nobody_else_can_answer(prosody: Prosody, side: Side) -> None:
    async with (
        on_network(side, prosody) as network,
        Chatter(prosody, BEN) as ben,
        Chatter(prosody, "eve@example.net") as eve,
    ):
        await until(lambda: network.reaches(BEN))
        offer_id, notice = await side.offer()
        await network.deliver(notice)
        await ben.hears("tried to call you")
        before = side.stored(offer_id)
        for word in ("accept", "no, in a meeting", "answer me"):
            eve.says(word, GATEWAY, thread=notice.notice_id)
            await eve.hears("no open offer")
        assert side.stored(offer_id) == before and not side.calls.orders


async def test_a_sender_that_is_forged_is_refused_by_the_server(prosody: Prosody, side: Side) -> None:
    """What the full check rests on: a client cannot write in the name of another."""
    async with (
        on_network(side, prosody) as network,
        Chatter(prosody, BEN) as ben,
        Chatter(prosody, "eve@example.net") as eve,
    ):
        await until(lambda: network.reaches(BEN))
        offer_id, notice = await side.offer()
        await network.deliver(notice)
        await ben.hears("tried to call you")
        forged = eve._there.make_message(mto=GATEWAY, mbody="accept", mtype="chat")
        forged["from"] = f"{BEN}/desk"
        forged.send()
        await asyncio.sleep(1)
        assert side.stored(offer_id).state is State.OPEN and not side.calls.orders


async def test_who_sees_no_presence_is_reached_otherwise(prosody: Prosody, side: Side) -> None:
    side.known(account("eve@example.org", "Eve", BEN_PHONE, "eve"), "eve@example.net")
    async with on_network(side, prosody) as network, Chatter(prosody, "eve@example.net", open_door=False) as eve:
        await until(lambda: GATEWAY in eve.asked_by)
        _, notice = await side.offer(address="eve@example.org")
        assert not network.reaches("eve@example.org")
        assert await network.deliver(notice) is Delivery.LATER
        assert eve.heard == []
        assert await network.deliver(notice) is Delivery.LATER
        assert eve.asked_by == [GATEWAY], "who has said no is not asked again"


async def test_presence_feeds_availability(prosody: Prosody, side: Side) -> None:
    async with on_network(side, prosody) as network:
        assert network.availability(BEN) is Availability.OFFLINE
        async with Chatter(prosody, BEN) as ben:
            await until(lambda: network.availability(BEN) is Availability.AVAILABLE)
            ben.shows("away")
            await until(lambda: network.availability(BEN) is Availability.AWAY)
            assert network.reaches(BEN)
            ben.shows("dnd")
            await until(lambda: network.availability(BEN) is Availability.DND)
            assert not network.reaches(BEN)
            _, notice = await side.offer()
            assert await network.deliver(notice) is Delivery.LATER
            ben.shows("")
            await until(lambda: network.availability(BEN) is Availability.AVAILABLE)
        await until(lambda: network.availability(BEN) is Availability.OFFLINE)


async def test_a_program_without_receipts_is_believed_where_the_server_took_it(prosody: Prosody, side: Side) -> None:
    async with on_network(side, prosody) as network, Chatter(prosody, BEN, receipts=False) as ben:
        await until(lambda: network._presences.can(BEN, "urn:xmpp:receipts") is False)
        _, notice = await side.offer()
        assert await network.deliver(notice) is Delivery.DELIVERED
        await ben.hears("tried to call you")


async def test_no_receipt_means_another_network(prosody: Prosody, side: Side) -> None:
    """The program says that it knows receipts, and gives none: nobody may have seen the message."""
    async with (
        on_network(side, prosody, receipt_s=1.0) as network,
        Chatter(prosody, BEN, receipts=False, features=("urn:xmpp:receipts",)),
    ):
        await until(lambda: network._presences.can(BEN, "urn:xmpp:receipts") is True)
        _, notice = await side.offer()
        mailed: list[Notice] = []

        class Mail:
            async def deliver(self, notice: Notice) -> Delivery:
                mailed.append(notice)
                return Delivery.DELIVERED

        assert await im_first(network, Mail()).deliver(notice) is Delivery.DELIVERED
        assert mailed == [notice]


async def test_buttons_and_forms(prosody: Prosody, side: Side) -> None:
    quick, forms = "{urn:xmpp:tmp:quick-response}", "{jabber:x:data}"
    async with on_network(side, prosody) as network, Chatter(prosody, BEN, features=("jabber:x:data",)) as ben:
        await until(lambda: network._presences.can(BEN, "jabber:x:data"))
        offer_id, notice = await side.offer(language="de")
        await network.deliver(notice)
        message = await ben.hears("hat versucht, Sie anzurufen")
        values = [each.get("value") for each in message.xml.findall(f"{quick}response")]
        assert values == ["annehmen", "später", "nein"]
        form = message.xml.find(f"{forms}x")
        assert form is not None and form.get("type") == "form"
        options = [each.findtext(f"{forms}value") for each in form.iter(f"{forms}option")]
        assert options == values
        filled = ET.Element(f"{forms}x", {"type": "submit"})
        ET.SubElement(ET.SubElement(filled, f"{forms}field", {"var": "answer"}), f"{forms}value").text = "nein"
        ben.says("", GATEWAY, thread=str(message["thread"]), extra=filled)
        await ben.hears("dass Sie abgelehnt haben")
        assert side.stored(offer_id).state is State.DECLINED


async def test_killing_the_server_loses_no_offer_and_no_text(prosody: Prosody, side: Side) -> None:
    """Before an offer is sent: it stays in the outbox. Before the answer comes back: what was said stays said."""
    posted: list[str] = []

    class Mail:
        async def deliver(self, notice: Notice) -> Delivery:
            posted.append(notice.notice_id)
            return Delivery.LATER

    async with on_network(side, prosody) as network:
        post = Post(store=side.store, sealer=SEALER, network=im_first(network, Mail()), now=side.now)
        ben = Chatter(prosody, BEN)
        await ben.comes()
        await until(lambda: network.reaches(BEN))
        offer_id, notice = await side.offer()
        await side.store.transact(lambda rows: outbox.put(rows, SEALER, notice))
        prosody.kill()
        await until(lambda: not network.reaches(BEN))
        await ben.goes()
        await post.round()
        assert posted == [notice.notice_id], "the other way was tried, and the offer waits"
        prosody.start()
        await ben.comes()
        await until(lambda: network.reaches(BEN), 30)
        side.clock[0] += 60
        await post.round()
        assert posted == [notice.notice_id]
        await ben.hears("tried to call you")
        ben.says("no, in a meeting", GATEWAY)
        await until(lambda: side.stored(offer_id).state is State.DECLINED)
        prosody.kill()
        [(told, _)] = side.store.read(lambda rows: outbox.due(rows, SEALER, side.now(), 10))
        assert told.values["text"] == "in a meeting"
        await ben.goes()
    prosody.start()


async def test_an_answer_after_a_restart_of_the_gateway(prosody: Prosody, side: Side, tmp_path: Path) -> None:
    async with Chatter(prosody, BEN) as ben:
        async with on_network(side, prosody) as network:
            await until(lambda: network.reaches(BEN))
            offer_id, notice = await side.offer()
            await network.deliver(notice)
            await ben.hears("tried to call you")
        again = Side(tmp_path)
        async with on_network(again, prosody) as network:
            await until(lambda: network.reaches(BEN))
            ben.says("call 01 99 00 00 77", GATEWAY)
            await ben.hears("Your telephone rings in a moment")
            await until(lambda: again.calls.orders)
            assert again.calls.orders[0].leg1.address == "+33199000077"
            assert again.stored(offer_id).state is State.PLACING
        await again.close()


async def test_wrong_secrets_are_tried_again_and_told(
    prosody: Prosody, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    right, prosody.secret = prosody.secret, "wrong"
    try:
        async with on_network(side, prosody) as network:
            await until(lambda: "XMPP: no connection" in caplog.text)
            _, notice = await side.offer()
            assert await network.deliver(notice) is Delivery.LATER
    finally:
        prosody.secret = right


async def test_no_token_and_no_word_in_the_log(prosody: Prosody, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with on_network(side, prosody) as network, Chatter(prosody, BEN) as ben:
        await until(lambda: network.reaches(BEN))
        _, notice = await side.offer()
        await network.deliver(notice)
        await ben.hears("tried to call you")
        ben.says("no, marmalade", GATEWAY)
        await ben.hears("you declined")
    text = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "answer by word" in text
    assert notice.values["token"] not in text and "marmalade" not in text
