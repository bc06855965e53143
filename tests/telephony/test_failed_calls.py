"""Ordinary calls that fail, on a real Asterisk: what is reported, what the caller hears, and who joins a caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, OFFEREE, Calls
from lab.phone import Answer, Call, Phone, Reject

from mailgate.calls.asterisk.failed import Callers, order_text
from mailgate.calls.failed import FailedCall, Gone, Hold, Holding, Nothing, Told, Verdict, Why, parse
from mailgate.calls.model import Answered, Bridged, CallOrder, Channel, Confirmed, Kind, Outcome
from mailgate.calls.settings import DeploySettings


class Desk:
    """What mailgate would be: takes reports in, and says `verdict`."""

    def __init__(self, calls: Calls) -> None:
        self.verdict: Verdict = Nothing()
        self.failed: list[FailedCall] = []
        self.news: list[Holding | Gone] = []
        self.present: Sequence[Holding] = ()
        self.fault: Exception | None = None
        self.callers = Callers(
            calls.edge, on_failed=self._failed, on_held=self._held, on_present=self._present, clock=time.time
        )

    async def _failed(self, call: FailedCall) -> Verdict:
        self.failed.append(call)
        if self.fault:
            raise self.fault
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


async def test_who_gives_up_is_reported_once(
    desk: Desk, alice: Phone, pstn: Phone, caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Answer(after=60)}
    call = caller()
    await alice.call("alice")
    pstn.cancel(call)
    await desk.until(lambda: desk.failed)
    await asyncio.sleep(0.5)
    [told] = desk.failed
    assert (told.why, told.called, told.caller, told.channel) == (Why.GIVEN_UP, "201", ADA, "")


async def test_a_telephone_that_is_not_registered_is_reported(desk: Desk, caller: Callable[..., Call]) -> None:
    call = caller()
    await asyncio.wait_for(call.over.wait(), 8)
    await desk.until(lambda: desk.failed)
    assert desk.failed[0].why is Why.UNREACHABLE


async def test_nothing_is_reported_of_a_conversation(
    desk: Desk, alice: Phone, pstn: Phone, caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Answer()}
    call = caller()
    await asyncio.wait_for(call.up.wait(), 8)
    await asyncio.sleep(0.3)
    pstn.hang_up(call)
    await asyncio.sleep(0.5)
    assert desk.failed == []


async def test_what_mailgate_says_comes_back_to_the_dialplan(
    desk: Desk, alice: Phone, caller: Callable[..., Call], pbx: PrivateAsterisk
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    for verdict, word in ((Told(), "told"), (Nothing(), "no")):
        desk.verdict = verdict
        call = caller()
        await asyncio.wait_for(call.over.wait(), 8)
        assert pbx.cli("database get office said").strip() == f"Value: {word}"


async def test_a_report_outlives_a_mailgate_that_is_away(
    calls: Calls, alice: Phone, caller: Callable[..., Call], pbx: PrivateAsterisk, deployed: DeploySettings
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    call = caller()  # nobody listens to reports in this test yet
    started = time.monotonic()
    await asyncio.wait_for(call.over.wait(), 8)
    assert call.state == "refused 486" and time.monotonic() - started < 4, "the caller is not kept waiting"
    assert pbx.cli("database get office said").strip() == "Value: silence"
    desk = Desk(calls)
    await desk.callers.connected()
    [told] = desk.failed
    assert (told.why, told.called, told.channel) == (Why.BUSY, "201", "")
    await desk.callers.connected()
    assert len(desk.failed) == 1, "what was taken in is not told again"


async def test_a_report_that_could_not_be_taken_in_stays(
    desk: Desk, alice: Phone, caller: Callable[..., Call], caplog: pytest.LogCaptureFixture
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.fault = OSError("the store is full")
    call = caller()
    await asyncio.wait_for(call.over.wait(), 8)
    await desk.until(lambda: desk.failed)
    desk.fault = None
    await desk.callers.connected()
    assert len(desk.failed) == 2
    await desk.callers.connected()
    assert len(desk.failed) == 2


async def held(desk: Desk, call: Call) -> Holding:
    """The caller, once on hold."""
    await asyncio.wait_for(call.up.wait(), 8)
    await desk.until(lambda: desk.news)
    holding = desk.news[-1]
    assert isinstance(holding, Holding)
    return holding


async def test_the_held_call_is_joined_and_stays_itself(
    desk: Desk,
    alice: Phone,
    pstn: Phone,
    calls: Calls,
    order: Callable[..., CallOrder],
    caller: Callable[..., Call],
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=30)
    call = caller()
    holding = await held(desk, call)
    wanted = order(leg2=Channel(Kind.HELD, holding.channel))
    pstn.plan[OFFEREE] = Answer(press=((0.5, "1"),))
    await calls.edge.originate(wanted)
    await calls.seen(wanted.attempt_id, Confirmed)
    confirmed = time.monotonic()
    await calls.seen(wanted.attempt_id, Bridged)
    assert time.monotonic() - confirmed < 0.1
    leg = await pstn.call(OFFEREE)
    for _ in range(50):
        await asyncio.sleep(0.1)
        if call.rtp.tones(pstn.hertz)[pstn.hertz] > 0.8 and leg.rtp.tones(700)[700] > 0.8:
            break
    else:
        raise AssertionError("they do not hear each other")
    assert desk.news == [holding], "joining is no leaving"
    settled = (await calls.edge.settle([wanted.attempt_id]))[wanted.attempt_id]
    assert isinstance(settled, Bridged)
    await desk.callers.connected()
    assert desk.present == [], "who is in a conversation waits no more"
    own = [m for _, _, m in pstn.wire if leg.call_id in m]
    assert own and not [m for m in own if ADA[3:] in m], "the caller's number is not told"
    pstn.hang_up(leg)
    await asyncio.wait_for(call.over.wait(), 2)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.COMPLETED


async def test_an_attempt_is_hung_up_while_it_is_joined(
    desk: Desk, alice: Phone, pstn: Phone, calls: Calls, order: Callable[..., CallOrder], caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=30)
    call = caller()
    holding = await held(desk, call)
    wanted = order(leg2=Channel(Kind.HELD, holding.channel))
    await calls.edge.originate(wanted)
    await calls.seen(wanted.attempt_id, Bridged)
    assert await calls.edge.hang_up(wanted.attempt_id, revoked=False)
    await asyncio.wait_for(call.over.wait(), 2)
    leg = await pstn.call(OFFEREE)
    await asyncio.wait_for(leg.over.wait(), 2)


async def test_an_offeree_who_refuses_leaves_the_caller_on_hold(
    desk: Desk, alice: Phone, pstn: Phone, calls: Calls, order: Callable[..., CallOrder], caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=30)
    call = caller()
    holding = await held(desk, call)
    wanted = order(leg2=Channel(Kind.HELD, holding.channel))
    pstn.plan[OFFEREE] = Answer(press=((0.5, "5"),))
    await calls.edge.originate(wanted)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.DECLINED_BY_KEY
    assert call.state == "up" and desk.news == [holding]
    pstn.hang_up(call)
    await desk.until(lambda: Gone(call_id=holding.call_id) in desk.news)


async def test_who_joins_a_caller_that_has_gone_is_told_so(
    desk: Desk, alice: Phone, pstn: Phone, calls: Calls, order: Callable[..., CallOrder], caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=30)
    call = caller()
    holding = await held(desk, call)
    wanted = order(leg2=Channel(Kind.HELD, holding.channel))
    pstn.plan[OFFEREE] = Answer(press=((1.5, "1"),))
    await calls.edge.originate(wanted)
    await calls.seen(wanted.attempt_id, Answered)
    pstn.hang_up(call)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.DESTINATION_HUNG_UP


async def test_the_ringing_for_a_caller_who_leaves_is_ended(
    desk: Desk, alice: Phone, pstn: Phone, calls: Calls, order: Callable[..., CallOrder], caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=30)
    call = caller()
    holding = await held(desk, call)
    wanted = order(leg2=Channel(Kind.HELD, holding.channel), ring1_s=30)
    pstn.plan[OFFEREE] = Answer(after=60)
    await calls.edge.originate(wanted)
    leg = await pstn.call(OFFEREE)
    pstn.hang_up(call)
    await desk.until(lambda: Gone(call_id=holding.call_id) in desk.news)
    await desk.callers.give_up(wanted.attempt_id)
    await asyncio.wait_for(leg.over.wait(), 2)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.DESTINATION_HUNG_UP


async def test_the_hold_ends_by_itself_and_with_a_key(desk: Desk, alice: Phone, caller: Callable[..., Call]) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=1)
    call = caller()
    await held(desk, call)
    await asyncio.wait_for(call.over.wait(), 20)
    desk.verdict = Hold(seconds=60)
    again = caller()
    await asyncio.wait_for(again.up.wait(), 8)
    await asyncio.sleep(0.5)
    again.rtp.press("31")  # another key changes nothing
    await asyncio.wait_for(again.over.wait(), 10)


async def test_after_a_reconnect_it_is_known_who_waits(
    desk: Desk, alice: Phone, calls: Calls, caller: Callable[..., Call]
) -> None:
    alice.plan = {"alice": Reject(code=486)}
    desk.verdict = Hold(seconds=60)
    holding = await held(desk, caller())
    await desk.callers.connected()
    assert desk.present == [holding]
    assert await desk.callers.heard(holding) == 0


@pytest.mark.parametrize(
    "verdict",
    [Hold(seconds=1, told="/tmp/a|b"), Hold(seconds=1, music="/tmp/../etc/x"), Hold(seconds=1, word="x\r\nA")],
)
def test_what_could_be_more_than_a_path_is_refused(verdict: Hold) -> None:
    with pytest.raises(ValueError, match="sound"):
        order_text(verdict)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BUSY|17|1795305367||trunk|201",
        "ANSWER|17|1795305367|allowed|trunk|201|1",
        "BUSY|17|soon|allowed|trunk|201|+33199001234",
        "BUSY|17|1795305367|allowed|tr unk|201|+33199001234",
        "BUSY|17|1795305367|allowed|trunk|201|+33 1",
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse("1795305367.12", text)


@pytest.mark.parametrize("presentation", ["prohib_not_screened", "prohib", "unavailable"])
def test_a_withheld_number_is_known_as_such(presentation: str) -> None:
    assert parse("1.2", f"BUSY|17|1795305367|{presentation}|trunk|201|+33199001234").withheld
    assert parse("1.2", "BUSY|17|1795305367|allowed_not_screened|trunk|201|").withheld
    assert not parse("1.2", "BUSY|17|1795305367|allowed_not_screened|trunk|201|+33199001234").withheld
