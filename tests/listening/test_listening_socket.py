"""Devices that connect to the gateway: offers at once, acknowledged or sent another way, and nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lab.application import Application, until
from listening_world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, Device, House, house
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home() -> AsyncIterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    async with house(folder) as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


async def test_an_offer_in_a_message_is_shown_at_once(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key(), name="laptop")
    began = await home.write()
    shown = await device.hears("offer")
    print(f"shown {shown['heard_at'] - began:.3f} s after the message")
    assert shown["offeror"] == "Ada Lovelace" and "Ada Lovelace" in shown["title"]
    assert shown["url"].startswith(f"{home.gateway.url}/a/")
    assert ADA_NUMBER[-9:] not in str(device.heard)
    await until(lambda: home.hop.taken, 10, lambda: "the message has not gone out")
    await device.leave()


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_shown_leads_where_the_message_leads(workers: int, tmp_path: Path) -> None:
    """Also where a worker, which has no store, has made the offer."""
    async with house(tmp_path, workers=workers) as home:
        device = await Device.come(home.gateway.url, await home.key())
        await home.write()
        shown = await device.hears("offer")
        await until(lambda: home.hop.taken, 10, lambda: "the message has not gone out")
        assert re.findall(rb"http://[^\s\"<>]+/a/[\w-]+", home.hop.taken[0].content)[0].decode() == shown["url"]
        await device.leave()


async def test_a_device_that_comes_later_is_shown_what_waits(home: House) -> None:
    await home.write()
    device = await Device.come(home.gateway.url, await home.key())
    await device.hears("offer", offeror="Ada Lovelace")
    await device.leave()


async def test_an_offer_whose_message_is_refused_goes_from_the_screen(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key())
    before = len([m for m in device.heard if m["type"] == "offer"])
    home.hop.refuses = "550 5.7.1 no"
    try:
        with contextlib.suppress(Exception):
            await home.write()
    finally:
        home.hop.refuses = ""
    await until(lambda: len([m for m in device.heard if m["type"] == "offer"]) > before, 5, lambda: "not shown")
    offer = [m for m in device.heard if m["type"] == "offer"][-1]
    await device.hears("changed", offer=offer["offer"], may_accept=False)
    await device.leave()


async def test_what_is_made_by_hand_goes_by_socket_and_by_no_mail(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key(), name="laptop")
    mails = len(home.hop.taken)
    told = await home.command("offer", BEN, "--from", ADA, "--wait", "6")
    assert "on the screen of a device" in told
    assert len(home.hop.taken) == mails
    assert (await device.hears("offer", title="Ada Lovelace offers you a call"))["quiet"] is False
    await device.leave()


@pytest.mark.parametrize("how", ["silent", "busy", "dnd", "gone"])
async def test_what_no_device_shows_goes_by_mail(home: House, how: str) -> None:
    mails = len(home.hop.taken)
    status = how if how in ("busy", "dnd") else "available"
    device = await Device.come(home.gateway.url, await home.key(), acknowledges=how == "busy", status=status)
    if how == "gone":
        await device.leave()
    told = await home.command("offer", BEN, "--from", ADA, "--wait", "8")
    assert "It went by mail" in told
    assert home.hop.subjects()[mails:] == ["Ada Lovelace offers you a call"]
    if how == "busy":
        assert (await device.hears("offer", quiet=True))["quiet"]
    if how == "dnd":
        assert not [m for m in device.heard if m["type"] == "offer"]
        await device.say("presence", status="available")
        await device.hears("offer")
    if how != "gone":
        await device.leave()


async def test_hours_of_do_not_disturb(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key())
    await device.say("presence", status="available", hours="Mon-Sun 0-24", zone="Europe/Paris")
    mails = len(home.hop.taken)
    assert "It went by mail" in await home.command("offer", BEN, "--from", ADA, "--wait", "8")
    assert len(home.hop.taken) == mails + 1
    await device.say("presence", status="available", hours="")
    assert "on the screen" in await home.command("offer", BEN, "--from", ADA, "--wait", "8")
    await device.say("presence", status="available", hours="Smonday 1-2")
    assert (await device.hears("refused", about="presence"))["reason"] == "hours"
    await device.leave()


async def test_the_party_s_own_order_is_kept(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key())
    await home.command("account", "networks", BEN, "mail")
    try:
        assert "It went by mail" in await home.command("offer", BEN, "--from", ADA, "--wait", "8")
    finally:
        await home.command("account", "networks", BEN, "socket,im,mail")
    await device.leave()


async def test_a_decline_and_an_answer_reach_the_offeror_s_device(home: House) -> None:
    ben = await Device.come(home.gateway.url, await home.key(BEN), acknowledges=True)
    ada = await Device.come(home.gateway.url, await home.key(ADA), name="ada's desk")
    await ada.say("make", to=BEN)
    made = await ada.hears("made")
    offer = (await ben.hears("offer", offer=made["offer"]))["offer"]
    await ben.say("reply", offer=offer, text="After lunch?")
    assert "After lunch?" in (await ada.hears("news", kind="replied"))["text"]
    mails = len(home.hop.taken)
    await ben.say("decline", offer=offer, reason="not-now", text="On a train")
    news = await ada.hears("news", kind="declined")
    assert news["title"] == f"Call declined: {BEN}" and "On a train" in news["text"]
    await ada.hears("changed", offer=offer, state="declined")
    await asyncio.sleep(2)
    assert len(home.hop.taken) == mails, "it was told once"
    await ben.leave()
    await ada.leave()


async def test_the_offeror_is_told_at_once_that_a_call_is_made_and_by_no_mail(home: House) -> None:
    ben, ada = (
        await Device.come(home.gateway.url, await home.key(BEN)),
        await Device.come(home.gateway.url, await home.key(ADA)),
    )
    await ada.say("make", to=BEN)
    offer = (await ben.hears("offer", offer=(await ada.hears("made"))["offer"]))["offer"]
    mails = len(home.hop.taken)
    await ben.say("accept", offer=offer, channel=BEN_NUMBER)
    news = await ada.hears("news", kind="accepted")
    assert news["title"] == f"Your call is being made: {BEN}" and "Your telephone rings" in news["text"]
    await ada.leave()
    await ben.say("accept", offer=offer, channel=BEN_NUMBER)
    await asyncio.sleep(2)
    assert not [s for s in home.hop.subjects()[mails:] if "being made" in s], "it is told on a screen, or not at all"
    await ben.leave()


async def test_nobody_else_sees_or_touches_an_offer(home: House) -> None:
    ben = await Device.come(home.gateway.url, await home.key(BEN))
    ada = await Device.come(home.gateway.url, await home.key(ADA))
    await ada.say("make", to=BEN)
    offer = (await ada.hears("made"))["offer"]
    await ben.hears("offer", offer=offer)
    await ada.say("decline", offer=offer, text="not mine to decline")
    assert (await ada.hears("refused", about="decline"))["reason"] == "unknown"
    await ada.say("accept", offer="0" * 32, channel=BEN_NUMBER)
    assert (await ada.hears("refused", about="accept"))["reason"] == "unknown"
    assert not [m for m in ada.heard if m["type"] == "offer" and m["offer"] == offer]
    for number, reason in (("112", "emergency"), ("sip:x@evil.example", "sip-not-allowed")):
        await ben.say("accept", offer=offer, channel=number)
        await ben.hears("refused", about="accept", reason=reason)
    await ben.leave()
    await ada.leave()


@pytest.mark.parametrize(
    "says", ['{"type":"hello","key":"mgl-wrong"}', "no JSON", '{"type":"shown","id":"x"}', b"\x00"]
)
async def test_who_has_no_key_is_cut_off(home: House, says: str | bytes) -> None:
    async with connect(home.gateway.url.replace("http", "ws") + "/listen") as stranger:
        await stranger.send(says)
        with pytest.raises(ConnectionClosed):
            while True:
                assert "welcome" not in str(await stranger.recv())


async def test_a_page_of_another_site_cannot_use_the_session(home: House) -> None:
    from websockets.exceptions import InvalidStatus

    address = home.gateway.url.replace("http", "ws") + "/my/listen/socket"
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, additional_headers={"Cookie": "mailgate_session=x"}, origin="https://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


async def test_a_device_that_is_removed_is_cut_off(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key(BEN, "--name", "old"))
    listed = await home.command("account", "device", "list", BEN)
    found = re.search(r"([0-9a-f]{8}) │ old ", listed)
    assert found is not None, listed
    await home.command("account", "device", "remove", BEN, found[1])
    await asyncio.wait_for(device.connection.wait_closed(), 10)


async def test_nothing_is_lost_when_the_gateway_dies_while_it_waits(home: House) -> None:
    device = await Device.come(home.gateway.url, await home.key(), acknowledges=False)
    before = home.hop.subjects().count("Ada Lovelace offers you a call")
    made = await Device.come(home.gateway.url, await home.key(ADA))
    await made.say("make", to=BEN)
    offer = (await made.hears("made"))["offer"]
    await device.hears("offer", offer=offer)
    home.gateway.kill()
    await device.leave()
    await made.leave()
    await asyncio.to_thread(home.gateway.start)
    await until(
        lambda: home.hop.subjects().count("Ada Lovelace offers you a call") == before + 1, 20, lambda: "it was lost"
    )


async def test_a_half_open_socket_is_noticed(home: House) -> None:
    """An application that is stopped in its tracks: its connection stays, and answers nothing."""
    app = await Application.start(home.gateway.url, key=await home.key())
    await app.prints("^signed-in")
    app.process.send_signal(signal.SIGSTOP)
    try:
        came = re.findall(r"listener here .*device=(\w+)", home.gateway.log)[-1]
        gone = re.compile(rf"listener gone .*device={came}")
        await until(lambda: gone.search(home.gateway.log), 30, lambda: home.gateway.log[-500:])
    finally:
        app.process.send_signal(signal.SIGCONT)
    await app.prints("^away")
    await until(lambda: len([x for x in app.lines if x.startswith("signed-in")]) == 2, 20, lambda: str(app.lines))
    await app.end()
