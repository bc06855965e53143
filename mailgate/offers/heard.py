"""What passes between a network of instant messages and the chats behind it, and how calls are told there. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.calls.model import Channel, Kind, Outcome
from mailgate.offers.answer import MISSED
from mailgate.offers.known import tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message that came in. `at`: when it was written, UNIX seconds; `thread`: as the reader's program names it."""

    text: str = field(repr=False)
    at: float
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What is answered. `language` of the text; `call`: token and number of the call that has begun, for `after`."""

    text: str = field(repr=False)
    language: str = "en"
    call: tuple[str, int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRules:
    """`region`: of numbers without a country code; `zone`: of readers whose account names none; `language`: spoken to
    whom nothing is known of."""

    public_url: str
    region: str
    zone: str
    language: str = "en"


def shown(channel: Channel) -> str:
    """A telephone by the end of its number, whoever may look over the reader's shoulder; a page by its path."""
    if channel.kind is Kind.PAGE:
        return "/my/listen"
    return f"…{tail(channel)}" if channel.kind is Kind.TEL else channel.address


def failure(outcome: Outcome | None) -> str:
    """What is said of a call that came to nothing; "" where nothing needs saying: who was on the telephone knows."""
    match outcome:
        case (
            Outcome.OFFEREE_BUSY
            | Outcome.OFFEREE_NO_ANSWER
            | Outcome.OFFEREE_WRONG_NUMBER
            | Outcome.OFFEREE_UNREACHABLE
        ):
            return "failed-you"
        case Outcome.LINES_BUSY | Outcome.NOT_PLACED | Outcome.FAULT | Outcome.LOST:
            return "failed"
        case _:
            return "failed-them" if outcome in MISSED else ""
