"""Pages with gaps: filled, they are what rendering would have made, whatever the values are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from mailgate.web.sheet import Sheet, gap

TEMPLATE = Environment(autoescape=True).from_string('<p title="{{ one }}">{{ two }}</p>{{ one }}')
SHEET = Sheet(TEMPLATE.render(one=gap("one"), two=gap("two")))

ANY = st.text(st.characters(codec="utf-8"))


@given(one=ANY, two=ANY)
def test_filling_is_rendering(one: str, two: str) -> None:
    assert SHEET.fill({"one": one, "two": two}).decode() == TEMPLATE.render(one=one, two=two)


def test_a_value_is_no_gap() -> None:
    assert SHEET.fill({"one": gap("two"), "two": "x"}).decode().count(gap("two")) == 2


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        SHEET.fill({"one": "x"})
