"""The pages' words: one TOML file for each language in templates/pages/texts, chosen by Accept-Language. Pure.

A text's name is its path in the file (`offer.title`); `{…}` in a text is filled in when it is shown. Every file
holds the same names with the same placeholders (a test holds them to it). A new language is a new file.

Standards: RFC 9110, 12.5.4 (Accept-Language), RFC 4647, 3.4 (look-up: a longer range falls back to a shorter one).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

_ISOLATE, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
MOST_RANGES = 20
"""Language ranges that are looked at; browsers send fewer than ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """One language's words."""

    language: str
    direction: str
    entries: Mapping[str, str]

    def say(self, name: str, **values: object) -> str:
        """The text of that name, filled in. Raises KeyError where there is none.

        Among words that run from right to left each value keeps its own direction, and a number its order (Unicode
        Annex 9, 2.4.2: first strong isolate; without a letter that is left to right).
        """
        if self.direction == "rtl":
            values = {key: f"{_ISOLATE}{value}{_END}" for key, value in values.items()}
        return self.entries[name].format_map(values)

    def knows(self, name: str) -> bool:
        return name in self.entries


def load() -> dict[str, Texts]:
    """All languages that there are files for."""
    found: dict[str, Texts] = {}
    for file in files("templates").joinpath("pages", "texts").iterdir():
        language, _, suffix = file.name.partition(".")
        if suffix == "toml":
            entries = dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))
            found[language] = Texts(language=language, direction=entries["direction"], entries=entries)
    return found


def _flat(table: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", str(value)


def ranges(accept_language: str) -> list[tuple[str, str]]:
    """`(language, REGION or "")`, the best first: `de-AT,en;q=0.5` → `[("de", "AT"), ("en", "")]`."""
    weighed: list[tuple[float, str, str]] = []
    for piece in accept_language.split(",")[:MOST_RANGES]:
        tag, _, parameter = piece.strip().partition(";")
        subtags = tag.strip().split("-")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if weight > 0 and subtags[0].isalpha() and tag.isascii():
            region = next((s.upper() for s in subtags[1:] if len(s) == 2 and s.isalpha()), "")
            weighed.append((weight, subtags[0].lower(), region))
    weighed.sort(key=lambda entry: -entry[0])  # stable: equals stay in the order given
    return [(language, region) for _, language, region in weighed]


def choose(languages: Mapping[str, Texts], accept_language: str, otherwise: str = "en") -> Texts:
    """The reader's language where there is one, else `otherwise` (the offer's), else English."""
    for language, _ in ranges(accept_language):
        if language in languages:
            return languages[language]
    return languages.get(otherwise.partition("-")[0].lower()) or languages["en"]
