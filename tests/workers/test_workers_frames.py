"""Frames between control process and workers: what goes in comes out, however they are cut; nonsense is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.accounts.model import Account, Destination, Hide, Mode
from mailgate.calls.model import Channel, Kind
from mailgate.offers.fresh import Fresh
from mailgate.offers.issue import Issuer, Rules
from mailgate.offers.offer import Terms
from mailgate.workers.frames import LIMIT, FrameError, Reader, encode
from mailgate.workers.records import account_of, account_record
from tokens.keys import Key, KeyRing

values = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
messages = st.lists(st.tuples(st.integers(0, 2**40), st.text(), values).map(list), min_size=1, max_size=4)
ADA = Account(
    account_id="ada",
    display_name="Ada Lovelace",
    addresses=("ada@example.org", "a@example.org"),
    destinations=(
        Destination(
            name="default",
            display_name="Ada",
            channels=(Channel(Kind.TEL, "+33199001234"), Channel(Kind.SIP, "ada@example.org")),
        ),
    ),
    extra_numbers=("+33199005678",),
    mode=Mode.ON_REQUEST,
    hide=Hide.REQUIRED,
    language="fr",
    created_at=12.5,
)


@given(st.lists(messages, min_size=1, max_size=3), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(batches: list[list[list[object]]], width: int) -> None:
    stream = b"".join(map(encode, batches))
    reader = Reader()
    found = [m for at in range(0, len(stream), width) for m in reader.feed(stream[at : at + width])]
    assert found == [message for batch in batches for message in batch]


@pytest.mark.parametrize(
    "octets",
    [
        (LIMIT + 1).to_bytes(4, "big"),
        b"\0\0\0\2{]",
        b"\0\0\0\2{}",
        b"\0\0\0\3[1]",
        b"\0\0\0\7[[1,2]]",
        b"\0\0\0\1\xff",
    ],
)
def test_what_is_no_frame_is_refused(octets: bytes) -> None:
    with pytest.raises(FrameError):
        Reader().feed(octets)


def test_an_account_survives_the_way_through_json() -> None:
    assert account_of(json.loads(json.dumps(account_record(ADA)))) == ADA


def test_an_offer_survives_and_its_token_does_not() -> None:
    terms = Terms(
        account_id="ada",
        offeror_name="Ada Lovelace",
        destination_name="Ada",
        destination=ADA.destinations[0].channels,
        offeree_address="ben@example.net",
        offeree=Channel(Kind.TEL, "+33199000002"),
        language="fr",
        message_id="<1@example.org>",
    )
    ring = KeyRing((Key("a", bytes(32)),))
    issued = Issuer(ring=ring, rules=Rules(uses=3, attempts=4), now=lambda: 7.25, new_id=lambda: "id").issue(terms)
    text = json.dumps(issued.fresh())
    back = Fresh(*json.loads(text))
    assert back == issued.fresh()
    assert (back.offer_id, bytes.fromhex(back.fingerprint)) == ("id", issued.fingerprint)
    assert len(issued.token) == 36
    assert issued.token not in text
    assert "+33199000002" in text
    assert "+33199000002" not in repr(back), "numbers stay out of logs"
