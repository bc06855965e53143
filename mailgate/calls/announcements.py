"""What is said on the line before two parties are connected. Pure; the words stand in templates/speech/.

The texts name people, never numbers. A language that has no words of its own is spoken to in English.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from mailgate.offers.offer import Terms


def to_offeree(terms: Terms) -> str:
    """Who offers the call, and which keys there are."""
    return _words(terms.language)["offeree"].format(name=terms.offeror_name)


def to_destination(terms: Terms) -> str:
    """Whose offer was accepted."""
    words = _words(terms.language)
    if not terms.offeree_address:
        return words["destination-plain"]
    local, _, domain = terms.offeree_address.rpartition("@")
    spoken = " ".join((local, words["at"], domain.replace(".", f" {words['dot']} ")))
    return words["destination"].format(name=spoken)


def code_sentence(language: str) -> str:
    """What comes before the digits of a code."""
    return _words(language)["code"]


@cache
def spoken_language(language: str) -> str:
    """The language in which the texts are, where `language` is wished for."""
    return language if files("templates").joinpath("speech", f"{language}.toml").is_file() else "en"


@cache
def _words(language: str) -> dict[str, str]:
    text = files("templates").joinpath("speech", f"{spoken_language(language)}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
