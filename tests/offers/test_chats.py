"""What becomes of answers by word: times, numbers asked back, several offers, and what comes too late. No network."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))

from xmpp_world import ADA, BEN, BEN_PHONE, SEALER, Side, account

from mailgate.calls.model import Channel, Ended, Outcome
from mailgate.offers.heard import Heard, Spoken
from mailgate.offers.notice import Kind
from mailgate.offers.table import State
from mailgate.store import accounts, outbox

READER = "xmpp:ben@example.net"


class Ben:
    """Ben, who was sent offers."""

    def __init__(self, side: Side) -> None:
        self.side = side

    async def has(self, name: str = "Ada Lovelace", language: str = "en") -> str:
        offer_id, notice = await self.side.offer(name, language)
        await self.side.chats.begin(READER, notice.values["token"], notice.notice_id)
        return offer_id

    async def says(self, text: str, *, late_s: float = 0.0, thread: str = "") -> Spoken:
        return await self.side.chats.hear(READER, Heard(text=text, at=self.side.now() - late_s, thread=thread))


@pytest.fixture
async def stranger(tmp_path: Path) -> AsyncIterator[Ben]:
    """Somebody of whom the gateway knows no telephone."""
    side = Side(tmp_path)
    side.known(account("ada@example.org", "Ada Lovelace", ADA, "ada"))
    yield Ben(side)
    await side.close()


@pytest.fixture
async def ben(stranger: Ben) -> Ben:
    stranger.side.known(account(BEN, "Ben Bright", BEN_PHONE, "ben", zone="Europe/Paris"), BEN)
    return stranger


async def test_who_accepts_is_called_by_their_own_list_as_far_as_it_can_be_had(ben: Ben) -> None:
    offer_id = await ben.has()
    ben.side.away = {BEN_PHONE}
    assert "On which number" in (await ben.says("accept")).text, "nothing of the list can be had"
    assert ben.side.stored(offer_id).state is State.OPEN
    own = Channel.parse("sip:ben")
    known = account(BEN, "Ben Bright", BEN_PHONE, "ben", zone="Europe/Paris")
    listed = replace(known.destinations[0], channels=(BEN_PHONE, own), verified=frozenset({BEN_PHONE, own}))
    changed = replace(known, destinations=(listed,))
    ben.side.store.transact_now(lambda rows: accounts.replace(rows, SEALER, changed))
    assert "(ben)" in (await ben.says("accept")).text
    await ben.side.offers.close()
    assert ben.side.calls.orders[0].leg1 == own


async def test_who_has_no_telephone_is_asked_for_one(stranger: Ben) -> None:
    offer_id = await stranger.has()
    assert "On which number" in (await stranger.says("accept")).text
    assert stranger.side.stored(offer_id).state is State.OPEN
    assert "rings in a moment" in (await stranger.says("01 99 00 00 77")).text
    await stranger.side.offers.close()
    assert stranger.side.calls.orders[0].leg1.address == "+33199000077"


async def test_a_number_that_nobody_asked_for_calls_nobody(stranger: Ben) -> None:
    offer_id = await stranger.has()
    assert "did not understand" in (await stranger.says("01 99 00 00 77")).text
    await stranger.says("accept")
    stranger.side.clock[0] += 3600  # by now the question is forgotten
    assert "did not understand" in (await stranger.says("01 99 00 00 77")).text
    assert stranger.side.stored(offer_id).state is State.OPEN


@pytest.mark.parametrize("number", ["112", "+881 612 345 678", "01 99 00 12 34", "+33199000000"])
async def test_numbers_are_judged_as_on_the_page(ben: Ben, number: str) -> None:
    """Emergency, satellite, the offeror's own, the gateway's own."""
    offer_id = await ben.has()
    said = (await ben.says(f"call {number}")).text
    assert "cannot be called" in said or "did not understand" in said
    assert ben.side.stored(offer_id).state is State.OPEN and "199001234" not in said


async def test_a_time_is_offered_chosen_and_booked(ben: Ben) -> None:
    offer_id = await ben.has()
    named = (await ben.says("later")).text
    first = re.search(r"at these times: ([^;]+);", named)
    assert first is not None
    clock = re.search(r"(\d{1,2}:\d{2})\s?([AP]M)", first[1])
    assert clock is not None
    said = (await ben.says(f"{clock[1]} {clock[2]}")).text
    assert "You will be called at this time" in said and "02" in said
    offer = ben.side.stored(offer_id)
    assert offer.state is State.BOOKED and offer.slot is not None and offer.slot.zone == "Europe/Paris"
    assert offer.slot.leg1 == BEN_PHONE
    [(told, _)] = ben.side.store.read(lambda rows: outbox.due(rows, SEALER, ben.side.now(), 10))
    assert told.kind is Kind.SLOT_BOOKED


async def test_a_time_that_is_not_free_is_answered_with_others(ben: Ben) -> None:
    offer_id = await ben.has()
    said = (await ben.says("call 3:07")).text
    assert "03:07 is not free" in said and "at these times" in said
    assert ben.side.stored(offer_id).state is State.OPEN


async def test_a_bare_time_means_nothing_unless_times_were_named(ben: Ben) -> None:
    offer_id = await ben.has()
    assert "did not understand" in (await ben.says("10:00")).text
    assert ben.side.stored(offer_id).state is State.OPEN


async def test_a_time_with_a_number_that_is_asked_for(stranger: Ben) -> None:
    offer_id = await stranger.has()
    tomorrow = "call tomorrow 12:00"
    assert "On which number" in (await stranger.says(tomorrow)).text
    assert "You will be called" in (await stranger.says("01 99 00 00 77")).text
    slot = stranger.side.stored(offer_id).slot
    assert slot is not None and datetime.fromtimestamp(slot.start, UTC).hour == 12


async def test_several_offers_are_told_apart_by_thread_and_named(ben: Ben) -> None:
    first, second = await ben.has("Ada Lovelace"), await ben.has("Grace Hopper")
    said = (await ben.says("no", thread=f"call.{first}")).text
    assert said.startswith("Ada Lovelace will be told") and "about the offer of Ada Lovelace" in said
    assert ben.side.stored(second).state is State.OPEN
    ben.side.clock[0] += 1
    third = await ben.has("Joan Clarke")
    await ben.says("no, not you")
    assert ben.side.stored(third).state is State.DECLINED and ben.side.stored(second).state is State.OPEN
    listed = (await ben.says("?")).text
    assert "Grace Hopper, https://call.example.org/a/" in listed


async def test_what_was_declined_can_be_accepted_still(ben: Ben) -> None:
    await ben.has()
    await ben.says("no")
    assert "declined already" in (await ben.says("no, really")).text
    assert "rings in a moment" in (await ben.says("accept")).text
    assert "under way already" in (await ben.says("accept")).text
    await ben.side.offers.close()
    assert len(ben.side.calls.orders) == 1


async def test_an_acceptance_that_comes_late_calls_nobody(ben: Ben) -> None:
    offer_id = await ben.has()
    assert "came late" in (await ben.says("accept", late_s=600)).text
    assert ben.side.stored(offer_id).state is State.OPEN
    assert "will be told" in (await ben.says("no, sorry", late_s=600)).text


async def test_an_offer_that_is_over_says_so(ben: Ben) -> None:
    offer_id = await ben.has()
    await ben.side.offers.revoke(offer_id)
    assert "is over" in (await ben.says("accept")).text
    assert ben.side.calls.orders == []


async def test_answers_have_an_end(ben: Ben) -> None:
    await ben.has()
    said = [(await ben.says(f"answer number {n}")).text for n in range(6)]
    assert all("your words" in each for each in said[:5]) and "as many answers" in said[5]


async def test_a_call_that_fails_is_told(ben: Ben) -> None:
    await ben.has()
    spoken = await ben.says("accept")
    assert spoken.call is not None
    await ben.side.offers.close()
    attempt = ben.side.calls.orders[0].attempt_id
    await ben.side.offers.on_call_event(Ended(attempt_id=attempt, outcome=Outcome.DESTINATION_BUSY))
    after = await ben.side.chats.after(spoken.call)
    assert after is not None and "Ada Lovelace could not be reached" in after.text


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "pt", "nl", "ja", "ar"])
async def test_the_answer_is_in_the_offers_language(ben: Ben, language: str) -> None:
    await ben.has(language=language)
    said = [await ben.says(word) for word in ("?", "hmm", "later", "call 3:07", "answer x", "no", "no", "accept")]
    for each in said:
        assert each.language == language and "{" not in each.text and each.text.strip()
    assert len({each.text for each in said}) == len(said)


async def test_without_slots_there_are_no_times(tmp_path: Path) -> None:
    side = Side(tmp_path, with_times=False)
    ben = Ben(side)
    await ben.has()
    assert "No time can be chosen" in (await ben.says("later")).text
    assert "No time can be chosen" in (await ben.says("call 15:30")).text
    await side.close()
