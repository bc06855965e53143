"""Every language says everything: pages, notices, notes, announcements, the block; with the same placeholders."""

from __future__ import annotations

import asyncio
import string
import tomllib
import wave
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from mailgate.calls.announcements import calling, spoken_language, to_destination, to_offeree
from mailgate.calls.speech import LONGEST_TEXT, Speech, SpeechSettings, clean
from mailgate.languages import LANGUAGES
from mailgate.offers.offer import Terms
from mailgate.web import texts
from mailgate.web.countries import names

TEMPLATES = files("templates")
TABLES = {
    name: tomllib.loads(TEMPLATES.joinpath("mail", name).read_text("utf-8")) for name in ("notices.toml", "note.toml")
}
SPEECH = {
    language: tomllib.loads(TEMPLATES.joinpath("speech", f"{language}.toml").read_text("utf-8"))
    for language in LANGUAGES
}


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def assert_alike(mine: Mapping[str, str], english: Mapping[str, str]) -> None:
    assert mine.keys() == english.keys()
    for name, text in english.items():
        assert sorted(set(placeholders(mine[name]))) == sorted(set(placeholders(text))), name
        assert mine[name].strip(), name


def test_every_set_of_words_speaks_every_language() -> None:
    assert set(texts.load()) == set(LANGUAGES)
    for name, table in TABLES.items():
        assert set(table) == set(LANGUAGES), name
    phrases = tomllib.loads(TEMPLATES.joinpath("mail", "phrases.toml").read_text("utf-8"))
    assert set(LANGUAGES) <= set(phrases)


@pytest.mark.parametrize("language", LANGUAGES)
class TestEachLanguage:
    @pytest.mark.parametrize("table", TABLES)
    def test_mail_says_the_same_things(self, language: str, table: str) -> None:
        assert_alike(TABLES[table][language], TABLES[table]["en"])

    def test_announcements_say_the_same_things(self, language: str) -> None:
        assert_alike(SPEECH[language], SPEECH["en"])

    def test_both_announcements_are_spoken_whole(self, language: str, terms: Terms, tmp_path: Path) -> None:
        assert spoken_language(language) == language
        speech = Speech(SpeechSettings(folder=tmp_path))
        for said in (to_offeree(terms).text, calling(terms).text, to_destination(terms).text):
            assert clean(said) == said and len(said) <= LONGEST_TEXT
            path = asyncio.run(speech.render(said, language))
            assert path is not None
            with wave.open(str(path.with_suffix(".wav"))) as sound:
                assert 1 < sound.getnframes() / sound.getframerate() < 20

    def test_its_own_name_is_not_that_of_another(self, language: str) -> None:
        found = texts.load()
        assert [each for each in found.values() if each.entries["name"] == found[language].entries["name"]] == [
            found[language]
        ]

    def test_countries_are_named_in_it(self, language: str) -> None:
        (_, label), *_ = names(language, ["DE"])
        assert label.endswith("+49") and (language == "en") == label.startswith("Germany")


@pytest.fixture
def terms(request: pytest.FixtureRequest) -> Terms:
    language = request.node.callspec.params["language"]
    return Terms(
        account_id="a",
        offeror_name="Ada Lovelace",
        destination_name="Ada Lovelace",
        destination=(),
        offeree_address="bob.builder@example.org",
        language=language,
    )
