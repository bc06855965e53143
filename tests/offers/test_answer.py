"""The words of strangers: made plain, whatever they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.offers.answer import MOST_TEXT, Declined, News, Notify, Reason, Replied, clean

ANY = st.text(st.characters(), max_size=3 * MOST_TEXT)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Tomorrow, please.\r\n", "Tomorrow, please."),
        ("one\r\ntwo\rthree\u2028four\x0bfive", "one\ntwo\nthree\nfour\nfive"),
        ("one\n\n \n\n\ntwo", "one\n\ntwo"),
        ("safe\u202eevil\u2066\u200f\u061c", "safeevil"),
        ("a\0b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("e\u0301", "é"),
        ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}"),
        ("\u200b\ufeff \n\t", ""),
        ("tab\there", "tab here"),
    ],
)
def test_what_is_kept(typed: str, kept: str) -> None:
    assert clean(typed) == kept


@given(ANY)
def test_whatever_comes_is_plain_and_short_and_cleaning_again_changes_nothing(typed: str) -> None:
    text = clean(typed)
    assert len(text) <= MOST_TEXT
    assert text == text.strip()
    assert "\n\n\n" not in text
    assert {unicodedata.category(c)[0] for c in text if c not in "\n\u200c\u200d"} <= set("LMNPSZ")
    assert clean(text) == text


def test_no_text_shows_in_what_might_be_logged() -> None:
    said = "a private word"
    events = (Declined(reason=Reason.OTHER, text=said), Replied(text=said), Notify(news=News.REPLIED, text=said))
    assert said not in repr(events)
