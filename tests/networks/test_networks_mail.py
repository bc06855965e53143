"""Notices by mail: what they say, how they look to other robots, and what the next hop's replies mean."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

import icalendar
import lab.sink
import pytest
from lab.ports import free_port
from lab.sink import Taken

from mailgate.calls.model import Outcome
from mailgate.networks.mail import MailNetwork, MailSettings, compose, words
from mailgate.offers.answer import MISSED, Reason
from mailgate.offers.notice import Delivery, Kind, Notice
from mailgate.offers.slots import Missed
from smtp_hooks.envelope import Envelope, Recipient
from smtp_hooks.policy import Facts, Mode, Pass, PassReason, Sender, decide
from smtp_hooks.relay import Relay, RelaySettings

SETTINGS = MailSettings(
    from_address="calls@example.org",
    organisation="Analytical Engines",
    public_url="https://call.example.org",
    gateway_number="+33199000000",
    time_zone="Europe/Paris",
)
WORDS = words()
NOTICE = Notice(
    notice_id="3f1c.2",
    kind=Kind.DECLINED,
    address="ada@example.org",
    language="en",
    created_at=1_800_000_000.0,
    expires_at=1_900_000_000.0,
    values={
        "offeree": "ben@example.net",
        "destination": "Ada Lovelace",
        "reason": "not-now",
        "text": "On a train.\n\nLater? {my}",
        "outcome": "",
        "message_id": "<m1@example.org>",
    },
)

SLOT = replace(
    NOTICE,
    kind=Kind.SLOT_BOOKED,
    values={
        "offeree": "ben@example.net",
        "offeror": "Ada Lovelace",
        "destination": "Ada Lovelace",
        "message_id": "<m1@example.org>",
        "start": "1800003600.0",  # 2027-01-15, 10:00 in Paris
        "minutes": "15",
        "uid": "3f1c",
        "sequence": "2",
        "outcome": "",
        "missed": "",
        "zone": "Europe/Paris",
    },
)
YOURS = replace(
    SLOT,
    kind=Kind.YOUR_SLOT,
    address="ben@example.net",
    values={**SLOT.values, "zone": "Asia/Tokyo", "token": "t" * 36, "pin": "123456", "message_id": ""},
)


def read(notice: Notice) -> tuple[EmailMessage, str]:
    raw = compose(notice, SETTINGS, WORDS)
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0 and max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    return message, message.get_content().replace("\r\n", "\n")


def test_a_decline_with_its_reason_and_words() -> None:
    message, text = read(NOTICE)
    assert message["Subject"] == "Call declined: ben@example.net"
    assert message["From"] == "Analytical Engines <calls@example.org>"
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"] == "<3f1c.2@example.org>"
    assert (message["In-Reply-To"], message["References"]) == ("<m1@example.org>", "<m1@example.org>")
    assert "Reason: not at the moment" in text
    assert "> On a train.\n>\n> Later? {my}\n" in text, "words are no template"
    assert "https://call.example.org/my" in text


def test_sending_again_gives_the_same_message() -> None:
    assert compose(NOTICE, SETTINGS, WORDS) == compose(NOTICE, SETTINGS, WORDS)
    assert compose(SLOT, SETTINGS, WORDS) == compose(SLOT, SETTINGS, WORDS)


def calendar_of(notice: Notice) -> tuple[str, str, icalendar.Event]:
    """The text, the method, and the event of the file that goes along."""
    message = email.message_from_bytes(compose(notice, SETTINGS, WORDS), policy=email.policy.default)
    text, file = message.iter_parts()  # type: ignore[attr-defined]
    assert (file.get_content_type(), file.get_filename()) == ("text/calendar", "call.ics")
    calendar = icalendar.Calendar.from_ical(file.get_content())
    assert file["Content-Type"].params["method"] == calendar["METHOD"], "RFC 6047, 2.4"
    [event] = calendar.walk("VEVENT")
    words = text.get_content().replace("\r\n", "\n").replace("\N{NARROW NO-BREAK SPACE}", " ")
    return words, str(calendar["METHOD"]), event


@pytest.mark.parametrize(
    ("kind", "method", "status"),
    [
        (Kind.SLOT_BOOKED, "REQUEST", "CONFIRMED"),
        (Kind.SLOT_MOVED, "REQUEST", "CONFIRMED"),
        (Kind.SLOT_CANCELLED, "CANCEL", "CANCELLED"),
    ],
)
def test_a_slot_goes_into_the_offerors_calendar_and_out_of_it(kind: Kind, method: str, status: str) -> None:
    text, asked, event = calendar_of(replace(SLOT, kind=kind))
    assert "Friday, January 15, 2027, 10:00 AM (Central European Standard Time)" in text
    assert "ben@example.net" in text and "https://call.example.org/my" in text
    assert (asked, event["STATUS"]) == (method, status)
    assert (event["UID"], event["SEQUENCE"]) == ("3f1c@example.org", 2)
    assert event["ATTENDEE"] == "mailto:ada@example.org" and event["ATTENDEE"].params["RSVP"] == "FALSE"
    assert event["ORGANIZER"] == "mailto:calls@example.org"
    assert "CONFERENCE" not in event and "/a/" not in event.to_ical().decode(), "the page is the offeree's"


def test_the_offeree_is_told_in_their_own_time_zone_and_how_to_change_it() -> None:
    text, asked, event = calendar_of(YOURS)
    assert "6:00 PM (Japan Standard Time)" in text
    assert f"https://call.example.org/a/{'t' * 36}" in text
    assert asked == "REQUEST"
    assert [str(way) for way in event["CONFERENCE"]] == [
        f"https://call.example.org/a/{'t' * 36}",
        "tel:+33199000000,,,123456",
    ]
    cancelled = replace(YOURS, kind=Kind.YOUR_SLOT_CANCELLED, values={**YOURS.values, "token": "", "pin": ""})
    text, asked, event = calendar_of(cancelled)
    assert asked == "CANCEL" and "CONFERENCE" not in event and "You will not be called" in text


@pytest.mark.parametrize("language", sorted(WORDS))
@pytest.mark.parametrize(
    "values",
    [
        *({"missed": missed.value} for missed in Missed if missed is not Missed.NOT_REACHED),
        *({"outcome": outcome.value} for outcome in Outcome if outcome is not Outcome.COMPLETED),
    ],
    ids=lambda v: "".join(v.values()),
)
def test_a_missed_slot_says_why_in_every_language(language: str, values: dict[str, str]) -> None:
    notice = replace(SLOT, kind=Kind.SLOT_MISSED, language=language, values={**SLOT.values, **values})
    _, text = read(notice)
    key = f"missed-{values['missed']}" if "missed" in values else values["outcome"]
    assert WORDS[language][key] in text


def test_no_robot_takes_it_for_a_persons_message() -> None:
    message, _ = read(NOTICE)
    assert message["Auto-Submitted"] == "auto-generated"
    envelope = Envelope(reverse_path="calls@example.org", recipients=(Recipient(address="ada@example.org"),))
    decision = decide(envelope, message.as_bytes(policy=email.policy.SMTP), Sender(display_name="x"), Facts())
    assert decision == Pass(PassReason.AUTO_SUBMITTED)


@pytest.mark.parametrize("message_id", ["", "<a@b>\r\nBcc: eve@example.net", "no id", "<two words@example.org>", "<>"])
def test_a_message_id_that_is_none_is_left_out(message_id: str) -> None:
    message, _ = read(replace(NOTICE, values={**NOTICE.values, "message_id": message_id}))
    assert message["In-Reply-To"] is None and message["Bcc"] is None


@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_notice_can_be_said_in_every_language(language: str) -> None:
    assert WORDS[language].keys() == WORDS["en"].keys()
    said = set()
    for reason in Reason:
        said.add(read(replace(NOTICE, language=language, values={**NOTICE.values, "reason": reason.value}))[1])
    for outcome in MISSED:
        values = {**NOTICE.values, "reason": "", "text": "", "outcome": outcome.value}
        said.add(read(replace(NOTICE, kind=Kind.MISSED, language=language, values=values))[1])
    said.add(read(replace(NOTICE, kind=Kind.REPLIED, language=language, values={**NOTICE.values, "reason": ""}))[1])
    for kind, name, value in ((Kind.CODE, "code", "012345"), (Kind.SIGN_IN, "secret", "s3cret")):
        _, text = read(replace(NOTICE, kind=kind, language=language, values={name: value}))
        assert value in text and "call.example.org/my\n" not in text
        said.add(text)
    assert len(said) == len(Reason) + len(MISSED) + 3
    assert {each for each in said if "{destination}" in each or "{offeree}" in each} == set()


def test_a_language_without_words_is_english() -> None:
    assert read(replace(NOTICE, language="tlh"))[1] == read(NOTICE)[1]


# --- the next hop ---------------------------------------------------------------------------------------------------


async def deliver(notice: Notice, taken: Callable[[Taken], None]) -> Delivery:
    server = await lab.sink.start(taken)
    relay = Relay(RelaySettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    try:
        return await MailNetwork(relay, SETTINGS, lambda message: b"Signed: yes\r\n" + message).deliver(notice)
    finally:
        await relay.close()
        server.close()


async def test_it_goes_out_with_the_null_reverse_path_and_signed() -> None:
    seen: list[Taken] = []
    assert await deliver(NOTICE, seen.append) is Delivery.DELIVERED
    [taken] = seen
    assert taken.mail.startswith("MAIL FROM:<>") and taken.rcpt == ("RCPT TO:<ada@example.org>",)
    assert taken.content.startswith(b"Signed: yes\r\n")


async def test_an_address_beyond_ascii() -> None:
    seen: list[Taken] = []
    assert await deliver(replace(NOTICE, address="adä@example.org"), seen.append) is Delivery.DELIVERED
    assert "SMTPUTF8" in seen[0].mail and "adä@example.org" in seen[0].content.decode()


async def test_what_the_next_hop_will_never_take() -> None:
    def refuse(_: Taken) -> None:
        raise ValueError("no")

    assert await deliver(NOTICE, refuse) is Delivery.REFUSED


@pytest.mark.parametrize("address", ["ada@example.org\r\nBcc: eve@example.net", "", "ada"])
async def test_an_address_that_fits_into_no_header(address: str) -> None:
    seen: list[Taken] = []
    assert await deliver(replace(NOTICE, address=address), seen.append) is Delivery.REFUSED
    assert seen == []


async def test_no_next_hop_means_later() -> None:
    relay = Relay(RelaySettings(host="127.0.0.1", port=free_port()))
    assert await MailNetwork(relay, SETTINGS, lambda message: message).deliver(NOTICE) is Delivery.LATER
    await relay.close()


def test_modes_play_no_part() -> None:
    """A notice is no offer, whatever the account's mode is."""
    message, _ = read(NOTICE)
    envelope = Envelope(reverse_path="", recipients=(Recipient(address="ada@example.org"),))
    sender = Sender(display_name="x", mode=Mode.ALWAYS)
    raw = message.as_bytes(policy=email.policy.SMTP)
    assert decide(envelope, raw, sender, Facts()) == Pass(PassReason.NULL_REVERSE_PATH)
