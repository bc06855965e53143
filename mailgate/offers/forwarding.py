"""Who may take up an offer whose link was passed on: the forwarding policies, as rules over marks. Pure.

An offer goes to one person, and a link can be sent on. What is known of whoever presses is a *hand*: marks of the
browser (a signed cookie) and of the telephone (its number); a mark is a keyed digest that tells nothing. The offer
keeps the marks of its *holders*:
- `bind`: whoever takes it up first holds it, by browser and by number; either one is enough to come back. Everybody
  else is a stranger, until they type a code that was mailed to the original recipient.
- `verify`: nobody holds it before that code.
- `bearer`: whoever has the link.

Known limit: a PIN that somebody saw before the offer was bound stays good for the telephone that dials in first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

MOST_HOLDERS = 16
"""Marks that an offer keeps: a person has few browsers and telephones."""

NUMBER, BROWSER = "n", "b"
"""What a mark is of: its first letter."""


class Forwarding(Enum):
    """An offer's policy. The value is what configuration, store and API show."""

    BIND = "bind"
    VERIFY = "verify"
    BEARER = "bearer"


class Standing(Enum):
    """What a hand is to an offer. The value names page texts and reasons of a refusal."""

    HOLDER = "holder"
    STRANGER = "stranger"  # somebody else took it up first
    UNPROVEN = "unproven"  # nobody may before the code


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Whoever presses: marks of browser and number, each empty where there is none."""

    browser: str = ""
    number: str = ""

    @property
    def marks(self) -> frozenset[str]:
        return frozenset(mark for mark in (self.browser, self.number) if mark)


def standing(policy: Forwarding, holders: frozenset[str], hand: Hand) -> Standing:
    """What the hand is to an offer with these holders."""
    match policy:
        case Forwarding.BEARER:
            return Standing.HOLDER
        case Forwarding.VERIFY:
            return Standing.HOLDER if hand.browser in holders else Standing.UNPROVEN
        case Forwarding.BIND:
            if not holders or hand.marks & holders:
                return Standing.HOLDER
            return Standing.STRANGER
        case _:
            assert_never(policy)


def dialled(policy: Forwarding, holders: frozenset[str], hand: Hand) -> Standing:
    """The same of who dials in with the PIN, which the page shows to holders only, and a message never under `verify`:
    the telephone that an offer is bound to, or, while it is bound to browsers alone, the first that comes."""
    if policy is not Forwarding.BIND or not any(mark.startswith(NUMBER) for mark in holders):
        return Standing.HOLDER
    return standing(policy, holders, hand)


def after(policy: Forwarding, holders: frozenset[str], hand: Hand) -> frozenset[str]:
    """The holders once this hand has taken the offer up. What would be one too many is not kept."""
    if policy is not Forwarding.BIND:
        return holders
    return with_marks(holders, hand.marks)


def with_marks(holders: frozenset[str], marks: Iterable[str]) -> frozenset[str]:
    """With these marks too, as far as there is room."""
    fresh = sorted(set(marks) - holders)
    return holders | frozenset(fresh[: MOST_HOLDERS - len(holders)])
