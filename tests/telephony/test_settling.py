"""The link to Asterisk cut, half open or refused; mailgate gone throughout: calls go on, and are settled afterwards."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, OFFEREE, Calls
from lab.phone import Answer, Behaviour, Phone, Reject, Ring
from lab.ports import free_port

from mailgate.calls.action import SLOTS, WEEK_S, week
from mailgate.calls.asterisk import Asterisk
from mailgate.calls.deploy import DIALPLAN_VERSION
from mailgate.calls.model import Answered, Bridged, CallEvent, CallOrder, Ended, Outcome, Ringing
from mailgate.calls.settings import DeploySettings
from mailgate.errors import CallFailed, OutcomeUnknown

Make = Callable[..., CallOrder]

ONE = Answer(press=((0.2, "1"),))


class Wire:
    """A relay between mailgate and AMI that can be cut, or stop carrying (a link that is half open)."""

    def __init__(self, ami_port: int) -> None:
        self.ami_port = ami_port
        self.port = free_port()
        self.sent = b""  # everything that mailgate has sent
        self.swallow = ""  # "answers": nothing comes back any more
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, HOST, self.port)

    async def cut(self) -> None:
        """End every connection and take no new one."""
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0.05)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self.ami_port)
        self._writers += [writer, far_writer]

        async def forth() -> None:
            while data := await reader.read(65536):
                self.sent += data
                far_writer.write(data)

        async def back() -> None:
            while data := await far_reader.read(65536):
                if self.swallow != "answers":
                    writer.write(data)

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(forth())
                both.create_task(back())
        except* OSError:
            pass
        finally:
            writer.close()
            far_writer.close()


@pytest.fixture
async def wire(pbx: PrivateAsterisk) -> AsyncIterator[Wire]:
    between = Wire(pbx.deploy.link.port)
    await between.open()
    yield between
    await between.cut()


@pytest.fixture
async def wired(wire: Wire, deployed: DeploySettings) -> AsyncIterator[Calls]:
    watched = Calls(dataclasses.replace(deployed.link, port=wire.port))
    await watched.edge.start()
    assert watched.edge.connected
    yield watched
    await watched.edge.stop()


async def reconnected(calls: Calls) -> None:
    async with asyncio.timeout(30):
        before = calls.connections
        while calls.connections == before or not calls.edge.connected:
            await asyncio.sleep(0.02)


# --- the link is cut -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ada", "outcome"),
    [
        (ONE, Outcome.COMPLETED),
        (Reject(code=486), Outcome.DESTINATION_BUSY),
        (Answer(), Outcome.DESTINATION_NO_KEY),
    ],
    ids=str,
)
async def test_a_call_goes_on_while_the_link_is_cut_and_is_settled_after(
    wire: Wire, wired: Calls, pstn: Phone, order: Make, ada: Behaviour, outcome: Outcome
) -> None:
    """The link is gone from before leg 1's answer to after the end."""
    pstn.plan = {OFFEREE: Answer(after=0.3, press=((0.2, "1"),)), ADA: ada}
    made = order()
    await wired.edge.originate(made)
    await wired.seen(made.attempt_id, Ringing)
    await wire.cut()
    second = await pstn.call(ADA)
    if outcome is Outcome.COMPLETED:
        await asyncio.sleep(0.8)
        pstn.hang_up(second)
    await asyncio.wait_for((await pstn.call(OFFEREE)).over.wait(), 5)
    assert not wired.edge.connected
    again = asyncio.create_task(reconnected(wired))
    await wire.open()
    await again
    event = (await wired.edge.settle([made.attempt_id]))[made.attempt_id]
    assert isinstance(event, Ended)
    assert event.outcome is outcome
    assert len(pstn.calls) == 2
    assert wire.sent.count(b"Action: Originate") == 1


async def test_after_the_cut_the_rest_of_a_call_is_told(wire: Wire, wired: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order()
    await wired.edge.originate(made)
    await wired.seen(made.attempt_id, Answered)
    await wire.cut()
    await (await pstn.call(ADA)).up.wait()
    await asyncio.sleep(0.8)
    again = asyncio.create_task(reconnected(wired))
    await wire.open()
    await again
    event = (await wired.edge.settle([made.attempt_id]))[made.attempt_id]
    assert isinstance(event, Bridged)
    pstn.hang_up(await pstn.call(ADA))
    ended = await wired.ended(made.attempt_id)
    assert ended.outcome is Outcome.COMPLETED
    assert ended.bridged_s > 0.3
    assert len(pstn.calls) == 2


@pytest.mark.parametrize("keys", ["1", ""])
async def test_without_the_link_nobody_is_bridged_to_an_offeree_who_left(
    wire: Wire, wired: Calls, pstn: Phone, order: Make, keys: str
) -> None:
    """The dialplan notices by itself that leg 1 went while leg 2 was asked, whether leg 2 presses 1 or nothing."""
    pstn.plan = {OFFEREE: ONE, ADA: Answer(press=((0.8, keys),))}
    made = order()
    await wired.edge.originate(made)
    await wired.until(made.attempt_id, lambda event: event == Answered(attempt_id=made.attempt_id, leg=2))
    await wire.cut()
    pstn.hang_up(await pstn.call(OFFEREE))
    await asyncio.wait_for((await pstn.call(ADA)).over.wait(), 5)
    again = asyncio.create_task(reconnected(wired))
    await wire.open()
    await again
    event = (await wired.edge.settle([made.attempt_id]))[made.attempt_id]
    assert isinstance(event, Ended)
    assert event.outcome is Outcome.OFFEREE_LEFT


async def test_a_lost_answer_is_unknown_and_never_a_second_call(
    wire: Wire, wired: Calls, pstn: Phone, order: Make
) -> None:
    """The Originate arrives, the answer to it does not: the telephone rings, and rings once."""
    pstn.plan = {OFFEREE: Ring()}
    made = order(ring1_s=3)
    wire.swallow = "answers"
    with pytest.raises(OutcomeUnknown):
        await wired.edge.originate(made)
    wire.swallow = ""
    await reconnected(wired)
    assert (await wired.edge.settle([made.attempt_id]))[made.attempt_id] == Ringing(attempt_id=made.attempt_id, leg=1)
    with pytest.raises(OutcomeUnknown):
        await wired.edge.originate(made)
    assert (await wired.ended(made.attempt_id)).outcome is Outcome.OFFEREE_NO_ANSWER
    assert len(pstn.calls) == 1
    assert wire.sent.count(b"Action: Originate") == 1


async def test_a_link_that_is_half_open_is_noticed(wire: Wire, wired: Calls) -> None:
    wire.swallow = "answers"
    async with asyncio.timeout(6):
        while wired.edge.connected:
            await asyncio.sleep(0.05)
    assert wired.edge.trouble
    wire.swallow = ""
    await reconnected(wired)


async def test_without_a_link_nothing_is_placed(wire: Wire, wired: Calls, pstn: Phone, order: Make) -> None:
    made = order()
    await wire.cut()
    with pytest.raises(CallFailed):
        await wired.edge.originate(made)
    for question in (wired.edge.settle([made.attempt_id]), wired.edge.hang_up(made.attempt_id)):
        with pytest.raises(OutcomeUnknown):
            await question
    again = asyncio.create_task(reconnected(wired))
    await wire.open()
    await again
    assert await wired.edge.settle([made.attempt_id]) == {made.attempt_id: None}
    assert pstn.calls == []


# --- mailgate is gone ------------------------------------------------------------------------------------------


async def test_another_process_settles_what_the_first_one_placed(
    deployed: DeploySettings, pstn: Phone, order: Make
) -> None:
    """The first edge goes without a word, as after kill -9; a new one, which knows only ids, finds out."""
    live, past, never = order(), order(), order()
    pstn.plan = {OFFEREE: Ring()}
    first = Calls(deployed.link)
    await first.edge.start()
    await first.edge.originate(live)
    await pstn.call(OFFEREE)
    pstn.plan = {OFFEREE: Reject(code=404)}
    await first.edge.originate(past)
    await first.edge.stop()
    await pstn.call(OFFEREE, since=1)
    await asyncio.sleep(0.2)

    told: dict[str, CallEvent | None] = {}
    second = Calls(deployed.link)
    await second.edge.start()
    told = await second.edge.settle([live.attempt_id, past.attempt_id, never.attempt_id])
    assert told[live.attempt_id] == Ringing(attempt_id=live.attempt_id, leg=1)
    assert told[past.attempt_id] == Ended(
        attempt_id=past.attempt_id, outcome=Outcome.OFFEREE_WRONG_NUMBER, cause=1, bridged_s=0.0
    )
    assert told[never.attempt_id] is None
    assert await second.edge.hang_up(live.attempt_id)
    assert (await second.ended(live.attempt_id)).outcome is Outcome.REVOKED
    await second.edge.stop()


async def test_events_that_settling_has_told_already_are_not_told_again(
    deployed: DeploySettings, calls: Calls, pstn: Phone, order: Make
) -> None:
    pstn.plan = {OFFEREE: Reject(code=486)}
    made = order()
    await calls.edge.originate(made)
    ended = await calls.ended(made.attempt_id)
    assert await calls.edge.settle([made.attempt_id]) == {made.attempt_id: ended}
    assert calls.of(made.attempt_id).count(ended) == 1


# --- an Asterisk of its own for what would harm the others ---------------------------------------------------------


@pytest.fixture
def other(another: Callable[..., PrivateAsterisk]) -> PrivateAsterisk:
    return another()


async def test_asterisk_killed_in_mid_call_is_a_call_lost(other: PrivateAsterisk, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: Ring()}
    watched = Calls(other.deploy.link)
    await watched.edge.start()
    made, never = order(ring1_s=30), order()
    await watched.edge.originate(made)
    await watched.seen(made.attempt_id, Ringing)
    await asyncio.sleep(1.2)  # astdb is written to disk once a second
    other.kill()
    again = asyncio.create_task(reconnected(watched))
    await asyncio.to_thread(other.start)
    await again
    told = await watched.edge.settle([made.attempt_id, never.attempt_id])
    assert told == {
        made.attempt_id: Ended(attempt_id=made.attempt_id, outcome=Outcome.LOST),
        never.attempt_id: None,
    }
    await watched.edge.stop()


async def test_killed_before_it_had_written_anything_down_it_proves_nothing(
    other: PrivateAsterisk, pstn: Phone, order: Make
) -> None:
    """astdb goes to disk once a second: the telephone rang, and the next Asterisk has never heard of it."""
    pstn.plan = {OFFEREE: Ring()}
    watched = Calls(other.deploy.link)
    await watched.edge.start()
    made, earlier = order(ring1_s=30), time.time()
    await watched.edge.originate(made)
    await pstn.call(OFFEREE)
    other.kill()
    again = asyncio.create_task(reconnected(watched))
    await asyncio.to_thread(other.start)
    await again
    lost = Ended(attempt_id=made.attempt_id, outcome=Outcome.LOST)
    assert await watched.edge.settle({made.attempt_id: earlier}) == {made.attempt_id: lost}
    never = order().attempt_id
    assert await watched.edge.settle({never: time.time()}) == {never: None}  # this Asterisk would know
    await watched.edge.stop()
    # nor does it for the next mailgate
    after = Calls(other.deploy.link)
    await after.edge.start()
    assert await after.edge.settle({made.attempt_id: earlier}) == {made.attempt_id: lost}
    await after.edge.stop()


async def test_a_frozen_asterisk_loses_no_call_and_doubles_none(
    other: PrivateAsterisk, pstn: Phone, order: Make
) -> None:
    """The process stops in the moment of the Originate and goes on later, with the action still in its buffer."""
    pstn.plan = {OFFEREE: Reject(code=486)}
    watched = Calls(other.deploy.link)
    await watched.edge.start()
    made = order()
    other.pause()
    with pytest.raises(OutcomeUnknown):
        await watched.edge.originate(made)
    again = asyncio.create_task(reconnected(watched))
    other.resume()
    await again
    event = (await watched.edge.settle([made.attempt_id]))[made.attempt_id]
    assert isinstance(event, Ended)
    assert event.outcome is Outcome.OFFEREE_BUSY
    assert len(pstn.calls) == 1
    await watched.edge.stop()


async def test_a_wrong_secret_is_said_once_and_loudly(
    other: PrivateAsterisk, order: Make, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Calls(dataclasses.replace(other.deploy.link, secret="not-the-secret", reconnect_s=(0.05, 0.05)))
    with caplog.at_level(logging.INFO):
        await wrong.edge.start()
        await asyncio.sleep(1)
    assert not wrong.edge.connected
    assert "secret" in wrong.edge.trouble
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1
    assert other.deploy.link.secret not in caplog.text
    with pytest.raises(CallFailed):
        await wrong.edge.originate(order())
    await wrong.edge.stop()


async def test_without_our_dialplan_no_call_is_placed(other: PrivateAsterisk, pstn: Phone, order: Make) -> None:
    plan = other.etc / "extensions_mailgate.conf"
    ours = plan.read_text()
    plan.write_text(ours.replace(f"version-{DIALPLAN_VERSION}", "version-0"))
    other.cli("dialplan reload")
    watched = Calls(other.deploy.link)
    await watched.edge.start()
    assert "dialplan" in watched.edge.trouble
    with pytest.raises(CallFailed):
        await watched.edge.originate(order())
    assert pstn.calls == []
    again = asyncio.create_task(reconnected(watched))
    plan.write_text(ours)
    other.cli("dialplan reload")
    await again  # looks again by itself
    await watched.edge.stop()


async def test_old_records_go_away(other: PrivateAsterisk, pstn: Phone, order: Make) -> None:
    """A call in a later week empties the slot that is looked up no longer, and no other. One that has gone on into the
    next week empties none."""
    pstn.plan = {OFFEREE: Reject(code=486)}
    now = 1_800_000_000.0

    async def place_at(nth: int) -> str:
        ends: asyncio.Queue[CallEvent] = asyncio.Queue()
        edge = Asterisk(other.deploy.link, ends.put, clock=lambda: now + nth * WEEK_S)
        await edge.start()
        made = order(attempt_id=f"{secrets.randbits(120):030x}00")
        await edge.originate(made)
        while not isinstance(await ends.get(), Ended):
            pass
        await edge.stop()
        return made.attempt_id

    ids = [await place_at(nth) for nth in (0, 1, 2, 3, 2)]
    await asyncio.sleep(0.1)
    kept = other.cli("database show mailgate")
    assert [attempt_id in kept for attempt_id in ids] == [False, False, True, True, True]
    assert week(now) % SLOTS == week(now + SLOTS * WEEK_S) % SLOTS
