"""Who calls in from a page: one nonce, once, for a while, over one port; and then a call like any other."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, Calls
from lab.phone import Answer, Phone, Reject
from lab.webphone import page

from mailgate.calls.model import Answered, Bridged, CallOrder, Channel, Ended, Kind, Outcome, Ringing
from mailgate.calls.settings import DeploySettings


@pytest.fixture
def url(deployed: DeploySettings) -> str:
    return f"ws://{deployed.link.websocket}/ws"


@pytest.fixture
def from_page(order: Callable[..., CallOrder]) -> Callable[..., CallOrder]:
    def make(**changes: object) -> CallOrder:
        leg1 = Channel(Kind.BROWSER, secrets.token_hex(16))
        return order(**({"leg1": leg1, "confirm1": False} | changes))

    return make


async def test_a_page_is_leg_1_and_settles_like_any_other(
    calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]
) -> None:
    order = from_page()
    await calls.edge.originate(order)
    assert await calls.edge.settle([order.attempt_id]) == {
        order.attempt_id: Ringing(attempt_id=order.attempt_id, leg=1)
    }
    async with page(url) as line:
        assert (await line.invite(f"call{order.leg1.address}"))[0] == 200
        call = await pstn.call(ADA)
        assert GATEWAY in call.caller_id and "guest" not in call.invite
        bridged = await calls.seen(order.attempt_id, Bridged)
        assert isinstance(bridged, Bridged) and abs(bridged.bridged_at - time.time()) < 5
        live = (await calls.edge.settle([order.attempt_id]))[order.attempt_id]
        assert isinstance(live, Bridged)
        pstn.hang_up(call)
        await line.left()
        assert not [m for m in line.received if ADA[1:] in m or ADA[3:] in m]
    ended = await calls.ended(order.attempt_id)
    assert ended.outcome is Outcome.COMPLETED
    settled = (await calls.edge.settle([order.attempt_id]))[order.attempt_id]
    assert isinstance(settled, Ended) and settled.outcome is Outcome.COMPLETED


async def test_a_nonce_is_good_once(calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]) -> None:
    order = from_page()
    await calls.edge.originate(order)
    async with page(url) as line, page(url) as second, page(url) as third:
        codes = await asyncio.gather(*(each.invite(f"call{order.leg1.address}") for each in (line, second)))
        assert sorted(code for code, _ in codes) == [200, 403]
        assert (await third.invite(f"call{order.leg1.address}"))[0] == 403
        await calls.seen(order.attempt_id, Bridged)
        await calls.edge.hang_up(order.attempt_id)
    await calls.ended(order.attempt_id)
    assert len(pstn.calls) == 1


async def test_a_nonce_that_is_too_old_is_refused_and_the_attempt_over(
    calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]
) -> None:
    order = from_page()
    await calls.edge.originate(order)
    assert (await calls.ended(order.attempt_id, 4)).outcome is Outcome.OFFEREE_NO_ANSWER
    async with page(url) as line:
        assert (await line.invite(f"call{order.leg1.address}"))[0] == 403
    assert not pstn.calls


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("call" + "0" * 32, 403),
        ("call" + "0" * 31, 403),
        ("call" + "0" * 33, 403),
        ("calla", 484),
        ("call", 484),
        ("s", 404),
        ("h", 404),
        (ADA, 404),
        ("alice", 404),
        ("1", 404),
        ("call" + "0" * 32 + "%2C1", 403),
        ("call" + "0" * 30 + "%22%29", 403),
    ],
)
async def test_a_page_reaches_nothing_else(calls: Calls, pstn: Phone, url: str, target: str, code: int) -> None:
    async with page(url) as line:
        assert (await line.invite(target))[0] == code
    assert not pstn.calls and not calls.events


async def test_a_page_cannot_register(calls: Calls, url: str) -> None:
    async with page(url) as line:
        assert (await line.invite("mailgate-web", method="REGISTER", user="mailgate-web"))[0] in (401, 403)
    async with page(url) as line:
        assert (await line.invite("alice", method="REGISTER", user="alice"))[0] == 401


async def test_strangers_are_refused(
    calls: Calls, pstn: Phone, pbx: PrivateAsterisk, url: str, from_page: Callable[..., CallOrder]
) -> None:
    """By WebSocket from any other address, and by UDP from the relay's own and under its endpoint's name."""
    order = from_page()
    await calls.edge.originate(order)
    target = f"call{order.leg1.address}"
    for name in ("guest", "mailgate-web"):
        async with page(url, source=HOST) as line:
            assert (await line.invite(target, user=name))[0] == 401
    for source, codes in ((HOST, {401}), ("127.0.0.88", {403, 488})):
        stranger = await Phone(user="mailgate-web", host=source, registrar=(HOST, pbx.sip_port)).open()
        assert await stranger.ask("INVITE", f"sip:{target}@{HOST}:{pbx.sip_port}") in codes
        await stranger.close()
    assert not pstn.calls and not calls.of(order.attempt_id)


async def test_hanging_up_takes_everything_along(
    calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]
) -> None:
    """Not yet come; while the destination is asked for a key; on the offeror's wish and not."""
    order = from_page()
    await calls.edge.originate(order)
    assert await calls.edge.hang_up(order.attempt_id, revoked=False)
    assert (await calls.ended(order.attempt_id)).outcome is Outcome.OFFEREE_HUNG_UP
    pstn.plan = {ADA: Answer()}
    for revoked, outcome in ((False, Outcome.OFFEREE_LEFT), (True, Outcome.REVOKED)):
        order = from_page()
        await calls.edge.originate(order)
        before = len(pstn.calls)
        async with page(url) as line:
            await line.invite(f"call{order.leg1.address}")
            call = await pstn.call(ADA, since=before)
            await calls.until(order.attempt_id, lambda e: isinstance(e, Answered) and e.leg == 2)
            assert await calls.edge.hang_up(order.attempt_id, revoked=revoked)
            await asyncio.wait_for(call.over.wait(), 2)
        assert (await calls.ended(order.attempt_id)).outcome is outcome


async def test_a_page_that_leaves_while_the_destination_is_asked_lets_it_go(
    calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]
) -> None:
    pstn.plan = {ADA: Answer()}
    order = from_page()
    await calls.edge.originate(order)
    async with page(url) as line:
        await line.invite(f"call{order.leg1.address}")
        call = await pstn.call(ADA)
        await calls.until(order.attempt_id, lambda e: isinstance(e, Answered) and e.leg == 2)
        await line.bye()
        await asyncio.wait_for(call.over.wait(), 0.8)
    assert (await calls.ended(order.attempt_id)).outcome is Outcome.OFFEREE_LEFT


async def test_a_destination_that_is_busy_is_told(
    calls: Calls, pstn: Phone, url: str, from_page: Callable[..., CallOrder]
) -> None:
    pstn.plan = {ADA: Reject(code=486)}
    order = from_page()
    await calls.edge.originate(order)
    async with page(url) as line:
        await line.invite(f"call{order.leg1.address}")
        assert (await calls.ended(order.attempt_id)).outcome is Outcome.DESTINATION_BUSY


async def test_without_the_gateway_a_page_is_told_that_it_is_away(
    calls: Calls, url: str, from_page: Callable[..., CallOrder]
) -> None:
    await calls.edge.stop()
    async with page(url) as line:
        code, _ = await line.invite("call" + "0" * 32)
    assert code == 503


def test_the_pattern_is_all_there_is(pbx: PrivateAsterisk) -> None:
    shown = pbx.cli("dialplan show mailgate-web")
    assert re.findall(r"'([^']+)' =>", shown) == ["_call[0-9a-f]."]
    assert "Include" not in shown
