"""The page nonce: good for one coupon, one attempt and a while; forged, old and foreign ones are told apart."""

from __future__ import annotations

import pytest
from web_gateway import Clock, ring

from mailgate.web.nonce import Nonces, Verdict
from tokens.coupon import Purpose, mint
from tokens.keys import added

TOKEN = mint(ring(b"t").newest, offer_id="1", purpose=Purpose.ACCEPT)
OTHER = mint(ring(b"t").newest, offer_id="2", purpose=Purpose.ACCEPT)
TTL_S = 600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def nonces(clock: Clock) -> Nonces:
    return Nonces(ring(), ttl_s=TTL_S, now=clock)


def test_a_fresh_one_is_good(nonces: Nonces, clock: Clock) -> None:
    made = nonces.make(TOKEN, 0)
    clock.at += TTL_S - 1
    assert nonces.check(made, TOKEN, 0) is Verdict.GOOD


def test_it_is_of_no_use_for_another_coupon(nonces: Nonces) -> None:
    assert nonces.check(nonces.make(TOKEN, 0), OTHER, 0) is Verdict.FORGED


def test_it_is_stale_when_its_time_is_over(nonces: Nonces, clock: Clock) -> None:
    made = nonces.make(TOKEN, 0)
    clock.at += TTL_S + 1
    assert nonces.check(made, TOKEN, 0) is Verdict.STALE


def test_it_is_stale_once_an_attempt_has_begun(nonces: Nonces) -> None:
    assert nonces.check(nonces.make(TOKEN, 0), TOKEN, 1) is Verdict.STALE


def test_keys_rotate(clock: Clock) -> None:
    made = Nonces(ring(), ttl_s=TTL_S, now=clock).make(TOKEN, 0)
    both = Nonces(added(ring(), "k2", b"n" * 32), ttl_s=TTL_S, now=clock)
    assert both.check(made, TOKEN, 0) is Verdict.GOOD
    assert Nonces(ring(b"n"), ttl_s=TTL_S, now=clock).check(made, TOKEN, 0) is Verdict.FORGED
    assert Nonces(ring(b"n"), ttl_s=TTL_S, now=clock).check(both.make(TOKEN, 0), TOKEN, 0) is Verdict.GOOD


@pytest.mark.parametrize("text", ["x", "0.0.0", "0.aaaaaa.bbbb", "é.ü.ö", "." * 500, "\0", "0"])
def test_garbage_is_forged(nonces: Nonces, text: str) -> None:
    assert nonces.check(text, TOKEN, 0) is Verdict.FORGED


def test_every_changed_character_is_noticed(nonces: Nonces) -> None:
    made = nonces.make(TOKEN, 0)
    # the last character carries two bits that base64url does not use: it may read the same
    for place in range(len(made) - 1):
        changed = made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]
        assert nonces.check(changed, TOKEN, 0) is not Verdict.GOOD, place


def test_none_at_all_is_missing(nonces: Nonces) -> None:
    assert nonces.check("", TOKEN, 0) is Verdict.MISSING
