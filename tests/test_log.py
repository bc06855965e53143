"""The last net: no number and no token leaves in a log line, whatever a caller does."""

from __future__ import annotations

import json
import logging

import pytest

from mailgate import log
from tokens import coupon, keys

TOKEN = coupon.mint(keys.Key("k", bytes(32)), offer_id="o", purpose=coupon.Purpose.ACCEPT)


@pytest.mark.parametrize(
    "text",
    ["+33199001234", "+33 1 99 00 12 34", "01.99.00.12.34", "(01) 99-00-12-34", "0033199001234", "tel:+33199001234"],
)
def test_numbers_are_masked(text: str) -> None:
    masked = log.mask(f"call to {text} failed")
    assert "99001" not in masked.replace(" ", "") and "00.12" not in masked and "00-12" not in masked
    assert masked.startswith("call to ") and masked.endswith("34 failed")


@pytest.mark.parametrize(
    "text",
    ["attempt=0123456789abcdef0123456789abcdef", "127.0.0.1:10025", "2026-11-21", "451 4.3.0", "took 123456 us"],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert log.mask(text) == text


def test_tokens_and_links_are_masked() -> None:
    assert TOKEN not in log.mask(f"GET https://call.example.org/a/{TOKEN}/events 200")


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_line_holds_its_fields_and_no_secret_even_in_a_traceback(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        log.set_up("info", style)  # type: ignore[arg-type]
        try:
            raise ValueError(f"no way to +33199001234 by {TOKEN}")
        except ValueError:
            logging.getLogger("mailgate.x").exception("call failed", extra={"attempt": "a1", "nothing": None})
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    line = capsys.readouterr().err
    assert "call failed" in line and "a1" in line and "Traceback" in line and "nothing" not in line
    assert "199001234" not in line and TOKEN not in line
    if style == "json":
        assert json.loads(line)["attempt"] == "a1"
