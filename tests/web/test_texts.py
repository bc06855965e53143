"""The words: the same in every language, for every state and every outcome; and which language a reader gets."""

from __future__ import annotations

import string

import pytest

from mailgate.calls.model import Outcome
from mailgate.languages import LANGUAGES as SPOKEN
from mailgate.offers.answer import Reason
from mailgate.offers.slots import Missed
from mailgate.offers.table import ENDED, IN_CALL, WAITING, State
from mailgate.web.countries import examples, names, region_of, spaced
from mailgate.web.texts import choose, load, ranges

LANGUAGES = load()
REASONS = (
    # of mailgate.calls.dialling
    *("emergency", "not-a-number", "short-code", "country-not-allowed", "denied-prefix", "premium", "sip-not-allowed"),
    *("same-number", "own-number"),
    # of mailgate.offers.service, and of the page itself
    *("suppressed", "empty", "sip-empty", "sip-not-a-number"),
    # of mailgate.web.answer
    *("decline-empty", "reply-empty", "never-address", "never-code"),
    # of mailgate.web.known
    *("digits-empty", "digits-wrong", "digits-spent"),
    # of mailgate.web.later and mailgate.offers.slots
    *("later-when", "later-gone", "later-taken", "later-full", "later-rest", "later-zone"),
)
VALUES = {
    "caller": "ben@example.net",
    "offeror": "Ada",
    "destination": "Eve",
    "gateway": "+1",
    "organisation": "Org",
    "duration": "3 s",
    "date": "today",
    "seconds": 1,
    "minutes": 2,
    "made": "today",
    "until": "tomorrow",
    "ended": "now",
    "at": "now",
    "tail": "42",
    "slot": "Monday",
    "day": "Tuesday",
    "number": "+33 … 02",
    "device": "laptop",
    "to": "ben@example.net",
}


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_languages_that_the_page_speaks() -> None:
    assert set(LANGUAGES) == set(SPOKEN)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
class TestEachLanguage:
    def test_it_says_the_same_things(self, language: str) -> None:
        mine, english = LANGUAGES[language].entries, LANGUAGES["en"].entries
        assert mine.keys() == english.keys()
        for name, text in english.items():
            assert placeholders(mine[name]) == placeholders(text), name

    def test_no_text_is_empty_and_each_can_be_filled_in(self, language: str) -> None:
        for name in LANGUAGES[language].entries:
            assert LANGUAGES[language].say(name, **VALUES).strip(), name

    def test_every_outcome_has_words_of_its_own(self, language: str) -> None:
        texts = LANGUAGES[language]
        said = {outcome: texts.say(f"outcome.{outcome.value}.title", **VALUES) for outcome in Outcome}
        assert len(set(said.values())) == len(Outcome), said
        for outcome in Outcome:
            assert texts.knows(f"outcome.{outcome.value}.text")
            assert texts.knows(f"outcome.{outcome.value}.next")

    def test_every_refusal_has_words(self, language: str) -> None:
        assert [reason for reason in REASONS if not LANGUAGES[language].knows(f"refused.{reason}")] == []

    def test_every_reason_has_words_of_its_own(self, language: str) -> None:
        assert len({LANGUAGES[language].say(f"reason.{reason.value}") for reason in Reason}) == len(Reason)

    def test_the_offeror_is_told_every_state_and_reason(self, language: str) -> None:
        texts = LANGUAGES[language]
        states = {"call" if state in IN_CALL else state.value for state in State}
        assert len({texts.say(f"my.state.{state}") for state in states}) == len(states)
        assert all(texts.knows(f"my.reason.{r.value}") for r in Reason if r is not Reason.OTHER)

    def test_every_state_of_a_call_has_words_of_its_own(self, language: str) -> None:
        texts = LANGUAGES[language]
        said = [texts.say(f"state.{state.value}.title", **VALUES) for state in sorted(IN_CALL, key=str)]
        # while the destination rings, the page says so; nothing else reads the same
        assert len(set(said)) == len(said)
        assert all(texts.knows(f"missed.{missed.value}") for missed in Missed)
        for state in IN_CALL | ENDED:
            assert texts.knows(f"state.{state.value}.text")
        for state in ENDED:
            assert texts.knows(f"state.{state.value}.after")

    def test_the_reader_gets_it_by_asking(self, language: str) -> None:
        assert choose(LANGUAGES, f"{language}-XX,zz;q=0.9").language == language


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("de-AT,en;q=0.5", [("de", "AT"), ("en", "")]),
        ("en;q=0.5, fr-CH", [("fr", "CH"), ("en", "")]),
        ("zh-Hant-TW", [("zh", "TW")]),
        ("en;q=0, de", [("de", "")]),
        ("", []),
        ("*", []),
        (";;;,,q=1,-,1-2", []),
        ("de;q=zero,fr", [("fr", "")]),
        ("de\xe9,fr", [("fr", "")]),
    ],
)
def test_language_ranges(header: str, found: list[tuple[str, str]]) -> None:
    assert ranges(header) == found


def test_a_long_header_costs_little() -> None:
    assert len(ranges("en," * 100_000)) <= 20


@pytest.mark.parametrize(
    ("header", "offer", "language"),
    [("xx", "de", "de"), ("", "fr-CA", "fr"), ("", "xx", "en"), ("fr", "de", "fr"), ("", "", "en")],
)
def test_else_the_offers_language_else_english(header: str, offer: str, language: str) -> None:
    assert choose(LANGUAGES, header, offer).language == language


def test_the_country_is_one_that_is_on_offer() -> None:
    assert region_of("de-AT", ["AT", "DE"], "DE") == "AT"
    assert region_of("pt-BR,de-AT;q=0.1", ["AT", "DE"], "DE") == "AT"
    assert region_of("pt-BR", ["AT", "DE"], "DE") == "DE"


def test_countries_are_named_in_the_readers_language() -> None:
    assert names("de", ["AT", "FR"]) == [("FR", "Frankreich +33"), ("AT", "Österreich +43")]
    assert names("no such language", ["FR"]) == [("FR", "France +33")]


def test_examples_and_the_gateways_number_read_well() -> None:
    assert examples(["FR"]) == {"FR": "06 12 34 56 78"}
    assert spaced("+33199001234").replace("\N{NO-BREAK SPACE}", " ") == "+33 1 99 00 12 34"
    assert spaced("not a number") == "not a number"


def test_the_states_are_all_told() -> None:
    assert set(State) == WAITING | IN_CALL | ENDED
