"""The page of who is signed in as a telephone: it rings, and goes with every kind of telephone at the other end."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from e2e_hidden import shows
from e2e_pages import answers, hears, is_heard, rings, standing
from e2e_world import Visitor, ben_joins, invited, link_to, reset, sign_in
from lab.browser import axe_core, chromium, layout, violations, with_voice
from lab.passing import passing
from lab.phone import Answer, Call
from lab.talk import begin
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World
from playwright.async_api import Browser, Page, expect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SIP = Subprotocol("sip")
PRESS = Answer(press=((1.0, "1"),))
QUICK = {"call": {"dial_in": True, "ring_offeree_s": 12, "ring_destination_s": 12}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def their_world() -> AsyncIterator[World]:
    """Ada has a telephone; Ben has an account that is reached by SIP."""
    async with passing(configuration=QUICK) as world:
        await ben_joins(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(their_world: World) -> World:
    world = reset(their_world)
    world.network.plan = {BEN_NUMBER: PRESS, ADA_NUMBER: PRESS}
    world.phones["ben"].plan = {"ben": PRESS}
    return world


@pytest_asyncio.fixture(loop_scope="module")
async def browsers(tmp_path: Path) -> AsyncIterator[dict[str, Browser]]:
    """Each with its owner's voice."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(chromium(*with_voice(hertz, tmp_path)))
            for name, hertz in VOICES.items()
        }


@pytest.mark.claim("T12", "T26", "C26", "C27")
@pytest.mark.parametrize("leg1", ["tel", "sip", "browser", "page"])
async def test_a_page_is_called(world: World, http: Visitor, browsers: dict[str, Browser], leg1: str) -> None:
    frames: list[str] = []
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(standing(world, browsers["ada"], ADA, frames))
        link = await link_to(world)
        ben: Call | Page
        if leg1 == "tel":
            await http.accept(link)
            ben = await world.network.call(BEN_NUMBER)
        elif leg1 == "sip":
            await http.accept_by_sip(link, "sip:ben")
            ben = await world.phones["ben"].call("ben")
        elif leg1 == "browser":
            ben = await begin(browsers["ben"], link)
        else:
            ben = await stack.enter_async_context(standing(world, browsers["ben"], BEN))
            await sign_in(world, http, BEN)
            assert (await http.accept_by_own_order(link)).status_code == 303
            await answers(ben, "Your call with Ada Lovelace.")
        await answers(ada, "ben@example.net is calling: the call that you offered.")
        await http.sees(link, "You are connected")
        await hears(ada, VOICES["ben"])
        if isinstance(ben, Call):
            await is_heard(ben, VOICES["ada"])
        else:
            await hears(ben, VOICES["ada"])
        assert invited(world, ADA_NUMBER) == 0, "the page comes first"
        await ada.get_by_role("button", name="Hang up").click()
        await http.sees(link, "The call has ended")
        await expect(ada.locator("#ring-say")).to_contain_text("Calls ring here")
        await expect(ada.locator("#talk")).to_be_hidden()
        assert any(frame.startswith("INVITE") for frame in frames)
        assert not [frame for frame in frames if shows(frame, BEN_NUMBER) or shows(frame, ADA_NUMBER)]


async def test_the_other_side_hangs_up_and_the_next_call_rings(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        for _ in range(2):
            link = await link_to(world)
            await http.accept(link)
            ben = await world.network.call(BEN_NUMBER)
            await answers(ada, "ben@example.net is calling: the call that you offered.")
            world.network.hang_up(ben)
            await expect(ada.locator("#talk")).to_be_hidden(timeout=5_000)
            world.network.forget_calls()


async def test_who_declines_in_the_page_is_not_called_elsewhere(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await http.accept(link)
        await rings(ada)
        await ada.get_by_role("button", name="Decline", exact=True).click()
        await http.sees(link, "Ada Lovelace cannot talk right now")
        await expect(ada.locator("#talk")).to_be_hidden()
    assert invited(world, ADA_NUMBER) == 0


@pytest.mark.parametrize("press", ["Decline", "Answer", "Enter"])
async def test_a_press_in_the_moment_in_which_a_call_comes_was_not_meant_for_it(
    world: World, http: Visitor, browsers: dict[str, Browser], press: str
) -> None:
    """The moment is made longer here: the browser that presses has others beside it."""
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await ada.evaluate(
            """() => {
                const later = window.setTimeout;
                window.setTimeout = (work, ms) => later(work, ms === 500 ? 4000 : ms);
                document.addEventListener("click", () => {
                    window.pressed = document.getElementById("talk-ring").dataset.settled || "too soon";
                }, true);
            }"""
        )
        await http.accept(link)
        await ada.wait_for_function("() => !document.getElementById('talk-ring').hidden", polling="raf", timeout=20_000)
        if press == "Enter":  # the call has the focus
            await ada.keyboard.press(press)
        else:
            await ada.get_by_role("button", name=press, exact=True).click()
        await rings(ada)
        assert await ada.evaluate("window.pressed") == "too soon"
        await ada.get_by_role("button", name="Decline", exact=True).click()
        await http.sees(link, "Ada Lovelace cannot talk right now")


async def test_where_nobody_answers_in_the_page_the_telephone_rings(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await http.accept(link)
        await expect(ada.get_by_role("button", name="Answer", exact=True)).to_be_visible(timeout=20_000)
        await http.sees(link, "You are connected", timeout_s=30)
        await expect(ada.locator("#talk")).to_be_hidden()
    assert invited(world, ADA_NUMBER) == 1


async def test_a_page_that_is_closed_while_it_rings(world: World, http: Visitor, browsers: dict[str, Browser]) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await http.accept(link)
        await expect(ada.get_by_role("button", name="Answer", exact=True)).to_be_visible(timeout=20_000)
        closed_at = time.monotonic()
        await ada.evaluate("sockets.forEach(socket => socket.close())")  # it says no goodbye
    await world.network.call(ADA_NUMBER)
    assert time.monotonic() - closed_at < 6, "sooner than it would have rung in vain"
    await http.sees(link, "You are connected", timeout_s=30)


async def test_who_wants_no_calls_there_is_called_on_the_telephone(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await ada.get_by_role("button", name="No more calls here").click()
        await expect(ada.locator("#ring-say")).to_have_text("Calls do not ring here.")
        await http.accept(link)
        await http.sees(link, "You are connected")
        assert invited(world, ADA_NUMBER) == 1
        await ada.reload()
        await expect(ada.get_by_role("button", name="Take calls here")).to_be_visible()


async def test_what_rings_is_for_everybody(world: World, http: Visitor, browsers: dict[str, Browser]) -> None:
    """Before, while it rings and in the call; narrow and wide, light and dark; by the keyboard alone."""
    axe = await asyncio.to_thread(axe_core)

    async def looks_well(page: Page) -> None:
        for width, colours in ((390, "dark"), (1280, "light")):
            await page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 844})
            assert await violations(page, axe) == []
            assert await layout(page) == []

    async with standing(world, browsers["ada"], ADA) as ada:
        await looks_well(ada)
        link = await link_to(world)
        await http.accept(link)
        await expect(ada.get_by_role("button", name="Answer", exact=True)).to_be_focused(timeout=20_000)
        await expect(ada).to_have_title("ben@example.net is calling: the call that you offered.")
        await looks_well(ada)
        await rings(ada)
        await ada.keyboard.press("Enter")
        await expect(ada.locator("#talk-say")).to_have_text("You can talk.", timeout=10_000)
        await looks_well(ada)
        await ada.get_by_role("button", name="Hang up").click()
        await expect(ada.get_by_role("button", name="No more calls here")).to_be_focused()
        await expect(ada).to_have_title("Calls offered to you")


async def test_the_connection_is_for_who_is_signed_in_and_this_page_alone(world: World, http: Visitor) -> None:
    url, origin = f"{world.gateway.url.replace('http', 'ws')}/my/listen/sip", world.gateway.url
    await asyncio.to_thread(world.gateway.run, "account", "change", ADA, "--browser")
    await sign_in(world, http, ADA)
    session = "; ".join(f"{c.name}={c.value}" for c in http.client.cookies.jar)
    for cookie, source in (("", origin), ("mailgate_session=none", origin), (session, "http://elsewhere")):
        with pytest.raises(InvalidStatus):
            await connect(url, subprotocols=[SIP], origin=Origin(source), additional_headers={"Cookie": cookie})
    length = "Content-Length: 0\r\n\r\n"
    register = f"REGISTER sip:ada@x SIP/2.0\r\n{length}"
    two = f"OPTIONS sip:ada@x SIP/2.0\r\n{length}{register}"
    for frame in (register, f"SUBSCRIBE sip:ada SIP/2.0\r\n{length}", "INVITE " + "x" * 17_000, two):
        async with connect(url, subprotocols=[SIP], origin=Origin(origin), additional_headers={"Cookie": session}) as s:
            await s.send(frame)
            with pytest.raises(ConnectionClosed):
                await s.recv()
    who = f"{world.gateway.url}/my/listen/caller"
    assert (await http.get(f"{who}/{'0' * 32}")).status_code == 404
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.get(f"{who}/{'0' * 32}")).status_code == 401
    link = await link_to(world)
    await http.accept(link)
    await world.network.call(BEN_NUMBER)
    attempt = re.search(r"attempt=([0-9a-f]{32})", world.gateway.log.rpartition("state=placing")[2])
    assert attempt is not None
    assert "ben@example.net" in (await http.get(f"{who}/{attempt[1]}")).text, "it is Ada's own"
    async with httpx.AsyncClient(timeout=20) as client:
        await asyncio.to_thread(world.gateway.account_add, "carla@example.net", "Carla", "--browser")
        await asyncio.sleep(1.5)
        await sign_in(world, Visitor(client), "carla@example.net")
        assert (await client.get(f"{who}/{attempt[1]}")).status_code == 404, "and nobody else's"


async def account(world: World, *words: str) -> str:
    return (await asyncio.to_thread(world.gateway.run, "account", *words)).stdout


async def test_what_is_taken_out_of_the_account_is_put_back_by_a_press_alone(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        await account(world, "change", ADA, "--no-browser")
        await ada.evaluate("sockets.forEach(socket => socket.close())")  # it comes back by itself
        await expect(ada.locator("#ring-say")).to_contain_text("Calls rang here before", timeout=20_000)
        await ada.reload()
        await expect(ada.locator("#ring-say")).to_contain_text("Calls rang here before")
        assert "browser" not in await account(world, "channel", ADA)
        link = await link_to(world)
        await http.accept(link)
        await http.sees(link, "You are connected")
        assert invited(world, ADA_NUMBER) == 1
        stranger = await http.post(f"{world.gateway.url}/my/listen/ring", key="0" * 32)
        assert stranger.status_code == 401
        await sign_in(world, http, ADA)
        assert (await http.post(f"{world.gateway.url}/my/listen/ring", key="0" * 32)).status_code == 403
        assert "browser" not in await account(world, "channel", ADA)
        await ada.get_by_role("button", name="Take calls here").click()
        await expect(ada.locator("#ring-say")).to_contain_text("Calls ring here")
        assert "browser" in await account(world, "channel", ADA)


async def test_who_declines_at_one_page_has_declined_at_all(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as one, standing(world, browsers["ben"], ADA) as other:
        for declines, stops in ((one, other), (other, one)):
            link = await link_to(world)
            await http.accept(link)
            await expect(stops.get_by_role("button", name="Answer", exact=True)).to_be_visible(timeout=20_000)
            await rings(declines)
            await declines.get_by_role("button", name="Decline", exact=True).click()
            await expect(stops.locator("#talk")).to_be_hidden(timeout=2_000)
            await http.sees(link, "Ada Lovelace cannot talk right now", timeout_s=9)
    assert invited(world, ADA_NUMBER) == 0


async def test_a_call_for_another_page_does_not_ring(world: World, browsers: dict[str, Browser]) -> None:
    """As one that was ordered while another page had this address of the relay."""
    frames: list[str] = []
    async with standing(world, browsers["ada"], ADA, frames) as ada:
        while len(ports := relay_ports(world)) != 1:  # those of others before are about to close
            await asyncio.sleep(0.1)
        way = f"PJSIP/mailgate-web/sip:page@127.0.0.88:{ports[0]};transport=ws;attempt={'0' * 32}"
        await originate(world, way)
        async with asyncio.timeout(5):
            while "page_turned_back" not in world.gateway.log:
                await asyncio.sleep(0.1)
        await expect(ada.locator("#talk")).to_be_hidden()
    assert not [frame for frame in frames if frame.startswith("INVITE")]


async def originate(world: World, way: str) -> None:
    """By AMI, as mailgate's own user."""
    actions = (
        {"Action": "Login", "Username": "mailgate", "Secret": world.gateway.ami_secret, "Events": "off"},
        {"Action": "Originate", "Channel": way, "Context": "mailgate-call", "Exten": "failed", "Priority": "1"},
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.ami_port)
    for action in actions:
        writer.write("".join(f"{name}: {value}\r\n" for name, value in (action | {"Async": "true"}).items()).encode())
        writer.write(b"\r\n")
        async with asyncio.timeout(5):
            assert b"Success" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()


def relay_ports(world: World) -> list[int]:
    """Of connections from the relay to Asterisk (proc(5), /proc/net/tcp: octets in the machine's order)."""
    asterisk = f"0100007F:{int(world.websocket.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [row[1] for row in rows if row[2] == asterisk and row[3] == "01" and row[1].startswith("5800007F")]
    return [int(each.rpartition(":")[2], 16) for each in found]


async def test_a_call_goes_on_while_mailgate_starts_again(
    world: World, http: Visitor, browsers: dict[str, Browser]
) -> None:
    async with standing(world, browsers["ada"], ADA) as ada:
        link = await link_to(world)
        await http.accept(link)
        ben = await world.network.call(BEN_NUMBER)
        await answers(ada, "ben@example.net is calling: the call that you offered.")
        await asyncio.to_thread(world.gateway.stop)
        await expect(ada.locator("#talk-say")).not_to_have_text("You can talk.", timeout=10_000)
        await asyncio.to_thread(world.gateway.start)
        await expect(ada.locator("#talk-say")).to_have_text("You can talk.", timeout=60_000)
        await hears(ada, VOICES["ben"])
        world.network.hang_up(ben)
        await expect(ada.locator("#talk")).to_be_hidden(timeout=5_000)
        await http.sees(link, "The call has ended")
