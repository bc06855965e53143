"""Who is called on what, and in which order: both lists, what can be had at that moment, and the way down them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from e2e_hidden import shows
from e2e_letters import letter
from e2e_world import Visitor, ben_joins, invited, link_to, reset, sign_in
from lab.passing import passing
from lab.phone import Answer, Ring
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

PRESS = Answer(press=((1.0, "1"),))
QUICK = {"call": {"dial_in": True, "ring_offeree_s": 5, "ring_destination_s": 5}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def their_world() -> AsyncIterator[World]:
    """Ada and Ben have an account each, with a SIP telephone first and a number of the network after it."""
    account = ("--sip", "ada", "--number", ADA_NUMBER)
    async with passing(account=account, configuration=QUICK) as world:
        await ben_joins(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(their_world: World) -> AsyncIterator[World]:
    world = reset(their_world)
    world.network.plan = {BEN_NUMBER: PRESS, ADA_NUMBER: PRESS}
    world.phones["ada"].plan = {"ada": Answer()}
    world.phones["ben"].plan = {"ben": PRESS}
    yield world
    for phone in world.phones.values():
        assert await phone.register() == 200


@pytest_asyncio.fixture(loop_scope="module")
async def by_own_order(world: World, http: Visitor) -> Callable[[str], Awaitable[int]]:
    """Ben signs in at /my by what was mailed to him, and presses there; the status of the answer."""

    async def press(link: str) -> int:
        await sign_in(world, http, BEN)
        return (await http.accept_by_own_order(link)).status_code

    return press


async def command(world: World, *words: str) -> str:
    """Beside the telephones, which answer Asterisk's questions meanwhile and would count as gone."""
    return (await asyncio.to_thread(world.gateway.run, *words)).stdout


async def over(world: World, http: Visitor, link: str) -> str:
    """Whoever is up hangs up; the attempts as `mailgate explain` tells them."""
    for phone in (world.network, *world.phones.values()):
        for call in phone.calls:
            phone.hang_up(call)
    await http.sees(link, "The call has ended")
    return " ".join((await command(world, "explain", link)).split())


def nobody_sees_the_other_s_list(world: World, http: Visitor) -> None:
    """Neither party's numbers, nor their SIP names, on any page of the other's or in the log."""
    pages = "".join(answer.text for answer in http.answers)
    assert not shows(pages, ADA_NUMBER) and "sip:ada" not in pages
    assert not shows(world.gateway.log, ADA_NUMBER) and not shows(world.gateway.log, BEN_NUMBER)
    assert "sip:ada" not in world.gateway.log and "sip:ben" not in world.gateway.log


@pytest.mark.claim("C26", "C27", "C28")
async def test_the_first_of_both_lists_where_all_can_be_reached(
    world: World, http: Visitor, by_own_order: Callable[[str], Awaitable[int]]
) -> None:
    link = await link_to(world)
    assert "/my/call/" in (await http.get(link)).text
    assert await by_own_order(link) == 303
    await http.sees(link, "You are connected")
    assert [len(world.phones[name].calls) for name in ("ben", "ada")] == [1, 1]
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (0, 0)
    await over(world, http, link)
    nobody_sees_the_other_s_list(world, http)


@pytest.mark.claim("C27")
async def test_who_is_not_registered_is_called_on_the_telephone(
    world: World, http: Visitor, by_own_order: Callable[[str], Awaitable[int]]
) -> None:
    for phone in world.phones.values():
        assert await phone.register(0) == 200
    link = await link_to(world)
    assert await by_own_order(link) == 303
    await http.sees(link, "You are connected")
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)
    assert not world.phones["ben"].calls and not world.phones["ada"].calls
    told = await over(world, http, link)
    assert told.count("placing") == 1, "nothing was tried that could not be had"


@pytest.mark.claim("C27", "C28")
async def test_both_fall_through_their_lists(
    world: World, http: Visitor, by_own_order: Callable[[str], Awaitable[int]]
) -> None:
    """Both SIP telephones ring and nobody answers: each party is called on the next of its list, shown as it goes."""
    world.phones["ben"].plan = {"ben": Ring()}
    world.phones["ada"].plan = {"ada": Ring()}
    link = await link_to(world)
    assert await by_own_order(link) == 303
    page = await http.sees(link, "so another one is tried", 20)
    assert "The first" not in page
    await http.sees(link, "You are connected", 30)
    assert [len(world.phones[name].calls) for name in ("ben", "ada")] == [1, 1]
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1), "leg 1 was rung once, and stayed"
    explained = await over(world, http, link)
    assert "offeree-no-answer" in explained and "completed" in explained and "destination-again" in explained
    nobody_sees_the_other_s_list(world, http)


@pytest.mark.claim("C28")
async def test_a_number_that_is_typed_is_the_list_and_the_destination_s_goes_on(world: World, http: Visitor) -> None:
    world.phones["ada"].plan = {"ada": Ring()}
    link = await link_to(world)
    assert (await http.accept(link)).status_code == 303
    await http.sees(link, "You are connected", 30)
    assert len(world.phones["ada"].calls) == 1 and not world.phones["ben"].calls
    assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)
    await over(world, http, link)


@pytest.mark.claim("C27", "C28")
async def test_hours_and_order_are_the_party_s_own(
    world: World, http: Visitor, by_own_order: Callable[[str], Awaitable[int]]
) -> None:
    """Ada's SIP telephone rings at other hours only; Ben would rather be called on the telephone."""
    hour = datetime.now(UTC).hour
    elsewhen = f"Mon-Sun {(hour + 8) % 23}-{(hour + 8) % 23 + 1}"
    await command(world, "account", "change", ADA, "--time-zone", "UTC")
    await command(world, "account", "channel", ADA, "sip:ada", "--hours", elsewhen)
    await command(world, "account", "channel", BEN, BEN_NUMBER, "--first")
    try:
        link = await link_to(world)
        assert await by_own_order(link) == 303
        await http.sees(link, "You are connected")
        assert (invited(world, BEN_NUMBER), invited(world, ADA_NUMBER)) == (1, 1)
        assert not world.phones["ben"].calls and not world.phones["ada"].calls
        await over(world, http, link)
        await command(world, "account", "channel", ADA, ADA_NUMBER, "--hours", elsewhen)
        quiet = await link_to(world)
        assert await by_own_order(quiet) == 409
        assert "takes no calls just now" in (await http.accept(quiet)).text
    finally:
        for number in ("sip:ada", ADA_NUMBER):
            await command(world, "account", "channel", ADA, number, "--hours", "")
        await command(world, "account", "channel", BEN, "sip:ben", "--first")


async def test_who_has_refused_is_not_called_again(
    world: World, http: Visitor, by_own_order: Callable[[str], Awaitable[int]]
) -> None:
    world.phones["ben"].plan = {"ben": Answer(press=((1.0, "5"), (2.0, "5")))}
    link = await link_to(world)
    assert await by_own_order(link) == 303
    await http.sees(link, "The call was declined")
    await asyncio.sleep(1)
    assert invited(world, BEN_NUMBER) == 0 and not world.phones["ada"].calls


async def test_an_own_order_is_for_the_offer_s_recipient_alone(world: World, http: Visitor) -> None:
    await world.submit(letter(to="carla@example.net"), recipients=["carla@example.net"])
    (link,) = world.links((await world.wait_for_mail("carla@example.net"))[-1])
    assert "/my/call/" not in (await http.get(link)).text
    answer = await http.get(f"{world.gateway.url}/my/call/{link.rpartition('/')[2]}")
    assert answer.status_code == 303 and answer.headers["location"].endswith("/my")
