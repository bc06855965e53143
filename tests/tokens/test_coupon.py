"""The coupon's text: what we minted verifies, and nothing else does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens import coupon, keys
from tokens.coupon import Purpose
from tokens.errors import Forged, KeyRingError, Malformed, TokenError

OLD = keys.Key("2025", bytes(range(32)))
NEW = keys.Key("2026", bytes(range(32, 64)))
RING = keys.KeyRing((OLD, NEW))


def mint(key: keys.Key = NEW, offer_id: str = "o1", purpose: Purpose = Purpose.ACCEPT, generation: int = 0) -> str:
    return coupon.mint(key, offer_id=offer_id, purpose=purpose, generation=generation)


def test_a_token_fits_one_line_of_text_with_its_url() -> None:
    token = mint()
    assert len(token) == coupon.LENGTH == 36
    assert len(f"https://call.example.com/a/{token}") <= 76


def test_the_same_arguments_give_the_same_text() -> None:
    assert mint() == mint()


@pytest.mark.parametrize(
    "other",
    [mint(key=OLD), mint(offer_id="o2"), mint(purpose=Purpose.REVOKE), mint(generation=1)],
    ids=["key", "offer", "purpose", "generation"],
)
def test_every_argument_counts(other: str) -> None:
    assert other != mint()
    assert coupon.fingerprint(other) != coupon.fingerprint(mint())


@pytest.mark.parametrize("key", [OLD, NEW])
def test_all_keys_of_the_ring_verify(key: keys.Key) -> None:
    token = mint(key=key)
    assert coupon.verify(RING, token, purpose=Purpose.ACCEPT) == coupon.fingerprint(token)


def test_a_key_taken_out_verifies_no_more() -> None:
    with pytest.raises(Forged):
        coupon.verify(keys.KeyRing((NEW,)), mint(key=OLD), purpose=Purpose.ACCEPT)


def test_a_token_of_one_purpose_is_a_forgery_for_another() -> None:
    with pytest.raises(Forged):
        coupon.verify(RING, mint(purpose=Purpose.REVOKE), purpose=Purpose.ACCEPT)


@given(position=st.integers(0, 27 * 8 - 1))
def test_no_single_bit_can_be_changed(position: int) -> None:
    octets = bytearray(base64.urlsafe_b64decode(mint()))
    octets[position // 8] ^= 1 << position % 8
    with pytest.raises(TokenError):
        coupon.verify(RING, base64.urlsafe_b64encode(octets).decode(), purpose=Purpose.ACCEPT)


@given(text=st.text(max_size=60))
def test_other_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(TokenError):
        coupon.verify(RING, text, purpose=Purpose.ACCEPT)


@pytest.mark.parametrize("text", ["", "x" * 35, "x" * 37, "é" * 36, "=" * 36, mint() + "\n"])
def test_what_has_no_token_s_form_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        coupon.verify(RING, text, purpose=Purpose.ACCEPT)


def test_a_key_file_comes_back_as_it_was() -> None:
    assert keys.load("# keys of the gateway\n\n" + keys.dump(RING)) == RING


def test_a_rotated_ring_signs_with_the_new_key() -> None:
    ring = keys.added(RING, "2027", bytes(32))
    assert ring.newest.key_id == "2027"
    assert ring.find("2025") == OLD


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no key"),
        ("2025 abc", "line 1"),
        (keys.dump(RING) + "2026 " + "0" * 64, "same name"),
        (keys.dump(RING) + "Oh no", "line 3"),
    ],
)
def test_a_broken_key_file_says_where_and_shows_no_secret(text: str, reason: str) -> None:
    with pytest.raises(KeyRingError, match=reason) as caught:
        keys.load(text)
    assert NEW.secret.hex() not in str(caught.value)


def test_a_key_does_not_show_itself() -> None:
    assert NEW.secret.hex() not in repr(NEW)
    assert NEW.secret.hex() not in repr(RING) and str(NEW.secret) not in repr(RING)
