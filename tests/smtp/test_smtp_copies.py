"""What one reply says of several copies, how a retry is known again, and the report of refusals."""

from __future__ import annotations

import email
from email.policy import SMTP

import pytest

from smtp_hooks.copies import Again, Report, Settled, Summary, retry_key, summarize
from smtp_hooks.dsn import failure_report
from smtp_hooks.envelope import Client, Envelope, Recipient, Reply

OK = Reply(code=250, enhanced="2.0.0", text="ok")
LATER = Reply(code=451, enhanced="4.2.1", text="busy")
NEVER = Reply(code=550, enhanced="5.7.1", text="no")
ODD = Reply(code=354, text="what")  # no answer to a message: as if none had come


@pytest.mark.parametrize(
    ("replies", "earlier", "kind", "code"),
    [
        ([OK, OK], 0, Settled, 250),
        ([OK], 2, Settled, 250),
        ([], 2, Settled, 250),
        ([LATER, LATER], 0, Settled, 451),
        ([NEVER, NEVER], 0, Settled, 550),
        ([OK, LATER], 0, Again, 451),
        ([OK, ODD], 0, Again, 451),
        ([LATER], 1, Again, 451),
        ([NEVER, LATER], 0, Again, 451),
        ([OK, NEVER, LATER], 0, Again, 451),
        ([OK, NEVER], 0, Report, None),
        ([NEVER], 1, Report, None),
    ],
)
def test_one_reply_for_all(replies: list[Reply], earlier: int, kind: type[Summary], code: int | None) -> None:
    outcomes = {Recipient(address=f"{n}@example.net"): reply for n, reply in enumerate(replies)}
    summary = summarize(outcomes, earlier)
    assert isinstance(summary, kind)
    if not isinstance(summary, Report):
        assert summary.reply.code == code
    if not isinstance(summary, Settled):
        assert summary.delivered == tuple(f"{n}@example.net" for n, reply in enumerate(replies) if reply is OK)


MESSAGE = b"Received: from a\r\n\tby b\r\nDate: d\r\nMessage-ID: <1@x>\r\nSubject: s\r\n\r\nbody\r\n"


def key(message: bytes = MESSAGE, sender: str = "ada@example.org", ident: str = "") -> bytes:
    client = Client(helo="mta", forwarded=(("IDENT", ident),))
    return retry_key(Envelope(reverse_path=sender, recipients=(), client=client), message)


@pytest.mark.parametrize(
    "same",
    [
        key(MESSAGE.replace(b"from a", b"from c")),
        key(MESSAGE.replace(b"<1@x>", b"\r\n <1@x>")),
        key(ident="NOQUEUE"),
    ],
)
def test_a_retry_has_the_same_key(same: bytes) -> None:
    assert same == key() != b""


@pytest.mark.parametrize(
    "other",
    [
        key(MESSAGE.replace(b"<1@x>", b"<2@x>")),
        key(MESSAGE.replace(b"Date: d", b"Date: e")),
        key(MESSAGE.replace(b"body", b"Body")),
        key(sender="eve@example.org"),
        key(ident="4F2"),
        key(MESSAGE.replace(b"Subject", b"\r\nSubject")),
    ],
)
def test_another_message_has_another_key(other: bytes) -> None:
    assert other not in (key(), b"")


def test_nothing_to_know_it_by() -> None:
    bare = b"Subject: s\r\n\r\nMessage-ID: <1@x>\r\nDate: d\r\n"
    assert key(bare) == b""
    assert key(bare, ident="4F2") not in (b"", key(bare, ident="4F3"))


def report(message: bytes, *refused: tuple[Recipient, Reply], parameters: tuple[str, ...] = ()) -> bytes:
    envelope = Envelope(reverse_path="ada@example.org", recipients=(), parameters=parameters)
    return failure_report(envelope, refused, message, hostname="gate.example", now=0.0, unique="u1")


CAT = Recipient(address="cat@example.net")


@pytest.mark.parametrize(
    ("message", "parameters", "kind"),
    [
        (MESSAGE, (), "text/rfc822-headers"),
        (MESSAGE, ("RET=HDRS",), "text/rfc822-headers"),
        (MESSAGE, ("RET=FULL",), "message/rfc822"),
        (MESSAGE + "ü\r\n".encode(), ("RET=FULL",), "text/rfc822-headers"),
        (MESSAGE + b"x" * 1_100_000, ("RET=FULL",), "text/rfc822-headers"),
    ],
)
def test_what_is_returned(message: bytes, parameters: tuple[str, ...], kind: str) -> None:
    text = report(message, (CAT, NEVER), parameters=parameters)
    assert text.isascii()
    assert b"\n" not in text.replace(b"\r\n", b"")
    *_, returned = email.message_from_bytes(text, policy=SMTP).iter_parts()
    assert returned.get_content_type() == kind
    assert (b"\r\nbody\r\n" in text) is (kind == "message/rfc822")


def test_nothing_that_others_say_becomes_a_field() -> None:
    hostile = Reply(code=550, text="no\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; x@y")
    text = report(b"Subject: \xff\r\n\r\n", (Recipient(address='"a\u2028b"@müller.example'), hostile))
    _, status, _ = email.message_from_bytes(text, policy=SMTP).iter_parts()
    _whole, only = status.get_payload()
    assert only.get_all("Action") == ["failed"]
    assert only["Final-Recipient"] == 'utf-8; "a\\x{2028}b"@m\\x{FC}ller.example'
    assert only["Status"] == "5.0.0"
