"""The grammar of MAIL, RCPT, XFORWARD: what is taken, what is refused, and that neither takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.commands import BadCommand, from_xtext, parse_attributes, parse_mail, parse_rcpt, to_xtext


@pytest.mark.parametrize(
    ("argument", "reverse_path", "parameters"),
    [
        ("FROM:<>", "", ()),
        ("from:<ada@example.org>", "ada@example.org", ()),
        ("FROM: <ada@example.org>", "ada@example.org", ()),
        ("FROM:<ada@example.org>  SIZE=5   BODY=8bitmime", "ada@example.org", ("SIZE=5", "BODY=8bitmime")),
        ("FROM:<ada@[192.0.2.1]>", "ada@[192.0.2.1]", ()),
        ("FROM:<ada@[IPv6:2001:db8::1]>", "ada@[IPv6:2001:db8::1]", ()),
        ('FROM:<"a b>\\"c"@example.org>', '"a b>\\"c"@example.org', ()),
        ("FROM:<a..b.@docomo.example>", "a..b.@docomo.example", ()),
        ("FROM:<root>", "root", ()),
        ("FROM:<x+bounce=ben=example.net@example.org> AUTH=<>", "x+bounce=ben=example.net@example.org", ("AUTH=<>",)),
        ("FROM:<a@b> RET=FULL ENVID=QQ+2B1", "a@b", ("RET=FULL", "ENVID=QQ+2B1")),
        ("FROM:<müller@exämple.org> SMTPUTF8", "müller@exämple.org", ("SMTPUTF8",)),
    ],
)
def test_mail(argument: str, reverse_path: str, parameters: tuple[str, ...]) -> None:
    mail = parse_mail(argument)
    assert (mail.reverse_path, mail.parameters) == (reverse_path, parameters)


def test_size_is_read() -> None:
    assert parse_mail("FROM:<> SIZE=12345").size == 12345


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", 501),
        ("TO:<a@b>", 501),
        ("FROM:a@b", 501),
        ("FROM:<a@b", 553),
        ("FROM:<a@b>x", 501),
        ("FROM:<a@b><c@d>", 501),
        ("FROM:<a b@c>", 553),
        ("FROM:<@a:b@c>", 553),
        ("FROM:<a@>", 553),
        ("FROM:<@b>", 553),
        ("FROM:<a@b@c>", 553),
        ('FROM:<"x', 553),
        ('FROM:<"x\\">', 553),
        ("FROM:<a@[b c]>", 553),
        ("FROM:<a@b> SIZE", 501),
        ("FROM:<a@b> SIZE=x", 501),
        ("FROM:<a@b> SIZE=1 size=1", 501),
        ("FROM:<a@b> SIZE=" + "9" * 21, 501),
        ("FROM:<a@b> BODY=BINARYMIME", 501),
        ("FROM:<a@b> RET=SOME", 501),
        ("FROM:<a@b> ENVID=a=b", 501),
        ("FROM:<a@b> ENVID=+2b", 501),
        ("FROM:<a@b> SMTPUTF8=1", 501),
        ("FROM:<a@b> NOTIFY=NEVER", 555),
        ("FROM:<a@b> =x", 501),
        ("FROM:<m\u00fcller@b>", 553),
        ("FROM:<a@" + "b" * 600 + ">", 553),
    ],
)
def test_mail_refused(argument: str, code: int) -> None:
    with pytest.raises(BadCommand) as refused:
        parse_mail(argument)
    assert refused.value.reply.code == code
    assert refused.value.reply.enhanced.startswith("5.")


@pytest.mark.parametrize(
    "argument",
    [
        "TO:<ben@example.net> NOTIFY=NEVER",
        "TO:<ben@example.net> NOTIFY=success,FAILURE,DELAY ORCPT=rfc822;Ben+2B@example.net",
        "TO:<Postmaster>",
    ],
)
def test_rcpt(argument: str) -> None:
    recipient = parse_rcpt(argument)
    assert " ".join([f"TO:<{recipient.address}>", *recipient.parameters]) == argument


@pytest.mark.parametrize(
    "argument",
    [
        "TO:<>",
        "TO:<ben@example.net> NOTIFY=NEVER,DELAY",
        "TO:<ben@example.net> NOTIFY=",
        "TO:<ben@example.net> ORCPT=ben@example.net",
        "TO:<ben@example.net> SIZE=5",
        "TO:<m\u00fcller@example.net>",
    ],
)
def test_rcpt_refused(argument: str) -> None:
    with pytest.raises(BadCommand):
        parse_rcpt(argument)


def test_parameters_need_ehlo() -> None:
    with pytest.raises(BadCommand):
        parse_mail("FROM:<a@b> SIZE=1", extended=False)
    assert parse_rcpt("TO:<m\u00fcller@b>", smtputf8=True).address == "m\u00fcller@b"


def test_attributes() -> None:
    assert parse_attributes("NAME=a+20b ADDR=[UNAVAILABLE]", ("NAME", "ADDR")) == (("NAME", "a b"), ("ADDR", ""))
    for wrong in ("", "NAME", "NAME=", "COLOUR=red", "NAME=a+2"):
        with pytest.raises(BadCommand):
            parse_attributes(wrong, ("NAME", "ADDR"))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_xtext_round_trip(text: str) -> None:
    encoded = to_xtext(text)
    assert from_xtext(encoded) == text
    assert all(33 <= ord(c) <= 126 and c != "=" for c in encoded)


@settings(deadline=None)
@given(st.text(st.sampled_from('<>"\\@[]:= .aü\x01\x7f'), max_size=30))
def test_an_address_that_is_taken_cannot_break_out(text: str) -> None:
    """Whatever is taken goes to the next hop between angle brackets: it must parse there to the same."""
    try:
        mail = parse_mail(f"FROM:{text} SMTPUTF8")
    except BadCommand:
        return
    again = " ".join([f"FROM:<{mail.reverse_path}>", *mail.parameters])
    assert parse_mail(again) == mail
    assert not any(c in again for c in "\r\n\0\x01\x7f")


@pytest.mark.parametrize(
    "hostile", ['<"' + "\\" * 60_000, "<" + "a." * 30_000, "<a@" + "b" * 60_000, "<a@b>" + " x=" * 20_000]
)
def test_hostile_arguments_take_no_time(hostile: str) -> None:
    start = time.process_time()
    with pytest.raises(BadCommand):
        parse_mail("FROM:" + hostile)
    assert time.process_time() - start < 0.1
