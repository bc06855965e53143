"""By which networks somebody is told: the order is kept, nothing is tried that cannot deliver, mail is always there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.offers.notice import Kind
from mailgate.offers.ways import CARRIES, DEFAULT, BadOrder, Way, parse, plan, written

orders = st.lists(st.sampled_from(Way), max_size=6).map(tuple)
kinds = st.sampled_from(Kind)
now = st.dictionaries(st.sampled_from(Way), st.booleans())
tables = st.dictionaries(st.sampled_from(Way), st.frozensets(kinds)).map(lambda t: {**t, Way.MAIL: frozenset(Kind)})


@given(orders, kinds, now, st.booleans(), tables)
def test_never_what_is_unavailable_or_unsupported(order, kind, available, has_address, carries) -> None:  # type: ignore[no-untyped-def]
    found = plan(order, kind, available, has_address=has_address, carries=carries)
    for way in found.ways:
        assert kind in carries[way]
        assert has_address if way is Way.MAIL else available[way]


@given(orders, kinds, now, st.booleans(), tables)
def test_the_order_is_kept_and_nothing_that_could_deliver_is_left_out(  # type: ignore[no-untyped-def]
    order, kind, available, has_address, carries
) -> None:
    found = plan(order, kind, available, has_address=has_address, carries=carries)
    assert len(set(found.ways)) == len(found.ways), "each way once: the plan ends"
    wished = [w for w in dict.fromkeys(order) if w in found.ways]
    assert [w for w in found.ways if w in wished] == wished
    for way in order:
        assert way in found.ways or way in found.skipped
    assert not set(found.ways) & set(found.skipped)
    assert set(found.ways) <= {*order, Way.MAIL, Way.TELEPHONE}


@given(orders, kinds, now, tables)
def test_mail_is_there_wherever_there_is_an_address(order, kind, available, carries) -> None:  # type: ignore[no-untyped-def]
    assert Way.MAIL in plan(order, kind, available, has_address=True, carries=carries).ways
    unwished = tuple(w for w in order if w is not Way.MAIL)
    assert plan(unwished, kind, available, has_address=True, carries=carries).ways[-1] is Way.MAIL


@pytest.mark.parametrize("kind", [Kind.SIGN_IN, Kind.CODE, Kind.SLOT_BOOKED, Kind.YOUR_SLOT])
def test_what_belongs_into_a_mailbox_goes_there_alone(kind: Kind) -> None:
    assert plan(DEFAULT, kind, dict.fromkeys(Way, True), has_address=True).ways == (Way.MAIL,)


@pytest.mark.parametrize("kind", [Kind.OFFERED, Kind.MISSED_CALL, Kind.DECLINED, Kind.REPLIED, Kind.MISSED])
def test_an_open_socket_comes_first(kind: Kind) -> None:
    found = plan(DEFAULT, kind, {Way.SOCKET: True, Way.IM: True}, has_address=True)
    assert found.ways == (Way.SOCKET, Way.IM, Way.MAIL)
    assert plan(DEFAULT, kind, {}, has_address=True).ways == (Way.MAIL,)


def test_a_telephone_that_was_wished_for_rings_before_mail() -> None:
    found = plan(DEFAULT, Kind.DECLINED, {Way.TELEPHONE: True}, has_address=True)
    assert found.ways == (Way.TELEPHONE, Way.MAIL)


@given(orders.filter(bool))
def test_what_is_written_is_read_again(order) -> None:  # type: ignore[no-untyped-def]
    assert parse(written(order)) == tuple(dict.fromkeys(order))


@pytest.mark.parametrize("text", ["", " , ", "socket,fax", "mail;socket"])
def test_an_order_that_is_none(text: str) -> None:
    with pytest.raises(BadOrder):
        parse(text)


def test_every_network_is_in_the_table() -> None:
    assert set(CARRIES) == set(Way)
