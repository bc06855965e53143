"""Answers by word: what is understood, in nine languages, and that nothing else is."""

from __future__ import annotations

import re
import string
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.languages import LANGUAGES
from mailgate.networks import chat
from mailgate.offers.words import (
    Accept,
    Answer,
    At,
    Decline,
    Help,
    Later,
    Number,
    Said,
    Unclear,
    Word,
    folded,
    understood,
    vocabulary,
)

KNOWN = chat.known_words()
TABLES = {
    each: tomllib.loads(files("templates").joinpath("chat", f"{each}.toml").read_text("utf-8")) for each in LANGUAGES
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accept", Accept()),
        ("  Yes, please! ", Accept()),
        ("call me", Accept()),
        ("1", Accept()),
        ("１", Accept()),
        ("call +33 1 99 00 00 02", Accept(number="+33 1 99 00 00 02")),
        ("call me on 01 99 00 00 02", Accept(number="01 99 00 00 02")),
        ("call sip:ben", Accept(number="sip:ben")),
        ("call 15:30", At(hour=15, minute=30)),
        ("call me at 3:05 pm", At(hour=15, minute=5)),
        ("call 12am", At(hour=0, minute=0)),
        ("call tomorrow at 9:05", At(hour=9, minute=5, day="1")),
        ("anrufen Freitag 17 Uhr", At(hour=17, minute=0, day="fri")),
        ("appelez-moi à 15h30", At(hour=15, minute=30)),
        ("電話 15時30分", At(hour=15, minute=30)),
        ("اتصل ١٥:٣٠", At(hour=15, minute=30)),
        ("call 2026-11-23 10:00", At(hour=10, minute=0, day="2026-11-23")),
        ("later 15:30", At(hour=15, minute=30)),
        ("15:30", At(hour=15, minute=30, alone=True)),
        ("later", Later()),
        ("2", Later()),
        ("no", Decline()),
        ("No.", Decline()),
        ("no, in a meeting", Decline(text="in a meeting")),
        ("no: {offeror}", Decline(text="{offeror}")),
        ("3, in a meeting", Decline(text="in a meeting")),
        ("nein – in einer Besprechung", Decline(text="in einer Besprechung")),
        ("いいえ、会議中です", Decline(text="会議中です")),
        ("لا، في اجتماع", Decline(text="في اجتماع")),
        ("answer I am on my way", Answer(text="I am on my way")),
        ("?", Help()),
        ("؟", Help()),
        ("+33 1 99 00 00 02", Number(text="+33 1 99 00 00 02")),
        ("> accept\nno", Decline()),
    ],
)
def test_what_is_understood(text: str, said: Said) -> None:
    assert understood(text, KNOWN) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "no problem, call me",
        "yes but not now",
        "yes?",
        "accept nothing",
        "call 15",
        "call 15.30",
        "call 25:00",
        "call 13 pm",
        "call 2026-11-23",
        "call tomorrow",
        "call friday monday 10:00",
        "answer",
        "> accept",
        "acceptable",
        "12",
        "1:99",
        "he said accept",
    ],
)
def test_what_is_not_certain_is_not_guessed(text: str) -> None:
    assert understood(text, KNOWN) == Unclear()


@pytest.mark.parametrize("language", LANGUAGES)
class TestEachLanguage:
    def test_every_word_means_what_its_list_says(self, language: str) -> None:
        for meaning in Word:
            for word in TABLES[language]["words"][meaning.value]:
                assert KNOWN.commands[folded(word)] is meaning
        assert isinstance(understood(TABLES[language]["words"]["answer"][0] + " x", KNOWN), Answer)

    def test_the_help_names_what_is_understood(self, language: str) -> None:
        """Each example in the texts is one that works."""
        said = [understood(each.replace("…", "x"), KNOWN) for each in _examples(TABLES[language]["say"]["answers"])]
        kinds = [type(each) for each in said]
        assert kinds == [Accept, Later, At, Decline, Decline, Answer, Help, Accept, Later, Decline] or kinds == [
            Accept, Later, At, Decline, Decline, Answer, Help
        ]  # fmt: skip
        assert said[2] == At(hour=15, minute=30) and said[4].text  # type: ignore[union-attr]

    def test_other_examples_work_too(self, language: str) -> None:
        for key, text in TABLES[language]["say"].items():
            for example in _examples(text):
                assert understood(example.replace("…", "x"), KNOWN) != Unclear(), (key, example)

    def test_it_says_the_same_things(self, language: str) -> None:
        mine, english = TABLES[language]["say"], TABLES["en"]["say"]
        assert mine.keys() == english.keys() and TABLES[language]["words"].keys() == TABLES["en"]["words"].keys()
        for key, text in english.items():
            assert _placeholders(mine[key]) == _placeholders(text), key

    def test_buttons_send_what_is_understood(self, language: str) -> None:
        assert [type(understood(each.value, KNOWN)) for each in chat.buttons(language)] == [Accept, Later, Decline]


def _examples(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_a_word_with_two_meanings_is_refused() -> None:
    lists = {name: [name] for name in ("accept", "later", "answer", "help", "polite", "at", "today", "tomorrow")}
    with pytest.raises(ValueError, match="two meanings"):
        vocabulary([{**lists, "decline": ["accept"]}], [])


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    said = understood(text, KNOWN)
    if isinstance(said, Accept) and not said.number:
        assert set(folded(re.sub(r"[^\w\s'’]|_", " ", text)).split())  # it had words, or a digit, of its own


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60))
def test_words_of_a_decline_are_kept(text: str) -> None:
    said = understood(f"no, x{text}", KNOWN)
    assert isinstance(said, Decline) and said.text.startswith("x")
