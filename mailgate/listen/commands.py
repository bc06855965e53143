"""What is typed into the listening application: a line → what to do. Pure.

A number names an offer as it is shown; without one the latest is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mailgate.errors import MailgateError
from mailgate.listen.protocol import Status

HELP = """\
accept [N] [CHANNEL]   call me now, by my ways in my order, or by CHANNEL (sip:ben, +33199000002)
later [N]              show the page, where a time can be chosen
decline [N] TEXT       say no, and why
answer [N] TEXT        say something; the offer stays
offer ADDRESS          offer a call to somebody
status WORD            available, busy, away or dnd
quiet HOURS [ZONE]     never be disturbed then, such as: quiet "Mon-Sun 0-7,22-24" Europe/Paris; quiet off
list                   what is offered
help                   this
quit                   end"""

_SHORT = {
    "a": "accept",
    "l": "later",
    "d": "decline",
    "w": "answer",
    "o": "offer",
    "s": "status",
    "q": "quit",
    "?": "help",
}
_STATUSES: tuple[Status, ...] = ("available", "busy", "away", "dnd")


class NoCommand(MailgateError):
    """What was typed is no command; the text says what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOffer:
    """To do with an offer; `number` 0: the latest. `text` is the channel of an acceptance, else words."""

    what: Literal["accept", "later", "decline", "answer"]
    number: int = 0
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOffer:
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Be:
    """Another status."""

    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepQuiet:
    """Hours of do-not-disturb; empty: none any more."""

    hours: str
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simply:
    what: Literal["list", "help", "quit"]


Command = OnOffer | MakeOffer | Be | KeepQuiet | Simply


def read(line: str) -> Command | None:
    """None for an empty line. Raises NoCommand."""
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    name = _SHORT.get(word.lower(), word.lower())
    match name:
        case "":
            return None
        case "accept" | "later" | "decline" | "answer":
            number, text = _number(rest)
            if name == "answer" and not text:
                raise NoCommand("what is the answer? Write: answer 1 I call you tomorrow")
            return OnOffer(what=name, number=number, text=text)
        case "offer":
            if "@" not in rest[1:-1] or " " in rest:
                raise NoCommand("to whom? Write: offer ada@example.org")
            return MakeOffer(address=rest)
        case "status":
            status = next((each for each in _STATUSES if each == rest.lower()), None)
            if status is None:
                raise NoCommand(f"a status is one of {', '.join(_STATUSES)}")
            return Be(status=status)
        case "quiet":
            return _quiet(rest)
        case "list" | "help" | "quit":
            return Simply(what=name)
        case _:
            raise NoCommand(f"{word!r} is no command; help lists them")


def _number(rest: str) -> tuple[int, str]:
    first, _, text = rest.partition(" ")
    return (int(first), text.strip()) if first.isascii() and first.isdecimal() and len(first) < 6 else (0, rest)


def _quiet(rest: str) -> KeepQuiet:
    if rest.lower() == "off":
        return KeepQuiet(hours="")
    hours, zone = rest, ""
    if rest.startswith('"'):
        hours, _, zone = rest[1:].partition('"')
    if not hours.strip():
        raise NoCommand('when? Write: quiet "Mon-Sun 0-7,22-24" Europe/Paris')
    return KeepQuiet(hours=hours.strip(), zone=zone.strip())
