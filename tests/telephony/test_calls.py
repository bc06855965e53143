"""Calls on a real Asterisk with scripted telephones: both legs, all four combinations, every way to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls
from lab.phone import Answer, Behaviour, Call, Phone, Reject, Ring

from mailgate.calls.model import (
    Answered,
    Bridged,
    CallOrder,
    Channel,
    Confirmed,
    Ended,
    Outcome,
    Ringing,
)
from mailgate.errors import CallFailed, OutcomeUnknown

Make = Callable[..., CallOrder]

ONE = Answer(press=((0.2, "1"),))  # a person who answers and presses 1


async def tones(call: Call, *hertz: int) -> dict[int, float]:
    """What the telephone hears from now on, after a second of listening."""
    call.rtp.forget()
    await asyncio.sleep(0.8)
    return call.rtp.tones(*hertz)


async def registered(pbx: PrivateAsterisk, user: str, hertz: int, plan: dict[str, Behaviour]) -> Phone:
    password = {"alice": "pw-of-alice", "bob": "pw-of-bob-", "carol": "pw-of-carol"}[user]
    phone = await Phone(
        user=user, password=password, registrar=(HOST, pbx.sip_port), hertz=hertz, plan=lambda _: plan["*"]
    ).open()
    assert await phone.register() == 200
    return phone


# --- the four combinations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leg1", "leg2"),
    [
        pytest.param("tel", "tel", marks=pytest.mark.claim("T6", "T7", "T9", "T22", "T23", "T35")),
        pytest.param("tel", "sip", marks=pytest.mark.claim("T6", "T7", "T10", "T22", "T24", "T35")),
        pytest.param("sip", "tel", marks=pytest.mark.claim("T6", "T7", "T11", "T22", "T25", "T35")),
        pytest.param("sip", "sip", marks=pytest.mark.claim("T6", "T7", "T12", "T22", "T26", "T35")),
    ],
)
async def test_both_are_called_and_hear_each_other(
    pbx: PrivateAsterisk, calls: Calls, pstn: Phone, order: Make, leg1: str, leg2: str
) -> None:
    """The offeree's tone arrives at the destination and the other way round, whatever network each is on."""
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    pstn.hertz = 440
    alice = await registered(pbx, "alice", 620, {"*": ONE})
    bob = await registered(pbx, "bob", 880, {"*": ONE})
    made = order(
        leg1=Channel.parse(f"tel:{OFFEREE}" if leg1 == "tel" else "sip:alice"),
        leg2=Channel.parse(f"tel:{ADA}" if leg2 == "tel" else "sip:bob"),
    )
    await calls.edge.originate(made)
    first = await (pstn.call(OFFEREE) if leg1 == "tel" else alice.call())
    pstn.hertz = 1000  # of the telephone network's next call
    await calls.seen(made.attempt_id, Bridged)
    second = await (pstn.call(ADA) if leg2 == "tel" else bob.call())
    sent = {first: 440 if leg1 == "tel" else 620, second: 1000 if leg2 == "tel" else 880}
    heard = await asyncio.gather(tones(first, *sent.values()), tones(second, *sent.values()))
    assert heard[0][sent[second]] > 0.8
    assert heard[1][sent[first]] > 0.8

    (alice if leg1 == "sip" else pstn).hang_up(first)
    ended = await calls.ended(made.attempt_id)
    await asyncio.wait_for(second.over.wait(), 2)
    assert ended.outcome is Outcome.COMPLETED
    assert ended.bridged_s > 0.7
    await alice.close()
    await bob.close()


async def test_the_whole_life_of_a_call_is_told_in_order_and_once(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: Answer(press=((0.2, "1"),), hang_up=0.6)}
    made = order()
    before = time.time()
    await calls.edge.originate(made)
    ended = await calls.ended(made.attempt_id)
    told = calls.of(made.attempt_id)
    bridged = told[6]
    assert isinstance(bridged, Bridged)
    assert before < bridged.bridged_at < time.time()
    assert told == [
        Ringing(attempt_id=made.attempt_id, leg=1),
        Answered(attempt_id=made.attempt_id, leg=1),
        Confirmed(attempt_id=made.attempt_id, leg=1),
        Ringing(attempt_id=made.attempt_id, leg=2),
        Answered(attempt_id=made.attempt_id, leg=2),
        Confirmed(attempt_id=made.attempt_id, leg=2),
        bridged,
        ended,
    ]
    assert ended.outcome is Outcome.COMPLETED
    assert 0.1 < ended.bridged_s < 2


async def test_legs_that_have_shown_a_person_already_are_not_asked(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: Answer(), ADA: Answer(hang_up=0.3)}
    made = order(confirm1=False, confirm2=False)
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    assert not [event for event in calls.of(made.attempt_id) if isinstance(event, Confirmed)]


async def test_the_offeree_hears_ringing_while_the_destination_is_asked(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: Answer()}
    made = order()
    await calls.edge.originate(made)
    await calls.until(made.attempt_id, lambda event: event == Answered(attempt_id=made.attempt_id, leg=2))
    heard = await tones(await pstn.call(OFFEREE), 440, 480)  # the ringing tone is the sum of both
    assert heard[440] > 0.3
    assert heard[480] > 0.3
    await calls.edge.hang_up(made.attempt_id)
    await calls.ended(made.attempt_id)


@pytest.mark.claim("T14", "T29")
async def test_the_offeree_hears_nothing_that_the_destinations_network_plays(
    calls: Calls, pstn: Phone, order: Make
) -> None:
    """Before an answer networks announce things, such as the number that was dialled."""
    pstn.plan = {OFFEREE: ONE, ADA: Answer(after=2, early_media=True)}
    made = order()
    await calls.edge.originate(made)
    first = await pstn.call(OFFEREE)
    pstn.hertz = 1000  # of the destination's network
    await pstn.call(ADA)
    await asyncio.sleep(0.2)
    heard = await tones(first, 440, 1000)
    assert heard[440] > 0.3
    assert heard[1000] < 0.01
    await calls.edge.hang_up(made.attempt_id)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.REVOKED


async def test_asterisk_ends_a_call_at_its_longest(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order(longest_s=1)
    await calls.edge.originate(made)
    ended = await calls.ended(made.attempt_id)
    assert ended.outcome is Outcome.COMPLETED
    assert 0.9 < ended.bridged_s < 1.5


# --- leg 1 -----------------------------------------------------------------------------------------------------


def numbered(behaviours: Iterable[Behaviour]) -> dict[str, Behaviour]:
    """A telephone number for each behaviour, so that all are tried side by side."""
    return {f"+331990011{i:02}": behaviour for i, behaviour in enumerate(behaviours)}


async def ends(calls: Calls, orders: list[CallOrder]) -> list[Ended]:
    """Place all at once; how each ended, which settling must tell in the same way."""
    await asyncio.gather(*(calls.edge.originate(made) for made in orders))
    told = [await calls.ended(made.attempt_id) for made in orders]
    assert await calls.edge.settle(made.attempt_id for made in orders) == {end.attempt_id: end for end in told}
    assert len([event for event in calls.events if isinstance(event, Ended)]) == len(orders)
    return told


async def test_leg_1_is_not_reached(calls: Calls, pstn: Phone, order: Make) -> None:
    expected: dict[Behaviour, tuple[Outcome, int]] = {
        Reject(code=486): (Outcome.OFFEREE_BUSY, 17),
        Reject(code=600): (Outcome.OFFEREE_BUSY, 17),
        Reject(code=480, ring=True): (Outcome.OFFEREE_NO_ANSWER, 19),
        Ring(): (Outcome.OFFEREE_NO_ANSWER, 19),
        Reject(code=603, ring=True): (Outcome.OFFEREE_REJECTED, 21),
        Reject(code=403): (Outcome.OFFEREE_REJECTED, 21),
        Reject(code=404): (Outcome.OFFEREE_WRONG_NUMBER, 1),
        Reject(code=410): (Outcome.OFFEREE_WRONG_NUMBER, 22),
        Reject(code=484): (Outcome.OFFEREE_WRONG_NUMBER, 28),
        Reject(code=408): (Outcome.OFFEREE_UNREACHABLE, 18),
        Reject(code=488): (Outcome.OFFEREE_UNREACHABLE, 58),
        Reject(code=500): (Outcome.OFFEREE_UNREACHABLE, 38),
        Reject(code=503): (Outcome.OFFEREE_UNREACHABLE, 34),
    }
    pstn.plan = numbered(expected)
    orders = [order(leg1=Channel.parse(f"tel:{number}"), ring1_s=1) for number in pstn.plan]
    told = await ends(calls, orders)
    assert dict(zip(expected, ((end.outcome, end.cause) for end in told), strict=True)) == expected
    assert sorted(call.number for call in pstn.calls) == sorted(pstn.plan)  # each once, and nobody else


async def test_the_destination_is_not_called_before_the_offeree_presses_1(
    calls: Calls, pstn: Phone, order: Make
) -> None:
    expected: dict[Behaviour, Outcome] = {
        Answer(): Outcome.NO_KEY,
        Answer(early_media=True): Outcome.NO_KEY,
        Answer(press=((0.2, "9"),)): Outcome.NOT_ME,
        Answer(press=((0.2, "2"),)): Outcome.DECLINED_BY_KEY,
        Answer(press=((0.2, "#"),)): Outcome.DECLINED_BY_KEY,
        Answer(press=((0.2, "*"),)): Outcome.DECLINED_BY_KEY,
        Answer(hang_up=0.3): Outcome.OFFEREE_HUNG_UP,
    }
    offerees = numbered(expected)
    pstn.plan = offerees | {ADA: ONE}
    told = await ends(calls, [order(leg1=Channel.parse(f"tel:{number}")) for number in offerees])
    assert dict(zip(expected, (end.outcome for end in told), strict=True)) == expected
    assert sorted(call.number for call in pstn.calls) == sorted(offerees)


async def test_a_telephone_that_is_not_registered_is_unreachable_at_once(calls: Calls, order: Make) -> None:
    made = order(leg1=Channel.parse("sip:nobody"))
    await calls.edge.originate(made)
    ended = await calls.ended(made.attempt_id, timeout_s=2)
    assert ended.outcome is Outcome.OFFEREE_UNREACHABLE
    assert await calls.edge.settle([made.attempt_id]) == {made.attempt_id: ended}


@pytest.mark.parametrize("leg1", ["tel", "sip"])
async def test_a_forward_of_leg_1_is_not_followed(
    pbx: PrivateAsterisk, calls: Calls, pstn: Phone, order: Make, leg1: str
) -> None:
    """Neither of the telephone network nor of a telephone in the office, which may call out by itself."""
    elsewhere = "+33199007777"
    forward = Reject(code=302, headers=(f"Contact: <sip:{elsewhere}@{HOST}:{pstn.port}>",))
    pstn.plan = {OFFEREE: forward, elsewhere: ONE}
    carol = await registered(pbx, "carol", 620, {"*": forward})
    made = order(leg1=Channel.parse(f"tel:{OFFEREE}" if leg1 == "tel" else "sip:carol"))
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_UNREACHABLE
    await asyncio.sleep(0.3)  # a forward would go on although our attempt has ended
    assert [call.number for call in pstn.calls] == ([OFFEREE] if leg1 == "tel" else [])
    await carol.close()


async def test_revoked_in_the_moment_of_the_call(calls: Calls, pstn: Phone, order: Make) -> None:
    """Asterisk takes the order before there is a channel to hang up."""
    pstn.plan = {OFFEREE: Ring()}
    for _ in range(5):
        made = order()
        await calls.edge.originate(made)
        assert await calls.edge.hang_up(made.attempt_id)
        assert (await calls.ended(made.attempt_id)).outcome is Outcome.REVOKED
    for call in pstn.calls:
        await asyncio.wait_for(call.over.wait(), 1)


async def test_revoked_while_it_rings(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: Ring()}
    made = order()
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Ringing)
    assert await calls.edge.hang_up(made.attempt_id)
    ended = await calls.ended(made.attempt_id)
    assert ended.outcome is Outcome.REVOKED
    call = await pstn.call(OFFEREE)
    await asyncio.wait_for(call.over.wait(), 1)
    assert call.state == "cancelled"
    assert not await calls.edge.hang_up(made.attempt_id)


# --- leg 2 -----------------------------------------------------------------------------------------------------


async def test_leg_2_is_not_reached(calls: Calls, pstn: Phone, order: Make) -> None:
    expected: dict[Behaviour, Outcome] = {
        Reject(code=486): Outcome.DESTINATION_BUSY,
        Reject(code=600, ring=True): Outcome.DESTINATION_BUSY,
        Reject(code=480): Outcome.DESTINATION_NO_ANSWER,
        Ring(): Outcome.DESTINATION_NO_ANSWER,
        Reject(code=603, ring=True): Outcome.DESTINATION_REJECTED,
        Reject(code=403): Outcome.DESTINATION_REJECTED,
        Reject(code=404): Outcome.DESTINATION_WRONG_NUMBER,
        Reject(code=410): Outcome.DESTINATION_WRONG_NUMBER,
        Reject(code=484): Outcome.DESTINATION_WRONG_NUMBER,
        Reject(code=408): Outcome.DESTINATION_UNREACHABLE,
        Reject(code=488): Outcome.DESTINATION_UNREACHABLE,
        Reject(code=500): Outcome.DESTINATION_UNREACHABLE,
        Reject(code=503): Outcome.DESTINATION_UNREACHABLE,
        Answer(): Outcome.DESTINATION_NO_KEY,
        Answer(press=((0.2, "2"),)): Outcome.DESTINATION_REJECTED,
        Answer(hang_up=0.3): Outcome.DESTINATION_HUNG_UP,
    }
    destinations = numbered(expected)
    pstn.plan = destinations | {OFFEREE: ONE}
    told = await ends(calls, [order(leg2=Channel.parse(f"tel:{number}"), ring2_s=1) for number in destinations])
    assert dict(zip(expected, (end.outcome for end in told), strict=True)) == expected
    assert not [event for event in calls.events if isinstance(event, Bridged)]
    for call in pstn.calls:
        await asyncio.wait_for(call.over.wait(), 2)


async def test_a_destination_that_is_not_registered(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE}
    made = order(leg2=Channel.parse("sip:nobody"))
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_UNREACHABLE


@pytest.mark.parametrize("leg2", ["tel", "sip"])
async def test_a_forward_of_leg_2_is_not_followed(
    pbx: PrivateAsterisk, calls: Calls, pstn: Phone, order: Make, leg2: str
) -> None:
    elsewhere = "+33199007777"
    forward = Reject(code=302, headers=(f"Contact: <sip:{elsewhere}@{HOST}:{pstn.port}>",))
    pstn.plan = {OFFEREE: ONE, ADA: forward, elsewhere: ONE}
    carol = await registered(pbx, "carol", 620, {"*": forward})
    made = order(leg2=Channel.parse(f"tel:{ADA}" if leg2 == "tel" else "sip:carol"))
    await calls.edge.originate(made)
    ended = await calls.ended(made.attempt_id)
    assert ended.outcome is Outcome.DESTINATION_UNREACHABLE
    await asyncio.sleep(0.3)
    assert [call.number for call in pstn.calls] == [OFFEREE, *([ADA] if leg2 == "tel" else [])]
    await carol.close()


@pytest.mark.parametrize("stage", [Ringing, Answered])
async def test_the_offeree_leaves_before_the_bridge(
    calls: Calls, pstn: Phone, order: Make, stage: type[Ringing | Answered]
) -> None:
    """While the destination's telephone rings, and while it is asked for a key: it is let go at once."""
    pstn.plan = {OFFEREE: ONE, ADA: Ring() if stage is Ringing else Answer()}
    made = order()
    await calls.edge.originate(made)
    await calls.until(made.attempt_id, lambda event: event == stage(attempt_id=made.attempt_id, leg=2))
    await pstn.call(ADA)
    left_at = time.monotonic()
    pstn.hang_up(await pstn.call(OFFEREE))
    await asyncio.wait_for((await pstn.call(ADA)).over.wait(), 1)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_LEFT
    assert time.monotonic() - left_at < 1
    assert not [event for event in calls.of(made.attempt_id) if isinstance(event, Bridged)]


@pytest.mark.parametrize("stage", [Ringing, Answered])
async def test_revoked_before_the_bridge(
    calls: Calls, pstn: Phone, order: Make, stage: type[Ringing | Answered]
) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: Ring() if stage is Ringing else Answer()}
    made = order()
    await calls.edge.originate(made)
    await calls.until(made.attempt_id, lambda event: event == stage(attempt_id=made.attempt_id, leg=2))
    await pstn.call(ADA)
    assert await calls.edge.hang_up(made.attempt_id)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.REVOKED
    for number in (OFFEREE, ADA):
        await asyncio.wait_for((await pstn.call(number)).over.wait(), 1)


async def test_ending_a_bridged_call_does_not_undo_it(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order()
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Bridged)
    assert await calls.edge.hang_up(made.attempt_id)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED


# --- ways to a party -------------------------------------------------------------------------------------------


async def test_a_sip_address_elsewhere_is_called_through_its_endpoint(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: ONE}
    carol = await Phone(user="carol", hertz=700, plan={"carol": Answer(press=((0.2, "1"),), hang_up=0.4)}).open()
    made = order(leg2=Channel.parse(f"sip:carol@{HOST}:{carol.port}"))
    assert await calls.edge.available(made.leg2)
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    assert GATEWAY in (await carol.call("carol")).caller_id
    await carol.close()


async def test_a_telephone_is_available_while_it_is_registered(pbx: PrivateAsterisk, calls: Calls) -> None:
    alice = Channel.parse("sip:alice")
    phone = await registered(pbx, "alice", 620, {"*": ONE})
    assert await calls.edge.available(alice)
    assert await phone.register(expires_s=0) == 200
    assert not await calls.edge.available(alice)
    assert not await calls.edge.available(Channel.parse("sip:nobody"))
    assert not await calls.edge.available(Channel.parse(f"browser:{'0' * 32}"))
    await phone.close()


# --- at most once ----------------------------------------------------------------------------------------------


async def test_an_attempt_is_placed_once(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {OFFEREE: Ring()}
    made = order()
    await calls.edge.originate(made)
    await pstn.call(OFFEREE)
    with pytest.raises(OutcomeUnknown):
        await calls.edge.originate(made)
    await calls.edge.hang_up(made.attempt_id)
    await calls.ended(made.attempt_id)
    assert len(pstn.calls) == 1


async def test_what_is_certain_not_to_ring_is_told_so(calls: Calls, pstn: Phone, order: Make) -> None:
    page, caller = Channel.parse(f"browser:{'0' * 32}"), Channel.parse("dial-in:1700000000.1")
    for broken in (
        order(announcement="not/absolute"),
        order(leg1=page, announcement2="not/absolute"),
        order(leg1=page, leg2=page),
        order(leg1=caller),  # a channel that there is none of
        order(ring1_s=0),
    ):
        with pytest.raises(CallFailed):
            await calls.edge.originate(broken)
        assert await calls.edge.settle([broken.attempt_id]) == {broken.attempt_id: None}
    assert pstn.calls == []
