"""What is said on the line before two parties are connected. Pure; the words stand in templates/speech/.

The texts name people, never numbers. A language that has no words of its own is spoken to in English.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mailgate.offers.offer import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Words around one name. Where the name is the offeror's own (`by_offeror`), a recording may take its place."""

    before: str
    name: str
    after: str
    by_offeror: bool = False

    @property
    def text(self) -> str:
        return self.before + self.name + self.after


def to_offeree(terms: Terms) -> Sentence:
    """Who offers the call, and which keys there are."""
    return _around(terms, "offeree", terms.offeror_name, by_offeror=True)


def calling(terms: Terms) -> Sentence:
    """Who is called now, said to the offeree who has pressed 1."""
    return _around(terms, "calling", terms.destination_name, by_offeror=terms.destination_name == terms.offeror_name)


def to_destination(terms: Terms) -> Sentence:
    """Whose offer was accepted."""
    words = _words(terms.language)
    if terms.offeree_name:
        return _around(terms, "destination", terms.offeree_name)
    if not terms.offeree_address:
        return Sentence(before=words["destination-plain"], name="", after="")
    local, _, domain = terms.offeree_address.rpartition("@")
    spoken = " ".join((local, words["at"], domain.replace(".", f" {words['dot']} ")))
    return _around(terms, "destination", spoken)


def _around(terms: Terms, sentence: str, name: str, *, by_offeror: bool = False) -> Sentence:
    before, _, after = _words(terms.language)[sentence].partition("{name}")
    return Sentence(before=before, name=name, after=after, by_offeror=by_offeror)


def hold_words(language: str, name: str) -> dict[str, str]:
    """What a caller may hear who could not be put through to `name`: the texts of templates/speech by their keys."""
    return {key: text.format(name=name) for key, text in _words(language).items()}


def code_sentence(language: str) -> str:
    """What comes before the digits of a code."""
    return _words(language)["code"]


def again_sentence(language: str) -> str:
    """How to hear it again."""
    return _words(language)["tell-again"]


@cache
def spoken_language(language: str) -> str:
    """The language in which the texts are, where `language` is wished for."""
    return language if files("templates").joinpath("speech", f"{language}.toml").is_file() else "en"


@cache
def _words(language: str) -> dict[str, str]:
    text = files("templates").joinpath("speech", f"{spoken_language(language)}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
