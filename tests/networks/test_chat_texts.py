"""What goes into a chat: offers and notices, never what proves a mailbox; and nothing XML has no room
for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailgate.languages import LANGUAGES
from mailgate.networks.chat import ChatSettings, compose
from mailgate.offers.notice import Kind, Notice

SETTINGS = ChatSettings(organisation="Analytical Engines", public_url="https://call.example.org")
DECLINED = Notice(
    notice_id="3f1c.2",
    kind=Kind.DECLINED,
    address="ada@example.org",
    language="en",
    created_at=1_800_000_000.0,
    expires_at=1_900_000_000.0,
    values={
        "offeree": "ben@example.net",
        "destination": "Ada Lovelace",
        "reason": "other",
        "text": "in a meeting",
        "outcome": "",
        "message_id": "",
    },
)
MISSED = {"offeror": "Ada \x00\x1bLovelace", "why": "busy", "token": "t" * 36, "reply_to": "", "on_line": "1"}


def test_a_decline_is_told_with_its_words() -> None:
    composed = compose(DECLINED, SETTINGS)
    assert composed is not None and not composed.buttons and not composed.token
    assert "offered to ben@example.net was declined" in composed.text and "> in a meeting" in composed.text


@pytest.mark.parametrize("kind", [Kind.CODE, Kind.SIGN_IN, Kind.SLOT_BOOKED, Kind.YOUR_SLOT])
def test_codes_links_to_sign_in_and_calendar_files_go_by_mail(kind: Kind) -> None:
    assert compose(replace(DECLINED, kind=kind), SETTINGS) is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Kind.MISSED_CALL, Kind.OFFERED])
def test_an_offer_in_each_language(kind: Kind, language: str) -> None:
    composed = compose(replace(DECLINED, kind=kind, language=language, values=MISSED), SETTINGS)
    assert composed is not None and composed.token == "t" * 36
    assert f"https://call.example.org/a/{'t' * 36}" in composed.text
    assert "\x00" not in composed.text and "\x1b" not in composed.text and "{" not in composed.text
    assert len({button.value for button in composed.buttons}) == 3


def test_a_caller_whom_nobody_can_call_back_has_no_buttons() -> None:
    values = {**MISSED, "offeror": "", "token": ""}
    composed = compose(replace(DECLINED, kind=Kind.MISSED_CALL, values=values), SETTINGS)
    assert composed is not None and not composed.buttons and "/a/" not in composed.text
