"""What is written in chats, for every network of instant messages: texts and words by language (templates/chat).

A notice goes in, text comes out; the network itself only carries it. `compose` has words for the offer to somebody who
was called in vain or is offered a call, and for what the offeror is told of an offer.
Known limit: what comes with a calendar file, and what proves a mailbox (codes, links to sign in), goes by mail alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from babel.dates import get_day_names

from mailgate.languages import LANGUAGES
from mailgate.networks import mail, missed_call
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.words import Vocabulary, vocabulary
from smtp_hooks.block import clean_name

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0, 2.2 has no room for; a server ends the stream over it."""

TOLD = frozenset({Kind.ACCEPTED, Kind.DECLINED, Kind.REPLIED, Kind.MISSED})
"""What an offeror is told in a chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """`public_url` without a slash at its end."""

    organisation: str
    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """An answer that is ready to press: `value` is what is sent, `label` what is shown."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """`token`: of the offer that the message carries, empty where it carries none."""

    text: str = field(repr=False)
    token: str = field(default="", repr=False)
    buttons: Sequence[Button] = ()


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    folder = files("templates").joinpath("chat")
    return {each: tomllib.loads(folder.joinpath(f"{each}.toml").read_text(encoding="utf-8")) for each in LANGUAGES}


def texts() -> Mapping[str, Mapping[str, str]]:
    """What is said, by language."""
    return {language: table["say"] for language, table in _tables().items()}


@cache
def known_words() -> Vocabulary:
    """The words of all languages, with the days of the week as Unicode CLDR names them."""
    named = [(name, _WEEKDAYS[day]) for each in LANGUAGES for day, name in get_day_names("wide", locale=each).items()]
    return vocabulary((table["words"] for table in _tables().values()), named)


def buttons(language: str) -> tuple[Button, ...]:
    """Accept, later and decline, in the reader's words."""
    table = _tables().get(language.partition("-")[0].lower()) or _tables()["en"]
    return tuple(
        Button(value=table["words"][name][0], label=table["say"][f"label-{name}"])
        for name in ("accept", "later", "decline")
    )


def compose(notice: Notice, settings: ChatSettings) -> Composed | None:
    """The message; None for a notice that no chat carries."""
    language = notice.language.partition("-")[0].lower()
    if notice.kind in (Kind.MISSED_CALL, Kind.OFFERED):
        return _offer(notice, settings, language)
    if notice.kind not in TOLD:
        return None
    says = mail.words().get(language) or mail.words()["en"]
    values = {**notice.values, "organisation": settings.organisation, "my": f"{settings.public_url}/my"}
    return Composed(text=_BROKEN.sub("", "\n\n".join(mail.paragraphs(notice, says, values))))


def _offer(notice: Notice, settings: ChatSettings, language: str) -> Composed:
    told = missed_call.words().get(language) or missed_call.words()["en"]
    says = texts().get(language) or texts()["en"]
    values = notice.values
    known = "-offered" if notice.kind is Kind.OFFERED else "" if values.get("offeror") else "-guest"
    offeror = clean_name(values["offeror"]) if values.get("offeror") else told["guest"]
    lines = [told[f"called{known}"].format_map({"offeror": offeror})]
    if notice.kind is Kind.MISSED_CALL:
        lines[0] += " " + told[values["why"]]
    token = values.get("token", "")
    if not token:
        return Composed(text=_BROKEN.sub("", "\n\n".join((*lines, told["note"]))))
    if values.get("on_line"):
        lines.append(told["on-line"])
    link = f"{settings.public_url}/a/{token}"
    lines.append(says["offer"].format(organisation=settings.organisation, offeror=offeror, link=link))
    lines.append(says["answers"].strip())
    return Composed(text=_BROKEN.sub("", "\n\n".join(lines)), token=token, buttons=buttons(language))
