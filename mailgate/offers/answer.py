"""What an offeree may say that is no call (decline, answer with a text, "not me"), and what the offeror is told. Pure.

Texts come from strangers and go into mail, pages and later into speech: `clean` makes them plain. What a reader could
be misled by goes: control characters, and the marks that turn the direction of writing (Unicode Annex 9, 2; the
"Trojan Source" trick). Joiners stay, since scripts and emoji need them.

Known limit: the length is counted in code points, so that a cut may fall within what a reader sees as one character.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import Enum

from mailgate.calls.model import Channel, Outcome
from mailgate.offers.slots import Access, Slot

MOST_TEXT = 1000
"""Code points of a text that are kept: a screen on a phone, and not a letter."""

MOST_REPLIES = 5
"""Answers that one offer takes without a decision: each is a mail to the offeror."""

_JOINERS = "\u200c\u200d"
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_MANY_LINES = re.compile(r"\n[ \n]*\n")


def clean(text: str, most: int = MOST_TEXT) -> str:
    """The text in NFC, without control, format and private characters, with single blank lines at the most."""
    lines = _LINE_ENDS.sub("\n", unicodedata.normalize("NFC", text[: 4 * most])).replace("\t", " ")
    kept = "".join(c for c in lines if c == "\n" or c in _JOINERS or not unicodedata.category(c).startswith("C"))
    return _MANY_LINES.sub("\n\n", kept).strip()[:most].rstrip()


class Reason(Enum):
    """Why a call was declined, as the page offers it to choose from."""

    NOT_NOW = "not-now"
    BY_MAIL = "by-mail"
    NO_NEED = "no-need"
    WRONG_PERSON = "wrong-person"
    OTHER = "other"  # whatever the text says


# --- events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The offeree does not want the call; `text` is clean, and may be empty."""

    reason: Reason
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The offeree answers in words and decides nothing; `text` is clean and not empty."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMe:
    """Whoever reads the mailbox wants no offers there, and has shown that it is theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """The offeror wants the call to lead elsewhere."""

    destination_name: str
    destination: tuple[Channel, ...] = field(repr=False)


# --- the effect -----------------------------------------------------------------------------------------------


class News(Enum):
    """What the offeror is told of an offer."""

    DECLINED = "declined"
    REPLIED = "replied"
    MISSED = "missed"
    SLOT_BOOKED = "slot-booked"
    SLOT_MOVED = "slot-moved"
    SLOT_CANCELLED = "slot-cancelled"
    SLOT_MISSED = "slot-missed"


MISSED = frozenset(
    {
        Outcome.DESTINATION_BUSY,
        Outcome.DESTINATION_NO_ANSWER,
        Outcome.DESTINATION_REJECTED,
        Outcome.DESTINATION_WRONG_NUMBER,
        Outcome.DESTINATION_UNREACHABLE,
        Outcome.DESTINATION_NO_KEY,
        Outcome.DESTINATION_HUNG_UP,
    }
)
"""Outcomes in which the offeree was there and the destination was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell the offeror, once. It is written down in the same transaction as the step that asks for it."""

    news: News
    reason: Reason | None = None
    text: str = field(default="", repr=False)
    outcome: Outcome | None = None
    slot: Slot | None = None  # of the four about a slot: as it is now, or was
    access: Access | None = None  # for the calendar file that an offeree has asked for
