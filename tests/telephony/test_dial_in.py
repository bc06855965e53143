"""Who dials the gateway's number: a PIN, three tries, and then a call like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls
from lab.phone import Answer, Call, Phone

from mailgate.calls.model import Bridged, CallOrder, Outcome

PIN = "314159"


@pytest.fixture
async def caller(pstn: Phone, pbx: PrivateAsterisk) -> AsyncIterator[Callable[..., Call]]:
    """Calls the gateway's number from the telephone network, by the trunk."""
    pstn.registrar = (HOST, pbx.sip_port)
    yield lambda number=GATEWAY: pstn.dial(number, caller=OFFEREE)


async def answered(call: Call) -> Call:
    await asyncio.wait_for(call.up.wait(), 3)
    assert call.state == "up"
    await asyncio.sleep(0.2)
    return call


@pytest.mark.parametrize("number", [GATEWAY, GATEWAY[1:], f"00{GATEWAY[1:]}"])
async def test_the_right_pin_connects(
    calls: Calls, pstn: Phone, caller: Callable[..., Call], order: Callable[..., CallOrder], number: str
) -> None:
    wanted = order()
    calls.pins[PIN] = wanted
    call = await answered(caller(number))
    call.rtp.press(PIN)
    ada = await pstn.call(ADA)
    assert GATEWAY in ada.caller_id and OFFEREE[1:] not in ada.invite
    await calls.seen(wanted.attempt_id, Bridged)
    assert calls.dialled == [(PIN, OFFEREE)]
    for _ in range(40):
        await asyncio.sleep(0.1)
        if call.rtp.tones(pstn.hertz)[pstn.hertz] > 0.8 and ada.rtp.tones(pstn.hertz)[pstn.hertz] > 0.8:
            break
    else:
        raise AssertionError("they do not hear each other")
    pstn.hang_up(call)
    await asyncio.wait_for(ada.over.wait(), 2)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.COMPLETED
    own = [m for _, _, m in pstn.wire if call.call_id in m]
    assert own and not [m for m in own if ADA[3:] in m]


async def test_a_wrong_pin_may_be_corrected(
    calls: Calls, pstn: Phone, caller: Callable[..., Call], order: Callable[..., CallOrder]
) -> None:
    wanted = order()
    calls.pins[PIN] = wanted
    call = await answered(caller())
    call.rtp.press("271828")
    await asyncio.sleep(1.8)
    call.rtp.press(PIN)
    await calls.seen(wanted.attempt_id, Bridged)
    assert [pin for pin, _ in calls.dialled] == ["271828", PIN]
    pstn.hang_up(call)


async def test_three_wrong_ones_and_goodbye(
    calls: Calls, pstn: Phone, caller: Callable[..., Call], order: Callable[..., CallOrder]
) -> None:
    calls.pins[PIN] = order()
    call = await answered(caller())
    for wrong in ("000000", "000001", "000002"):
        call.rtp.press(wrong)
        await asyncio.sleep(1.8)
    call.rtp.press(PIN)
    await asyncio.wait_for(call.over.wait(), 4)
    assert [pin for pin, _ in calls.dialled] == ["000000", "000001", "000002"]
    assert not [c for c in pstn.calls if c.number == ADA]


async def test_who_hangs_up_while_the_destination_is_asked_lets_it_go(
    calls: Calls, pstn: Phone, caller: Callable[..., Call], order: Callable[..., CallOrder]
) -> None:
    pstn.plan = {ADA: Answer()}
    wanted = order()
    calls.pins[PIN] = wanted
    call = await answered(caller())
    call.rtp.press(PIN)
    ada = await pstn.call(ADA)
    await asyncio.sleep(0.3)
    pstn.hang_up(call)
    await asyncio.wait_for(ada.over.wait(), 0.8)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.OFFEREE_LEFT


async def test_the_trunk_reaches_nothing_else(calls: Calls, pstn: Phone, caller: Callable[..., Call]) -> None:
    for number in (ADA, "alice", "s", "h", "call" + "0" * 32):
        call = caller(number)
        await asyncio.wait_for(call.over.wait(), 3)
        assert call.state == "refused 404", number
    assert not calls.dialled
