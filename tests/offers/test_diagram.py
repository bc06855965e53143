"""The page with the offer's states is what the table draws."""

from __future__ import annotations

from pathlib import Path

from mailgate.offers.diagram import page


def test_the_page_in_the_docs_is_drawn_from_the_table() -> None:
    kept = Path(__file__).parents[2] / "docs" / "offer.md"
    assert kept.read_text(encoding="utf-8") == page(), "run: python -m mailgate.offers.diagram > docs/offer.md"
