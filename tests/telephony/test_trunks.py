"""Several ways to the telephone network: which one a number takes, and what happens when one is dead or full."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls, linked
from lab.phone import Answer, Behaviour, Phone, Reject, Ring
from lab.ports import free_port

from mailgate.calls.model import Bridged, CallOrder, Channel, Ended, Kind, Outcome, Ringing
from mailgate.calls.trunks import Line, LinesBusy, Transport, Trunk, lines_for, seats
from mailgate.errors import ConfigError

Make = Callable[..., CallOrder]
ONE = Answer(press=((0.2, "1"),))

A, B, C = Line(name="a", capacity=1), Line(name="b", capacity=2), Line(name="c")


# --- which one -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "names"),
    [
        ("+33612345678", ["mobile", "french", "all", "backup"]),
        ("+33112345678", ["french", "all", "backup"]),
        ("+14155550100", ["all", "backup"]),
        ("+4930123456", ["german", "all", "backup"]),
    ],
)
def test_the_longest_prefix_goes_first(number: str, names: list[str]) -> None:
    lines = (
        Line(name="all"),
        Line(name="french", prefixes=("+33",)),
        Line(name="backup"),
        Line(name="mobile", prefixes=("+336", "+337")),
        Line(name="german", prefixes=("+49",)),
    )
    assert [line.name for line in lines_for(number, lines)] == names


def test_a_number_that_no_trunk_serves_has_no_way() -> None:
    assert lines_for("+14155550100", (Line(name="french", prefixes=("+33",)),)) == ()


@pytest.mark.parametrize(
    ("legs", "used", "found"),
    [
        ([(A,)], {}, ((A,),)),
        ([(A, B)], {"a": 1}, ((B,),)),
        ([(A, B), (A, B)], {}, ((A, B), (B,))),  # the second leg finds the place that is left
        ([(A, B), (A,)], {}, ((B,), (A,))),  # the first one makes room for it
        ([(A, B), (B,)], {"b": 1}, ((A,), (B,))),
        ([(C,), (C,)], {"c": 500}, ((C,), (C,))),
        ([(B,), (B,)], {"b": 1}, None),  # one place is not enough for both
        ([(A,)], {"a": 1}, None),
        ([], {}, ()),
    ],
)
def test_every_leg_gets_a_place_or_none_does(
    legs: list[tuple[Line, ...]], used: dict[str, int], found: tuple[tuple[Line, ...], ...] | None
) -> None:
    if found is None:
        with pytest.raises(LinesBusy):
            seats(legs, used)
        return
    assert seats(legs, used) == found


@pytest.mark.parametrize(
    "values",
    [
        {"host": "sip.example.org", "register": True},
        {"host": "sip.example.org", "srtp": True},
        {"host": "sip.example.org", "srtp": True, "transport": Transport.TCP},
        {"host": "sip.example.org", "caller": "0199"},
        {"host": "sip.example.org", "keep_alive_s": 4000},
        {"host": "sip.example.org;lr"},
        {"host": "sip.example.org", "name": "a b"},
    ],
)
def test_a_trunk_that_cannot_work_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Trunk(**values)  # type: ignore[arg-type]


# --- two providers ---------------------------------------------------------------------------------------------


@pytest.fixture
async def providers() -> AsyncIterator[tuple[Phone, Phone]]:
    """Two telephone networks, each behind a trunk of its own."""
    first, second = await Phone(user="first", hertz=440).open(), await Phone(user="second", hertz=700).open()
    yield first, second
    await first.close()
    await second.close()


def trunks(*providers: Phone, **changes: object) -> tuple[Trunk, ...]:
    names = ("one", "two")
    return tuple(
        Trunk(name=name, host=f"{HOST}:{each.port}", keep_alive_s=0, **changes)  # type: ignore[arg-type]
        for name, each in zip(names, providers, strict=True)
    )


BOTH = (Line(name="one"), Line(name="two"))


@pytest.fixture
async def two(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone]
) -> AsyncIterator[tuple[Calls, Phone, Phone]]:
    asterisk = another(trunks=trunks(*providers), lines=BOTH)
    async with linked(asterisk.deploy.link) as calls:
        yield calls, *providers


def plan_both(behaviour: Behaviour) -> dict[str, Behaviour]:
    return {OFFEREE: behaviour, ADA: behaviour}


async def test_the_next_trunk_is_tried_where_the_first_fails(two: tuple[Calls, Phone, Phone], order: Make) -> None:
    """Both legs, for each of the answers by which a provider says that it is at fault."""
    calls, first, second = two
    for code in (500, 502, 503, 504):
        first.plan = plan_both(Reject(code=code))
        second.plan = plan_both(ONE)
        made = order()
        before = len(second.calls)
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged)
        assert [call.number for call in second.calls[before:]] == [OFFEREE, ADA]
        settled = (await calls.edge.settle([made.attempt_id]))[made.attempt_id]
        assert isinstance(settled, Bridged)
        assert GATEWAY in second.calls[-1].caller_id
        second.hang_up(second.calls[before])
        ended = await calls.ended(made.attempt_id)
        assert ended.outcome is Outcome.COMPLETED
        assert await calls.edge.settle([made.attempt_id]) == {made.attempt_id: ended}
        told = [type(event) for event in calls.of(made.attempt_id)]
        assert told.count(Ringing) == 2 and told.count(Ended) == 1
    assert len(first.calls) == 8


@pytest.mark.parametrize("code", [403, 404, 408, 480, 486, 600, 603])
async def test_what_the_callee_answers_is_not_asked_of_another_trunk(
    two: tuple[Calls, Phone, Phone], order: Make, code: int
) -> None:
    calls, first, second = two
    second.plan = plan_both(ONE)
    first.plan = plan_both(Reject(code=code))
    made = order()
    await calls.edge.originate(made)
    await calls.ended(made.attempt_id)
    first.plan = {OFFEREE: ONE, ADA: Reject(code=code)}
    other = order()
    await calls.edge.originate(other)
    await calls.ended(other.attempt_id)
    await asyncio.sleep(0.2)
    assert [call.number for call in first.calls] == [OFFEREE, OFFEREE, ADA]
    assert second.calls == []


async def test_nobody_is_tried_again_who_does_not_answer_or_whose_offer_is_taken_back(
    two: tuple[Calls, Phone, Phone], order: Make
) -> None:
    calls, first, second = two
    second.plan = plan_both(ONE)
    first.plan = plan_both(Ring())
    silent, revoked = order(ring1_s=1), order()
    await calls.edge.originate(silent)
    assert (await calls.ended(silent.attempt_id)).outcome is Outcome.OFFEREE_NO_ANSWER
    await calls.edge.originate(revoked)
    await calls.seen(revoked.attempt_id, Ringing)
    assert await calls.edge.hang_up(revoked.attempt_id)
    assert (await calls.ended(revoked.attempt_id)).outcome is Outcome.REVOKED
    assert second.calls == []


async def test_a_call_by_the_second_trunk_can_be_taken_back(two: tuple[Calls, Phone, Phone], order: Make) -> None:
    """Also in the moment in which it begins, while the first leg is still to be seen."""
    calls, first, second = two
    first.plan, second.plan = plan_both(Reject(code=503, after=0.1)), plan_both(Ring())
    for pause_s in (0.0, 0.05, 0.098, 0.1, 0.102, 0.104, 0.106, 0.11, 0.2):
        made, before, rung = order(), len(second.calls), len(first.calls)
        await calls.edge.originate(made)
        await first.call(OFFEREE, since=rung)
        await asyncio.sleep(pause_s)
        assert await calls.edge.hang_up(made.attempt_id)
        assert (await calls.ended(made.attempt_id, timeout_s=3)).outcome is Outcome.REVOKED
        for call in second.calls[before:]:
            await asyncio.wait_for(call.over.wait(), 1)


async def test_where_every_trunk_fails_the_call_ends_once(two: tuple[Calls, Phone, Phone], order: Make) -> None:
    calls, first, second = two
    first.plan = second.plan = plan_both(Reject(code=503))
    for _ in range(5):
        made = order()
        await calls.edge.originate(made)
        ended = await calls.ended(made.attempt_id)
        assert ended.outcome is Outcome.OFFEREE_UNREACHABLE
        await asyncio.sleep(0.1)
        assert await calls.edge.settle([made.attempt_id]) == {made.attempt_id: ended}
    assert (len(first.calls), len(second.calls)) == (5, 5)
    first.plan = second.plan = {OFFEREE: ONE, ADA: Reject(code=503)}
    made = order()
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_UNREACHABLE


async def test_who_answers_by_the_second_trunk_decides_there(two: tuple[Calls, Phone, Phone], order: Make) -> None:
    calls, first, second = two
    first.plan = plan_both(Reject(code=503))
    for behaviour, outcome in (
        (Answer(), Outcome.NO_KEY),
        (Answer(press=((0.2, "9"),)), Outcome.NOT_ME),
        (Reject(code=486), Outcome.OFFEREE_BUSY),
        (Answer(hang_up=0.2), Outcome.OFFEREE_HUNG_UP),
    ):
        second.plan = {OFFEREE: behaviour}
        made = order()
        await calls.edge.originate(made)
        assert (await calls.ended(made.attempt_id)).outcome is outcome


async def test_a_dead_trunk_is_passed_over(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make
) -> None:
    """Known to be dead, since it does not answer when it is asked whether it lives: no leg is there to fail."""
    _, second = providers
    second.plan = plan_both(ONE)
    dead = Trunk(name="one", host=f"{HOST}:{free_port(socket.SOCK_DGRAM)}", keep_alive_s=1)
    living = Trunk(name="two", host=f"{HOST}:{second.port}", keep_alive_s=1)
    asterisk = another(trunks=(dead, living), lines=BOTH)
    async with linked(asterisk.deploy.link) as calls:
        for _ in range(100):
            if asterisk.cli("pjsip show contacts").count("Unavail") == 1:
                break
            await asyncio.sleep(0.1)
        assert await calls.edge.available(Channel.parse(f"tel:{ADA}"))
        made = order()
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged, timeout_s=4)
        second.hang_up(second.calls[0])
        assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    assert [m for _, way, m in second.wire if way == "in" and m.startswith("OPTIONS")]


async def test_without_mailgate_the_next_trunk_is_tried_all_the_same(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make
) -> None:
    first, second = providers
    asterisk = another(trunks=trunks(*providers), lines=BOTH)
    first.plan, second.plan = plan_both(Reject(code=503, after=0.5)), plan_both(ONE)
    made = order()
    async with linked(asterisk.deploy.link) as calls:
        await calls.edge.originate(made)
        await first.call(OFFEREE)
    ada = await second.call(ADA)
    await asyncio.wait_for(ada.up.wait(), 2)
    await asyncio.sleep(0.6)
    async with linked(asterisk.deploy.link) as calls:
        settled = (await calls.edge.settle([made.attempt_id]))[made.attempt_id]
        assert isinstance(settled, Bridged)
        second.hang_up(ada)
        assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    assert [call.number for call in second.calls] == [OFFEREE, ADA]


async def test_each_number_goes_by_its_own_trunk_and_shows_that_ones_number(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make
) -> None:
    first, second = providers
    first.plan, second.plan = plan_both(ONE), plan_both(ONE)
    one, two = trunks(first, second)
    own = "+33199009555"
    other = Trunk(name="two", host=two.host, keep_alive_s=0, caller=own)
    lines = (Line(name="one"), Line(name="two", prefixes=(ADA[:-2],)))
    async with linked(another(trunks=(one, other), lines=lines).deploy.link) as calls:
        made = order()
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged)
        assert GATEWAY in (await first.call(OFFEREE)).caller_id
        assert own in (await second.call(ADA)).caller_id
        await calls.edge.hang_up(made.attempt_id)
        await calls.ended(made.attempt_id)
    assert (len(first.calls), len(second.calls)) == (1, 1)


# --- full ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 2])
async def test_a_full_trunk_is_told_before_anything_rings(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make, capacity: int
) -> None:
    """Two places are enough for one call between two telephones, and not for a second one."""
    first, _ = providers
    first.plan = plan_both(Ring())
    lines = (Line(name="one", capacity=capacity),)
    async with linked(another(trunks=trunks(first, first)[:1], lines=lines).deploy.link) as calls:
        made = [order() for _ in range(3)]
        results = await asyncio.gather(*(calls.edge.originate(each) for each in made), return_exceptions=True)
        taken = [each for each, result in zip(made, results, strict=True) if result is None]
        assert len(taken) == capacity // 2
        assert all(isinstance(result, LinesBusy) for result in results if result is not None)
        await asyncio.sleep(0.2)
        assert len(first.calls) == len(taken)
        for each in taken:
            await calls.edge.hang_up(each.attempt_id)
            await calls.ended(each.attempt_id)
        if taken:  # the place is free again
            again = order()
            await calls.edge.originate(again)
            await calls.edge.hang_up(again.attempt_id)


async def test_a_full_trunk_makes_way_for_the_next_one(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make
) -> None:
    first, second = providers
    first.plan = second.plan = plan_both(ONE)
    lines = (Line(name="one", capacity=2), Line(name="two", capacity=1))
    async with linked(another(trunks=trunks(first, second), lines=lines).deploy.link) as calls:
        made, page = order(), order(leg1=Channel(Kind.BROWSER, "0" * 32), confirm1=False)
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged)
        assert second.calls == []
        await calls.edge.originate(page)  # keeps the last place while the page has not called yet
        with pytest.raises(LinesBusy):
            await calls.edge.originate(order())
        await calls.edge.hang_up(page.attempt_id)
        await calls.ended(page.attempt_id)
        sip = order(leg1=Channel.parse("sip:alice"))
        await calls.edge.originate(sip)  # alice is not there, but the place for Ada was
        await calls.ended(sip.attempt_id)


async def test_calls_of_others_and_of_before_a_restart_are_counted(
    another: Callable[..., PrivateAsterisk], providers: tuple[Phone, Phone], order: Make
) -> None:
    first, _ = providers
    first.plan = plan_both(ONE)
    asterisk = another(trunks=trunks(first, first)[:1], lines=(Line(name="one", capacity=3),))
    async with linked(asterisk.deploy.link) as calls:
        made = order()
        await calls.edge.originate(made)
        await calls.seen(made.attempt_id, Bridged)
    async with linked(asterisk.deploy.link) as calls:
        with pytest.raises(LinesBusy):
            await calls.edge.originate(order())
        await calls.edge.hang_up(made.attempt_id)
        await calls.ended(made.attempt_id)
        again = order()
        await calls.edge.originate(again)
        await calls.edge.hang_up(again.attempt_id)
