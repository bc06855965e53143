"""Answers by word: what somebody means who answers an offer in a chat. Pure.

A text goes in, one of `Said` comes out; what is not understood with certainty is Unclear, and nothing is done then. A
command stands at the beginning, alone or before what belongs to it: `call 15:30`, `call +33 1 99 00 12 34`, `no, in a
meeting`, `answer I am on my way`. Words of a decline stand behind a sign, since `no problem, call me` is none.
The words of all languages are known to everybody (one word means the same in each, a test holds them to it); 1, 2 and
3 stand for accept, later and decline. What a client quotes of the message that is answered is left out.

Times are hours and minutes of the day with a colon or an `h`, or with the language's word for o'clock, or am and pm.
`15.30` is not among them: it may be a date. Standards: XEP-0393, 5.1.3 (quotation).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from mailgate.offers.answer import clean

LONGEST = 2000
"""Characters that are looked at: an answer is a line or two."""


class Word(Enum):
    """What a command asks for; the value is its name in templates/chat."""

    ACCEPT = "accept"
    LATER = "later"
    DECLINE = "decline"
    ANSWER = "answer"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Call now; on `number`, as it was typed, where there is one."""

    number: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Call at that time: the next such, or that of `day` (`0` today, `1` tomorrow, `mon` … `sun`, or YYYY-MM-DD).
    `alone`: no word said what should happen then."""

    hour: int
    minute: int
    day: str = ""
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Another time, which is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number and nothing else: good where one was asked for."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """What is there, and what can be said?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Nothing that could be acted on."""


Said = Accept | At | Later | Decline | Answer | Number | Help | Unclear

_DIGITS = {1: Word.ACCEPT, 2: Word.LATER, 3: Word.DECLINE}
_SIGN = re.compile(r"\s*(?:[,:;.!、，：；。،؛–—-]+|\n)\s*")
_BEHIND = re.compile(r"(?=$|[\s,.:;!?、，：；。،؛–—-])")
_NUMBER = re.compile(r"[+(]?[\d][\d\s().\-/]{5,30}\Z")
_SIP = re.compile(r"sip:\S{1,120}\Z", re.IGNORECASE)
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_TIME = re.compile(
    r"(?<![\d:])(\d{1,2})(?:\s?(?::|h)\s?(\d{2})(?!\d)|\s?(?:h|uhr|ore|uur|時)(?:\s?(\d{2})\s?分?)?)?"
    r"(?:\s?([ap])\.?m\b\.?)?(?![\d:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """`commands`: a word, folded, and what it asks for; `days`: its word and its name in `At.day`; `fillers`: words
    that change nothing."""

    commands: Mapping[str, Word]
    days: Mapping[str, str]
    fillers: frozenset[str]


def vocabulary(languages: Iterable[Mapping[str, Iterable[str]]], weekdays: Iterable[tuple[str, str]]) -> Vocabulary:
    """Of all languages' lists, named as in templates/chat; `weekdays`: (word, `mon` … `sun`).

    Raises ValueError where a word has two meanings.
    """
    commands: dict[str, Word] = {}
    days = {folded(word): name for word, name in weekdays}
    fillers: set[str] = set()
    for lists in languages:
        for meaning in Word:
            for word in lists[meaning.value]:
                if commands.setdefault(folded(word), meaning) is not meaning:
                    raise ValueError(f"{word!r} has two meanings")
        days |= {folded(word): "0" for word in lists["today"]} | {folded(word): "1" for word in lists["tomorrow"]}
        fillers |= {folded(word) for name in ("polite", "at") for word in lists[name]}
    return Vocabulary(commands=commands, days=days, fillers=frozenset(fillers))


def folded(text: str) -> str:
    """For comparing: compatibility forms, case and the digits of other scripts are one."""
    plain = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", text))
    return " ".join(plain.casefold().split())


def understood(text: str, known: Vocabulary) -> Said:
    """What the text says."""
    lines = [line for line in clean(text, LONGEST).split("\n") if not line.lstrip().startswith(">")]
    said = "\n".join(lines).strip()
    bare = folded(said)
    if _is_number(bare):
        return Number(text=bare)
    word, rest = _command(said, known)
    match word:
        case Word.HELP:
            return Help()
        case Word.ACCEPT:
            return _accept(rest, known)
        case Word.LATER:
            return _time(_without_sign(rest), known) or Later()
        case Word.DECLINE:
            reason = _reason(rest)
            return Unclear() if reason is None else Decline(text=reason)
        case Word.ANSWER:
            words = _without_sign(rest)
            return Answer(text=words) if words else Unclear()
        case None:
            return _time(said, known, alone=True) or Unclear()


def _command(said: str, known: Vocabulary) -> tuple[Word | None, str]:
    """The longest command that the text begins with, and what follows; None where it begins with none."""
    if (alone := known.commands.get(folded(said))) is not None:
        return alone, ""
    digit = unicodedata.digit(said[:1], 0) if said else 0
    if digit in _DIGITS and _BEHIND.match(said, 1) and not re.match(r"\s*[:h\d]", said[1:]):
        return _DIGITS[digit], said[1:]
    ends = [found.start() for found in _BEHIND.finditer(said) if found.start()]
    for end in reversed(ends[:8]):  # no command has as many words
        if (meaning := known.commands.get(folded(said[:end]))) is not None:
            return meaning, said[end:]
    return None, said


def _without_sign(rest: str) -> str:
    sign = _SIGN.match(rest)
    return rest[sign.end() :].strip() if sign else rest.strip()


def _reason(rest: str) -> str | None:
    """The words behind the sign, "" where there are none; None where they stand behind no sign."""
    if not rest.strip():
        return ""
    return _without_sign(rest) if _SIGN.match(rest) else None


def _accept(rest: str, known: Vocabulary) -> Said:
    wanted = _without_sign(rest)
    if all(word in known.fillers for word in _plain(wanted)):
        return Accept()
    words = folded(wanted).split()
    while words and words[0] in known.fillers:
        words.pop(0)
    typed = " ".join(words)
    if _is_number(typed):
        return Accept(number=typed)
    return _time(wanted, known) or Unclear()


def _is_number(text: str) -> bool:
    if _SIP.match(text):
        return True
    return bool(_NUMBER.match(text)) and not _DATE.match(text) and sum(map(str.isdigit, text)) >= 6


def _plain(text: str) -> list[str]:
    return re.sub(r"[,.:;!、，：；。،؛–—]", " ", folded(text)).split()


def _time(text: str, known: Vocabulary, *, alone: bool = False) -> At | None:
    """A time with at most one day, and nothing else of meaning."""
    rest, day = folded(text), ""
    if (date := _DATE.search(rest)) is not None:
        day, rest = date[0], rest.replace(date[0], " ", 1)
    found = _TIME.search(rest)
    if found is None:
        return None
    hours, colon, worded, half = found.groups()
    if colon is None and half is None and not re.search(r"[^\d\s]", found[0]):
        return None  # a number alone may be anything
    hour, minute = int(hours), int(colon or worded or 0)
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59:
        return None
    for word in _plain(rest[: found.start()] + " " + rest[found.end() :]):
        if word in known.days and not day:
            day = known.days[word]
        elif word not in known.fillers:
            return None
    return At(hour=hour, minute=minute, day=day, alone=alone)
