"""Failed calls on a real store: whose they are, what is made of them, each once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from slot_desk import ADA, OWN_NUMBER, SEALER, Desk

from mailgate.accounts.model import Account, Destination
from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.failed import FailedCall, Why
from mailgate.calls.model import Channel, Kind
from mailgate.offers.answer import Reason
from mailgate.offers.missed_call import HOUR_S, OLDEST_S, Limits, MissedCalls, MissedSettings
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.notice import Notice
from mailgate.offers.offer import Offer
from mailgate.store import accounts, missed_calls, outbox
from mailgate.store import offers as rows_of
from mailgate.store.missed_calls import Made

GRACE = Channel(Kind.SIP, "grace")
GUEST = "+33199000055"


def account(name: str, address: str, *channels: Channel, extensions: tuple[str, ...] = ()) -> Account:
    there = Destination(name="default", display_name=name, channels=channels)
    return Account(
        account_id=address, display_name=name, addresses=(address,), destinations=(there,), extensions=extensions
    )


class House(Desk):
    """Ada has a number, Grace the extension 201 and a telephone of the house."""

    def __init__(self, path: Path) -> None:
        super().__init__(path=path)
        self.posted = 0
        self.calls_made = 0
        rules = DiallingRules(region="FR")
        self.missed = MissedCalls(
            store=self.store,
            sealer=SEALER,
            offers=self.offers,
            dial=lambda text, region: may_dial(text, region, rules),
            settings=MissedSettings(
                trunks=frozenset({"trunk"}),
                region="FR",
                own_number=OWN_NUMBER,
                guests={"en": "A caller"},
                limits=Limits(by_caller=3, to_callee=5),
            ),
            now=self.now,
            posted=self.post,
        )
        made = [
            account("Ada Lovelace", "ada@example.org", ADA),
            account("Grace Hopper", "grace@example.org", GRACE, extensions=("201", "+33199000201")),
            account("Kay Antonelli", "kay@example.org", Channel(Kind.SIP, "kay"), extensions=("202",)),
        ]
        for each in made:
            self.store.transact_now(lambda rows, each=each: accounts.insert(rows, SEALER, each))  # type: ignore[misc]

    def post(self) -> None:
        self.posted += 1

    def failed(self, caller: str = ADA.address, **changes: object) -> FailedCall:
        self.calls_made += 1
        call = FailedCall(
            call_id=f"1795305367.{self.calls_made}",
            why=Why.BUSY,
            at=self.at,
            withheld=False,
            endpoint="trunk",
            called="201",
            caller=caller,
            channel="PJSIP/trunk-00000001",
        )
        return replace(call, **changes)  # type: ignore[arg-type]

    def offer(self, offer_id: str | None) -> Offer:
        assert offer_id is not None
        found = self.store.read(lambda rows: rows_of.by_id(rows, SEALER, offer_id))
        assert found is not None
        return found

    def notices(self) -> list[Notice]:
        found = self.store.read(lambda rows: outbox.due(rows, SEALER, self.at + 1, 100))
        return [notice for notice, _ in found if notice.kind is NoticeKind.MISSED_CALL]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    path = tmp_path / "store.db"
    path.touch()
    made = House(path)
    yield made
    await made.stop()


async def test_an_account_s_call_becomes_its_offer(house: House) -> None:
    taken = await house.missed.take(house.failed())
    assert taken.made is Made.OFFERED and house.posted == 1
    terms = house.offer(taken.offer_id).terms
    assert (terms.account_id, terms.offeror_name, terms.destination) == ("ada@example.org", "Ada Lovelace", (ADA,))
    assert (terms.offeree_address, terms.offeree_shown) == ("grace@example.org", "Grace Hopper")
    [notice] = house.notices()
    assert notice.address == "grace@example.org" and notice.values["reply_to"] == "ada@example.org"
    assert house.offers.look(notice.values["token"]).offer_id == taken.offer_id


@pytest.mark.parametrize("number", ["+33199000055", "33199000055", "0199000055", "0033199000055"])
async def test_a_guest_is_known_however_the_number_is_written(house: House, number: str) -> None:
    taken = await house.missed.take(house.failed(number))
    terms = house.offer(taken.offer_id).terms
    assert terms.offeror_name == "A caller" and terms.destination == (Channel(Kind.TEL, GUEST),)
    assert GUEST not in repr(house.notices()) and GUEST[1:] not in terms.account_id
    again = await house.missed.take(house.failed(GUEST))
    assert (again.made, again.offer_id) == (Made.COUNTED, taken.offer_id)


async def test_a_telephone_of_the_house_is_rung_back_as_such(house: House) -> None:
    taken = await house.missed.take(house.failed("300", endpoint="carol"))
    assert house.offer(taken.offer_id).terms.destination == (Channel(Kind.SIP, "carol"),)
    known = await house.missed.take(house.failed("300", endpoint="kay"))
    assert house.offer(known.offer_id).terms.offeror_name == "Kay Antonelli"


async def test_a_call_is_taken_in_once(house: House) -> None:
    call = house.failed()
    first, second = await house.missed.take(call), await house.missed.take(call)
    assert first.offer_id == second.offer_id and second.made is Made.OFFERED
    assert len(house.notices()) == 1
    assert first.offer_id is not None
    offer_id = first.offer_id
    assert house.store.read(lambda rows: missed_calls.count(rows, offer_id)) == 1


async def test_ten_calls_are_one_offer_with_a_count(house: House) -> None:
    taken = [await house.missed.take(house.failed()) for _ in range(10)]
    assert {each.offer_id for each in taken} == {taken[0].offer_id}
    assert len(house.notices()) == 1
    offer_id = taken[0].offer_id or ""
    assert house.store.read(lambda rows: missed_calls.count(rows, offer_id)) == 10


async def test_after_a_decline_a_new_call_is_a_new_offer(house: House) -> None:
    first = await house.missed.take(house.failed())
    [notice] = house.notices()
    await house.offers.answers.decline(notice.values["token"], Reason.NOT_NOW, "")
    second = await house.missed.take(house.failed())
    assert second.made is Made.OFFERED and second.offer_id != first.offer_id


@pytest.mark.parametrize(
    ("caller", "withheld"),
    [("", True), (GUEST, True), ("anonymous", False), ("112", False), ("+33899000000", False), ("+15551234567", False)],
)
async def test_without_a_way_back_there_is_a_note_once_an_hour(house: House, caller: str, withheld: bool) -> None:
    taken = await house.missed.take(house.failed(caller, withheld=withheld))
    assert (taken.made, taken.offer_id) == (Made.NOTED, None)
    [notice] = house.notices()
    assert notice.values["token"] == "" and notice.values["offeror"] == ""
    assert (await house.missed.take(house.failed(caller, withheld=withheld))).made is Made.COUNTED
    house.at += HOUR_S + 1
    assert (await house.missed.take(house.failed(caller, withheld=withheld))).made is Made.NOTED


async def test_nothing_is_made_of_what_is_no_call_to_a_party(house: House) -> None:
    for call in (
        house.failed(called="999"),
        house.failed(OWN_NUMBER),
        house.failed("201", endpoint="grace"),
        house.failed(at=house.at - OLDEST_S - 1),
    ):
        assert (await house.missed.take(call)).made is None
    await house.store.transact(
        lambda rows: rows_of.suppress_address(rows, SEALER, "grace@example.org", now=0.0, reason="not-me")
    )
    assert (await house.missed.take(house.failed())).made is None
    assert house.notices() == [] and house.posted == 0


async def test_who_calls_many_and_who_is_called_by_many_is_spared(house: House) -> None:
    for n in range(8):
        await house.missed.take(house.failed(f"+3319900010{n}"))
    assert len(house.notices()) == 5
    house.at += HOUR_S + 1
    assert (await house.missed.take(house.failed("+33199000109"))).made is Made.OFFERED


async def test_a_late_report_bears_the_time_of_the_call(house: House) -> None:
    await house.missed.take(house.failed(at=house.at - 7200.0))
    [notice] = house.notices()
    assert notice.created_at == house.at - 7200.0 and notice.expires_at > house.at


async def test_a_shared_telephone_is_nobody_s(house: House) -> None:
    other = account("Annabella", "annabella@example.org", ADA)
    await house.store.transact(lambda rows: accounts.insert(rows, SEALER, other))
    taken = await house.missed.take(house.failed())
    assert house.offer(taken.offer_id).terms.offeror_name == "A caller"


async def test_extensions_and_numbers_follow_the_account(house: House) -> None:
    def read(extension: str) -> Account | None:
        return house.store.read(lambda rows: accounts.by_extension(rows, SEALER, extension))

    grace = read("201")
    assert grace is not None and grace.extensions == ("201", "+33199000201")
    moved = replace(grace, extensions=("203",))
    await house.store.transact(lambda rows: accounts.replace(rows, SEALER, moved))
    assert read("201") is None and read("203") == moved
    await house.store.transact(lambda rows: accounts.remove(rows, grace.account_id))
    assert read("203") is None
    assert house.store.read(lambda rows: accounts.by_caller(rows, SEALER, GRACE)) is None


async def test_callers_of_an_older_store_become_known(house: House) -> None:
    await house.store.transact(lambda rows: rows.run("delete_caller_ids", account_id="ada@example.org"))
    assert house.store.read(lambda rows: accounts.by_caller(rows, SEALER, ADA)) is None
    await house.store.transact(lambda rows: accounts.know_callers(rows, SEALER))
    found = house.store.read(lambda rows: accounts.by_caller(rows, SEALER, ADA))
    assert found is not None and found.display_name == "Ada Lovelace"
