"""Leg 2's party on one channel after the other, on a real Asterisk: leg 1 stays on the line, and each step is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls, linked
from lab.phone import Answer, Behaviour, Phone, Reject, Ring

from mailgate.calls.model import Again, Answered, Bridged, CallOrder, Channel, Further, Outcome, Ringing

Make = Callable[..., CallOrder]

ONE = Answer(press=((0.2, "1"),))
TEL = Further(channel=Channel.parse(f"tel:{ADA}"))
SIP = Channel.parse("sip:alice")
NOBODY = Channel.parse("sip:nobody")


@pytest.fixture
async def alice(pbx: PrivateAsterisk) -> AsyncIterator[Phone]:
    phone = await Phone(user="alice", password="pw-of-alice", registrar=(HOST, pbx.sip_port), hertz=620).open()
    assert await phone.register() == 200
    yield phone
    await phone.close()


@pytest.mark.parametrize(
    ("behaviour", "reached"),
    [
        (Ring(), True),  # not answered
        (Reject(code=486), True),
        (Reject(code=480), True),
        (Reject(code=503), True),
        (Reject(code=603, ring=True), False),  # a person has refused
    ],
    ids=["no answer", "busy", "away", "out of order", "refused"],
)
async def test_who_is_not_reached_there_is_called_elsewhere(
    calls: Calls, pstn: Phone, alice: Phone, order: Make, behaviour: Behaviour, reached: bool
) -> None:
    alice.plan = {"alice": behaviour}
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order(leg2=SIP, then2=(TEL,), confirm2=False, ring2_s=1)
    await calls.edge.originate(made)
    first = await pstn.call(OFFEREE)
    if not reached:
        assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_REJECTED
        assert [call.number for call in pstn.calls] == [OFFEREE]
        return
    await calls.seen(made.attempt_id, Bridged)
    assert [call.number for call in pstn.calls] == [OFFEREE, ADA], "leg 1 was called once, and stayed"
    told = calls.of(made.attempt_id)
    again = told.index(Again(attempt_id=made.attempt_id, nth=1))
    assert Ringing(attempt_id=made.attempt_id, leg=2) in told[:again]
    # a telephone presses a key, although the SIP telephone before it would not have
    assert told[again + 1 : again + 3] == [
        Ringing(attempt_id=made.attempt_id, leg=2),
        Answered(attempt_id=made.attempt_id, leg=2),
    ]
    pstn.hang_up(first)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED


async def test_channels_that_nobody_is_registered_at_are_passed_over(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    others = (Further(channel=Channel.parse("sip:no-one"), confirm=False), TEL)
    made = order(leg2=NOBODY, then2=others)
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Bridged)
    assert [e.nth for e in calls.of(made.attempt_id) if isinstance(e, Again)] == [1, 2]
    pstn.hang_up(await pstn.call(OFFEREE))
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED


async def test_a_machine_that_presses_nothing_gives_way_to_the_next(
    calls: Calls, pstn: Phone, alice: Phone, order: Make
) -> None:
    alice.plan = {"alice": Answer()}
    pstn.plan = {OFFEREE: ONE, ADA: Answer()}
    made = order(then2=(Further(channel=SIP, confirm=False),))
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Bridged)
    alice.hang_up(await alice.call())
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED


async def test_the_last_one_says_how_it_ended(calls: Calls, pstn: Phone, alice: Phone, order: Make) -> None:
    alice.plan = {"alice": Ring()}
    pstn.plan = {OFFEREE: ONE, ADA: Reject(code=486)}
    made = order(leg2=SIP, then2=(TEL,), ring2_s=1)
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_BUSY
    for call in (*pstn.calls, *alice.calls):
        await asyncio.wait_for(call.over.wait(), 2)


async def test_who_leaves_meanwhile_has_nobody_called_any_more(
    calls: Calls, pstn: Phone, alice: Phone, order: Make
) -> None:
    alice.plan = {"alice": Ring()}
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order(leg2=SIP, then2=(TEL,), ring2_s=4)
    await calls.edge.originate(made)
    rings = await alice.call()
    pstn.hang_up(await pstn.call(OFFEREE))
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_LEFT
    await asyncio.wait_for(rings.over.wait(), 2)
    await asyncio.sleep(0.3)
    assert [call.number for call in pstn.calls] == [OFFEREE]


async def test_a_link_that_comes_later_learns_of_it(calls: Calls, pstn: Phone, alice: Phone, order: Make) -> None:
    """The gateway was away while Asterisk went on by itself: what is told then leads to the same end."""
    alice.plan = {"alice": Ring()}
    pstn.plan = {OFFEREE: ONE, ADA: Ring()}
    made = order(leg2=SIP, then2=(TEL,), ring2_s=2)
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Again)
    async with linked(calls.edge._settings) as later:
        found = (await later.edge.settle({made.attempt_id: time.time()}))[made.attempt_id]
        assert isinstance(found, Again | Ringing)
        assert (await later.ended(made.attempt_id)).outcome is Outcome.DESTINATION_NO_ANSWER


async def test_who_calls_in_is_put_through_to_the_next_as_well(
    pbx: PrivateAsterisk, calls: Calls, pstn: Phone, alice: Phone, order: Make
) -> None:
    alice.plan = {"alice": Ring()}
    pstn.plan = {ADA: ONE}
    pstn.registrar = (HOST, pbx.sip_port)
    wanted = calls.pins["314159"] = order(leg2=SIP, then2=(TEL,), ring2_s=1)
    call = pstn.dial(GATEWAY, caller=OFFEREE)
    async with asyncio.timeout(5):
        await call.up.wait()
    call.rtp.press("314159")
    await calls.seen(wanted.attempt_id, Bridged)
    assert [each.number for each in pstn.calls] == [GATEWAY, ADA]
    pstn.hang_up(call)
    assert (await calls.ended(wanted.attempt_id)).outcome is Outcome.COMPLETED
