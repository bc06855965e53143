"""Ordinary calls that fail, on a real Asterisk: what is reported, what the caller hears, and who joins a caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, OFFEREE, Calls
from lab.phone import Answer, Call, Phone, Reject

from mailgate.calls.asterisk.failed import Callers
from mailgate.calls.failed import FailedCall, Gone, Hold, Holding, Nothing, Verdict, Why
from mailgate.calls.model import Bridged, CallOrder, Channel, Kind


class Desk:
    """What mailgate would be: takes reports in, and says `verdict`."""

    def __init__(self, calls: Calls) -> None:
        self.verdict: Verdict = Nothing()
        self.failed: list[FailedCall] = []
        self.news: list[Holding | Gone] = []
        self.present: Sequence[Holding] = ()
        import time

        self.callers = Callers(
            calls.edge, on_failed=self._failed, on_held=self._held, on_present=self._present, clock=time.time
        )

    async def _failed(self, call: FailedCall) -> Verdict:
        self.failed.append(call)
        return self.verdict

    async def _held(self, news: Holding | Gone) -> None:
        self.news.append(news)

    async def _present(self, present: Sequence[Holding]) -> None:
        self.present = present

    async def until(self, fits: Callable[[], object], timeout_s: float = 8.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not fits():
                await asyncio.sleep(0.01)


@pytest.fixture
async def desk(calls: Calls) -> AsyncIterator[Desk]:
    made = Desk(calls)
    made.callers.start()
    yield made
    await made.callers.stop()


@pytest.fixture
async def alice(pbx: PrivateAsterisk) -> AsyncIterator[Phone]:
    phone = await Phone(user="alice", password="pw-of-alice", registrar=(HOST, pbx.sip_port)).open()
    assert await phone.register() == 200
    yield phone
    await phone.register(0)
    await phone.close()


@pytest.fixture
async def caller(pstn: Phone, pbx: PrivateAsterisk) -> Callable[..., Call]:
    pstn.registrar = (HOST, pbx.sip_port)
    return lambda number="201", caller=ADA: pstn.dial(number, caller=caller, hertz=700)


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (Reject(code=486), Why.BUSY),
        (Reject(code=603), Why.REJECTED),
        (Reject(code=480), Why.NO_ANSWER),
        (Answer(after=60), Why.NO_ANSWER),
    ],
)
async def test_each_way_to_fail_is_reported_once(
    desk: Desk, alice: Phone, caller: Callable[..., Call], pbx: PrivateAsterisk, behaviour: Answer | Reject, why: Why
) -> None:
    alice.plan = {"alice": behaviour}
    call = caller()
    await asyncio.wait_for(call.over.wait(), 8)
    await desk.until(lambda: desk.failed)
    [told] = desk.failed
    assert (told.why, told.called, told.caller, told.endpoint, told.withheld) == (why, "201", ADA, "trunk", False)
    assert call.state.startswith("refused")
    await desk.until(lambda: not pbx.cli("database show mailgate-failed").count("mailgate-failed/"))


async def test_yank(
    desk: Desk,
    alice: Phone,
    pstn: Phone,
    calls: Calls,
    order: Callable[..., CallOrder],
    caller: Callable[..., Call],
    pbx: PrivateAsterisk,
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=20)
    call = caller()
    await asyncio.wait_for(call.up.wait(), 8)
    await desk.until(lambda: desk.news)
    print(desk.news)
    [w] = desk.news
    print(pbx.cli("core show channels concise"))
    o = order(leg2=Channel(Kind.HELD, w.channel))
    pstn.plan[OFFEREE] = Answer(press=((0.5, "1"),))
    await calls.edge.originate(o)
    print(await calls.seen(o.attempt_id, Bridged))
    await asyncio.sleep(0.5)
    print(desk.news)
    print(pbx.cli("core show channels concise"))
    print(pbx.cli("core show channels verbose"))
    print(await calls.edge.settle([o.attempt_id]))
    leg = await pstn.call(OFFEREE)
    print(call.rtp.tones(440, 700), leg.rtp.tones(440, 700))
    pstn.hang_up(leg)
    await asyncio.wait_for(call.over.wait(), 2)
    print(await calls.ended(o.attempt_id), desk.news, call.state)
    print(pbx.messages[-2000:])
    assert 0
