"""Replies and capabilities, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.commands import parse_mail
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.protocol import Capabilities, ProtocolError, ReplyReader, mail_command, rcpt_command, write_reply


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (b"250 ok\r\n", Reply(code=250, text="ok")),
        (b"250\r\n", Reply(code=250)),
        (b"250 2.1.5 ok\n", Reply(code=250, enhanced="2.1.5", text="ok")),
        (b"550 5.7.1\r\n", Reply(code=550, enhanced="5.7.1")),
        (b"250 5.7.1 odd\r\n", Reply(code=250, text="5.7.1 odd")),
        (b"451-4.3.0 a\r\n451-b\r\n451 4.3.0 c\r\n", Reply(code=451, enhanced="4.3.0", text="a\nb\nc")),
        ("550 5.1.1 né\r\n".encode(), Reply(code=550, enhanced="5.1.1", text="né")),
    ],
)
def test_reply(wire: bytes, reply: Reply) -> None:
    reader = ReplyReader()
    assert [found for n in range(len(wire)) for found in reader.feed(wire[n : n + 1])] == [reply]
    assert ReplyReader().feed(wire + wire) == [reply, reply]


@pytest.mark.parametrize("wire", [b"hello\r\n", b"150 x\r\n", b"250-a\r\n550 b\r\n", b"\r\n", b"250" + b"x" * 70_000])
def test_no_reply(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        ReplyReader().feed(wire)


@settings(deadline=None)
@given(
    st.integers(200, 559).filter(lambda c: c % 100 < 60 and c // 10 % 10 < 6 and c not in (220, 354)),
    st.text(max_size=80),
)
def test_a_written_reply_is_one_reply(code: int, text: str) -> None:
    """Whatever a text holds, it cannot end the reply early or begin another one."""
    reply = Reply(
        code=code, enhanced=f"{code // 100}.0.0" if code // 100 in (2, 4, 5) else "", text=text.replace("\r", "")
    )
    (read,) = ReplyReader().feed(write_reply(reply))
    assert read.code == code


def test_written_reply() -> None:
    assert write_reply(Reply(code=550, text="a\nb")) == b"550-5.0.0 a\r\n550 5.0.0 b\r\n"
    assert write_reply(Reply(code=220, text="gate ESMTP")) == b"220 gate ESMTP\r\n"
    assert (
        write_reply(Reply(code=250, enhanced="2.0.0", text="x\r\n250 y\x00")) == b"250-2.0.0 x\r\n250 2.0.0 250 y?\r\n"
    )


def test_capabilities() -> None:
    text = "hop\nSIZE 1000\npipelining\n8BITMIME\nXFORWARD NAME ADDR\nAUTH PLAIN\n\nDSN"
    offers = Capabilities.parse(Reply(code=250, text=text))
    assert offers == Capabilities(
        size=1000,
        pipelining=True,
        eight_bit=True,
        dsn=True,
        auth=True,
        mechanisms=frozenset({"PLAIN"}),
        xforward=frozenset({"NAME", "ADDR"}),
    )
    assert Capabilities.parse(Reply(code=250, text="hop")) == Capabilities()
    assert Capabilities.parse(Reply(code=250, text="hop\nSIZE")).size == 0
    assert Capabilities.parse(Reply(code=250, text="hop\nSIZE " + "9" * 30)).size == 0


@pytest.mark.parametrize(
    ("argument", "offers", "command"),
    [
        ("FROM:<> SIZE=5 AUTH=<>", Capabilities(), "MAIL FROM:<>"),
        ("FROM:<> SIZE=5 AUTH=<>", Capabilities(size=0, auth=True), "MAIL FROM:<> SIZE=5 AUTH=<>"),
        ("FROM:<> BODY=7BIT", Capabilities(), "MAIL FROM:<>"),
        ("FROM:<> BODY=8BITMIME", Capabilities(), None),
        ("FROM:<ü@b> SMTPUTF8", Capabilities(), None),
        ("FROM:<ü@b> SMTPUTF8", Capabilities(smtputf8=True), "MAIL FROM:<ü@b> SMTPUTF8"),
        ("FROM:<> ret=full", Capabilities(dsn=True), "MAIL FROM:<> ret=full"),
        ("FROM:<> ret=full", Capabilities(), None),
    ],
)
def test_mail_command(argument: str, offers: Capabilities, command: str | None) -> None:
    mail = parse_mail(argument)
    envelope = Envelope(reverse_path=mail.reverse_path, recipients=(), parameters=mail.parameters)
    assert mail_command(envelope, offers) == command


def test_rcpt_command() -> None:
    plain, notified = Recipient(address="a@b"), Recipient(address="a@b", parameters=("NOTIFY=NEVER",))
    assert rcpt_command(plain, Capabilities()) == "RCPT TO:<a@b>"
    assert rcpt_command(notified, Capabilities()) is None
    assert rcpt_command(notified, Capabilities(dsn=True)) == "RCPT TO:<a@b> NOTIFY=NEVER"
