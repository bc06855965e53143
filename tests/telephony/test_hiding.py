"""Neither party ever receives the other's number: every SIP message at each telephone, against telephones that tell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls
from lab.phone import Answer, Phone, Reject

from mailgate.calls.model import Bridged, CallOrder, Channel, Outcome

Make = Callable[..., CallOrder]

ADAS_MOBILE = "+33699001234"
OFFEREES_DESK = "+33199000002"


def forms(number: str) -> list[str]:
    """The digits of a number as any part of a message could hold them: from nine significant digits on."""
    return [number.lstrip("+")[-9:]]


def leaks(phone: Phone, *hidden: str) -> list[str]:
    """The messages at this telephone that hold one of the numbers, whatever stands between the digits."""
    found = []
    for _, way, message in phone.wire:
        # Only what belongs to a call is read: digits of ports, tags and times next to one another mean nothing.
        digits = [re.sub(r"[\s().%/_-]|%20", "", line) for line in message.split("\r\n")]
        if way == "in" and any(form in line for number in hidden for form in forms(number) for line in digits):
            found.append(message)
    return found


def telling(number: str) -> tuple[str, ...]:
    """Every header by which a telephone or network tells a number."""
    uri = f"sip:{number}@{HOST}"
    return (
        f"P-Asserted-Identity: <{uri}>",
        f"P-Preferred-Identity: <{uri}>",
        f"Remote-Party-ID: <{uri}>;party=called;privacy=off;screen=yes",
        f"Diversion: <{uri}>;reason=unconditional",
        f"History-Info: <{uri}>;index=1",
        f"Reply-To: <{uri}>",
    )


@pytest.fixture
async def apart(pbx: PrivateAsterisk, pstn: Phone) -> tuple[Phone, Phone]:
    """Leg 1 on the telephone network, leg 2 a telephone of its own, so that each has a wire of its own."""
    return pstn, await Phone(user="bob", password="pw-of-bob-", registrar=(HOST, pbx.sip_port), hertz=700).open()


@pytest.mark.claim("T14", "T29")
async def test_each_sees_only_the_gateways_number(calls: Calls, order: Make, apart: tuple[Phone, Phone]) -> None:
    """The destination's telephone and network tell its number in every way, before and during the call."""
    offeree, ada = apart
    offeree.plan = {OFFEREE: Answer(press=((0.2, "1"),), headers=telling(OFFEREE))}
    ada.plan = lambda _: Answer(press=((0.2, "1"),), headers=telling(ADA))
    assert await ada.register() == 200
    made = order(leg2=Channel.parse("sip:bob"))
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Bridged)
    first, second = await offeree.call(OFFEREE), await ada.call()
    ada.update(second, *telling(ADA))
    ada.update(second, *telling(ADAS_MOBILE))  # a change of identity is what Asterisk passes on
    offeree.update(first, *telling(OFFEREES_DESK))
    ada.refer(second, f"sip:{ADA}@{HOST}")
    await asyncio.sleep(0.5)

    assert GATEWAY in first.caller_id
    assert GATEWAY in second.caller_id
    assert any(ADA in message for _, way, message in ada.wire if way == "out")  # it was told
    assert len([m for _, way, m in ada.wire if way == "in" and m.startswith("SIP/2.0 200") and "UPDATE" in m]) == 2
    assert leaks(offeree, ADA, ADAS_MOBILE) == []
    assert leaks(ada, OFFEREE, OFFEREES_DESK) == []
    # and no name, user or display of the other one either
    assert not [message for message in offeree.heard_of("bob") if not message.startswith("SIP/2.0")]
    ada.hang_up(second)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    await asyncio.wait_for(first.over.wait(), 2)
    assert leaks(offeree, ADA) == []
    await ada.close()


@pytest.mark.claim("T14")
@pytest.mark.parametrize("code", [302, 486, 603])
async def test_a_refusal_of_the_destination_tells_nothing(
    calls: Calls, order: Make, apart: tuple[Phone, Phone], code: int
) -> None:
    offeree, ada = apart
    offeree.plan = {OFFEREE: Answer(press=((0.2, "1"),)), ADA: Answer(press=((0.2, "1"),))}
    contact = f"Contact: <sip:{ADA}@{HOST}:{offeree.port}>"
    ada.plan = lambda _: Reject(code=code, ring=True, headers=(contact, *telling(ADA)))
    assert await ada.register() == 200
    made = order(leg2=Channel.parse("sip:bob"))
    await calls.edge.originate(made)
    await calls.ended(made.attempt_id)
    assert leaks(offeree, ADA) == []
    assert [call.number for call in offeree.calls] == [OFFEREE]
    await ada.close()


@pytest.mark.claim("T14")
async def test_both_on_the_same_trunk_see_only_the_gateways_number(calls: Calls, pstn: Phone, order: Make) -> None:
    pstn.plan = {
        OFFEREE: Answer(press=((0.2, "1"),), headers=telling(OFFEREE)),
        ADA: Answer(press=((0.2, "1"),), headers=telling(ADA)),
    }
    made = order()
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Bridged)
    pstn.update(await pstn.call(ADA), *telling(ADAS_MOBILE))
    await asyncio.sleep(0.3)
    first = await pstn.call(OFFEREE)
    of_first = [m for _, way, m in pstn.wire if way == "in" and first.call_id in m]
    assert of_first
    assert not [message for message in of_first if ADA[-9:] in message or ADAS_MOBILE[-9:] in message]
    assert GATEWAY in first.caller_id
    await calls.edge.hang_up(made.attempt_id)
    await calls.ended(made.attempt_id)


async def test_asterisks_log_holds_no_number_of_a_call_that_went_well(
    pbx: PrivateAsterisk, calls: Calls, pstn: Phone, order: Make
) -> None:
    ada = "+33199004321"  # a number of its own: other tests make Asterisk complain of theirs
    pstn.plan = {OFFEREE: Answer(press=((0.2, "1"),)), ada: Answer(press=((0.2, "1"),), hang_up=0.2)}
    made = order(leg2=Channel.parse(f"tel:{ada}"))
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.COMPLETED
    assert ada[-9:] not in pbx.messages
