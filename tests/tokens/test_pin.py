"""PINs: digits that every argument counts for, evenly spread."""

from __future__ import annotations

from collections import Counter

import pytest

from tokens import keys, pin

KEY, OTHER = keys.Key("k", bytes(32)), keys.Key("o", bytes(range(32)))


@pytest.mark.parametrize("digits", [6, 8, 10])
def test_a_pin_has_its_digits_and_is_made_again(digits: int) -> None:
    made = pin.mint(KEY, offer_id="o1", generation=0, digits=digits)
    assert len(made) == digits and made.isdecimal()
    assert made == pin.mint(KEY, offer_id="o1", generation=0, digits=digits)


def test_every_argument_counts() -> None:
    made = {
        pin.mint(KEY, offer_id="o1", generation=0, digits=6),
        pin.mint(OTHER, offer_id="o1", generation=0, digits=6),
        pin.mint(KEY, offer_id="o2", generation=0, digits=6),
        pin.mint(KEY, offer_id="o1", generation=1, digits=6),
    }
    assert len(made) == 4


def test_no_digit_is_favoured() -> None:
    first = Counter(pin.mint(KEY, offer_id=f"o{n}", generation=0, digits=6)[0] for n in range(5000))
    assert set(first) == set("0123456789")
    assert max(first.values()) < 1.3 * min(first.values())
