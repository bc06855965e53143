"""What goes wrong inside Asterisk: a module that is gone, a trunk that dies, a restart in mid-call. What is told of the
call is right afterwards, and nobody is called twice."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, OFFEREE, Calls, linked
from lab.phone import Answer, Phone, Ring
from lab.ports import free_port

from mailgate.calls.model import Answered, Bridged, CallOrder, Ended, Outcome, Ringing
from mailgate.calls.trunks import Line, Trunk
from mailgate.errors import CallFailed

Make = Callable[..., CallOrder]
ONE = Answer(press=((0.2, "1"),))


async def becomes(calls: Calls, connected: bool, within_s: float = 6.0) -> None:
    async with asyncio.timeout(within_s):
        while calls.edge.connected is not connected:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("module", ["app_dial", "app_read", "func_db", "app_userevent", "chan_pjsip"])
async def test_without_a_module_no_call_is_begun_and_the_log_says_which_one_is_missing(
    another: Callable[..., PrivateAsterisk],
    pstn: Phone,
    order: Make,
    module: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asterisk = another()
    async with linked(asterisk.deploy.link) as calls:
        asterisk.cli(f"module unload {module}.so")
        await becomes(calls, False)
        assert f"{module}.so" in calls.edge.trouble
        with pytest.raises(CallFailed, match=module):
            await calls.edge.originate(order())
        told = [r for r in caplog.records if r.levelno >= logging.ERROR and module in str(r.__dict__.get("reason"))]
        assert len(told) == 1
        asterisk.cli(f"module load {module}.so")
        await becomes(calls, True)
        made = order()
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged)
        assert [call.number for call in pstn.calls] == [OFFEREE, ADA]
        await calls.edge.hang_up(made.attempt_id)
        await calls.ended(made.attempt_id)


@pytest.mark.parametrize("module", ["app_dial", "app_userevent"])
async def test_a_module_that_goes_in_mid_call_is_told_as_a_fault_of_ours(
    another: Callable[..., PrivateAsterisk], pstn: Phone, order: Make, module: str
) -> None:
    """Not as somebody's hanging up; also where Asterisk can tell nothing any more, since that went with it."""
    pstn.plan = {OFFEREE: Answer(press=((0.6, "1"),)), ADA: ONE}
    asterisk = another()
    async with linked(asterisk.deploy.link) as calls:
        made = order()
        await calls.edge.originate(made)
        await calls.until(made.attempt_id, lambda event: event == Answered(attempt_id=made.attempt_id, leg=1))
        asterisk.cli(f"module unload {module}.so")
        ended = await calls.ended(made.attempt_id, timeout_s=5)
        assert ended.outcome is Outcome.FAULT
        await asyncio.sleep(1)
        assert [event for event in calls.of(made.attempt_id) if isinstance(event, Ended)] == [ended]
        assert [call.number for call in pstn.calls] == [OFFEREE]


@pytest.mark.parametrize("way", ["ordered", "killed"])
@pytest.mark.parametrize("stage", ["ringing", "bridged"])
async def test_asterisk_is_started_again_in_mid_call(
    another: Callable[..., PrivateAsterisk], pstn: Phone, order: Make, way: str, stage: str
) -> None:
    pstn.plan = {OFFEREE: Ring() if stage == "ringing" else ONE, ADA: ONE}
    asterisk = another()
    async with linked(asterisk.deploy.link) as calls:
        made = order(ring1_s=30)
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Ringing if stage == "ringing" else Bridged)
        await asyncio.sleep(1.2)  # astdb is written to disk once a second
        rung = len(pstn.calls)
        await asyncio.to_thread(asterisk.stop if way == "ordered" else asterisk.kill)
        await becomes(calls, False)
        await asyncio.to_thread(asterisk.start)
        await becomes(calls, True)
        event = (await calls.edge.settle([made.attempt_id]))[made.attempt_id]
        assert isinstance(event, Ended)
        if stage == "bridged" and way == "ordered":
            assert event.outcome is Outcome.COMPLETED
            assert event.bridged_s > 1
        elif way == "killed":
            assert event.outcome is Outcome.LOST
        else:
            assert event.outcome in (Outcome.OFFEREE_UNREACHABLE, Outcome.LOST)
        await asyncio.sleep(0.5)
        assert len(pstn.calls) == rung
        again = order()
        await calls.edge.originate(again)
        await pstn.call(OFFEREE, since=rung)
        await calls.edge.hang_up(again.attempt_id)


async def test_a_trunk_that_dies_while_leg_1_is_asked(another: Callable[..., PrivateAsterisk], order: Make) -> None:
    """Leg 1 is on one trunk, leg 2 on one that is gone when it is wanted; leg 1 is told and let go."""
    provider = await Phone(user="one").open()
    provider.plan = {OFFEREE: Answer(press=((0.2, "1"),))}
    gone = Trunk(name="two", host=f"{HOST}:{free_port(socket.SOCK_DGRAM)}", keep_alive_s=1)
    living = Trunk(name="one", host=f"{HOST}:{provider.port}", keep_alive_s=1)
    lines = (Line(name="one", prefixes=(OFFEREE,)), Line(name="two", prefixes=(ADA,)))
    asterisk = another(trunks=(living, gone), lines=lines)
    async with linked(asterisk.deploy.link) as calls:
        for _ in range(100):
            if "Unavail" in asterisk.cli("pjsip show contacts"):
                break
            await asyncio.sleep(0.1)
        made = order()
        await calls.edge.originate(made)
        assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_UNREACHABLE
        await asyncio.wait_for((await provider.call(OFFEREE)).over.wait(), 3)
    await provider.close()
