"""The message to who was called in vain, and notices by telephone."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.message import EmailMessage

import pytest

from mailgate.calls.failed import Why
from mailgate.calls.model import Channel
from mailgate.calls.telling import Rang, rang
from mailgate.errors import CallFailed, OutcomeUnknown
from mailgate.networks.missed_call import MissedCallMail, compose, guests, words
from mailgate.networks.telephone import TelephoneNetwork, call_of
from mailgate.networks.ways import Ways
from mailgate.offers.notice import Delivery, Kind, Notice
from mailgate.offers.ways import DEFAULT, Way
from smtp_hooks import block

SETTINGS = MissedCallMail(
    from_address="calls@example.org", organisation="Analytical Engines", public_url="https://call.example.org"
)
CALL = Notice(
    notice_id="call.3f1c",
    kind=Kind.MISSED_CALL,
    address="ben@example.net",
    language="en",
    created_at=1_800_000_000.0,
    expires_at=1_900_000_000.0,
    values={"offeror": "Ada Lovelace", "why": "busy", "token": "A" * 36, "reply_to": "ada@example.org", "on_line": "1"},
)


def read(notice: Notice) -> EmailMessage:
    message = email.message_from_bytes(compose(notice, SETTINGS), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("language", words())
@pytest.mark.parametrize("why", list(Why))
def test_it_says_who_called_and_has_the_offer(language: str, why: Why) -> None:
    raw = compose(replace(CALL, language=language, values={**CALL.values, "why": why.value}), SETTINGS)
    assert raw.isascii() and b"\n" not in raw.replace(b"\r\n", b"") and max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert "Ada Lovelace" in message["Subject"] and message["Auto-Submitted"] == "auto-generated"
    assert message["Reply-To"] == "Ada Lovelace <ada@example.org>"
    assert message["Date"].datetime.timestamp() == CALL.created_at
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None and f"https://call.example.org/a/{'A' * 36}" in body.get_content()
    [icon] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    html = message.get_body(("html",))
    assert html is not None and str(icon["Content-ID"]).strip("<>") in html.get_content()


def test_there_are_words_in_every_language_of_an_offer() -> None:
    assert set(words()) == set(block.languages()) == set(guests())
    assert {frozenset(says) for says in words().values()} == {frozenset(words()["en"])}


def test_a_guest_is_nobody_s_name() -> None:
    message = read(replace(CALL, values={**CALL.values, "offeror": "", "reply_to": ""}))
    assert message["Subject"] == "Somebody tried to call you" and message["Reply-To"] is None
    body = message.get_body(("plain",))
    assert body is not None and "A caller" in body.get_content()


def test_a_note_has_no_link() -> None:
    message = read(replace(CALL, values={**CALL.values, "offeror": "", "reply_to": "", "token": "", "on_line": ""}))
    assert message.get_content_type() == "text/plain" and "/a/" not in message.get_content()
    assert "no way to call back" in message.get_content()


@pytest.mark.parametrize("name", ['<a href="http://x.example">', "Ada\r\nBcc: x@example.org", "Call +33 1 99 00 12 34"])
def test_a_name_is_nothing_but_a_name(name: str) -> None:
    raw = compose(replace(CALL, values={**CALL.values, "offeror": name}), SETTINGS)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Bcc"] is None and b'<a href="http://x' not in raw and b"99 00 12 34" not in raw


# --- by telephone -----------------------------------------------------------------------------------------------

SAID = replace(
    CALL,
    notice_id="offer.2",
    kind=Kind.DECLINED,
    address="ada@example.org",
    values={"offeree": "Ben", "reason": "", "text": "Later.", "offer": "offer", "telephone": "tel:+33199001234"},
)


@dataclass
class Bell:
    """A telephone as Asterisk would tell of it."""

    state: Rang = Rang.NOT_YET
    fault: Exception | None = None
    rung: list[tuple[str, str, Sequence[str], str]] = field(default_factory=list)

    async def became(self, call_id: str) -> Rang:
        return self.state

    async def ring(self, call_id: str, channel: Channel, sounds: Sequence[str], again: str) -> None:
        if self.fault:
            raise self.fault
        self.rung.append((call_id, channel.uri, sounds, again))
        self.state = Rang.UNDER_WAY


@dataclass
class Letters:
    sent: list[str] = field(default_factory=list)

    async def deliver(self, notice: Notice) -> Delivery:
        self.sent.append(notice.notice_id)
        return Delivery.DELIVERED


async def composed(notice: Notice) -> tuple[Sequence[str], str]:
    return ["/sounds/declined", "/sounds/later"], "/sounds/again"


def network(bell: Bell, *, waits: bool = False) -> tuple[Ways, Letters]:
    letters = Letters()
    telephone = TelephoneNetwork(bell, composed, lambda offer_id: waits)
    ways = Ways(
        {Way.TELEPHONE: telephone, Way.MAIL: letters},
        reaches=lambda way, notice: bool(notice.values.get("telephone")),
        order=lambda address: DEFAULT,
    )
    return ways, letters


async def test_it_rings_once_and_is_done_when_it_was_heard() -> None:
    bell = Bell()
    way, letters = network(bell)
    assert await way.deliver(SAID) is Delivery.LATER
    assert await way.deliver(SAID) is Delivery.LATER
    bell.state = Rang.HEARD
    assert await way.deliver(SAID) is Delivery.DELIVERED
    assert (
        bell.rung == [(call_of(SAID), "tel:+33199001234", ["/sounds/declined", "/sounds/later"], "/sounds/again")]
        and letters.sent == []
    )


@pytest.mark.parametrize(
    ("bell", "waits"),
    [(Bell(Rang.IN_VAIN), False), (Bell(fault=CallFailed("not registered")), False), (Bell(), True)],
)
async def test_what_nobody_hears_goes_by_mail(bell: Bell, waits: bool) -> None:
    way, letters = network(bell, waits=waits)
    assert await way.deliver(SAID) is Delivery.DELIVERED
    assert letters.sent == ["offer.2"] and bell.rung == []


async def test_while_asterisk_is_away_it_waits() -> None:
    way, letters = network(Bell(fault=OutcomeUnknown("away")))
    assert await way.deliver(SAID) is Delivery.LATER and letters.sent == []


async def test_other_notices_go_by_mail() -> None:
    bell = Bell()
    way, letters = network(bell)
    for notice in (replace(SAID, values={**SAID.values, "telephone": ""}), replace(SAID, kind=Kind.MISSED)):
        assert await way.deliver(notice) is Delivery.DELIVERED
    assert len(letters.sent) == 2 and bell.rung == []


@pytest.mark.parametrize(
    ("record", "live", "became"),
    [
        ("", False, Rang.NOT_YET),
        ("", True, Rang.UNDER_WAY),
        ("placed", True, Rang.UNDER_WAY),
        ("placed", False, Rang.IN_VAIN),
        ("answered", False, Rang.IN_VAIN),
        ("heard", True, Rang.HEARD),
        ("heard", False, Rang.HEARD),
    ],
)
def test_what_became_of_a_call(record: str, live: bool, became: Rang) -> None:
    assert rang(record, live=live) is became
