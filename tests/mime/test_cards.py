"""vCards: which properties lose a number, and that nothing else of them changes by an octet."""

from __future__ import annotations

import base64
import quopri
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.mime import Addition, Site, Spliced, locate, remove, splice
from smtp_hooks.mime.cards import card_changes
from smtp_hooks.numbers import Redactor

REDACTOR = Redactor(["+33199001234"], "[hidden]", cards=True)


def clean(card: str) -> str:
    out, at = [], 0
    for start, end, new in card_changes(card, REDACTOR):
        assert start >= at
        out += [card[at:start], new]
        at = end
    return "".join([*out, card[at:]])


def card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", "FN:Ada Lovelace", *lines, "END:VCARD", ""])


GONE = [
    "TEL:+33199001234",
    "TEL;TYPE=WORK,VOICE:01 99 00 12 34",
    "TEL;WORK;VOICE;PREF:+33 (0)1.99.00.12.34",
    'TEL;VALUE=uri;PREF=1;TYPE="voice,home":tel:+33-1-99-00-12-34;ext=5',
    "item1.TEL;type=pref:+33 1 99 00 12 34",
    "tel;type=cell:\r\n +33 1 99\r\n  00 12 34",
    "TEL;ENCODING=QUOTED-PRINTABLE:+33=20199=\r\n001234",
    "TEL;QUOTED-PRINTABLE:=2B=33=33=31=39=39=30=30=31=32=33=34",
    "TEL;ENCODING=B:" + base64.b64encode(b"+33 199001234").decode(),
    "IMPP;X-SERVICE-TYPE=Skype:sip:+33199001234@example.org",
    "URL:tel:+33199001234",
    "X-PHONE;VALUE=uri:tel:0199001234",
]
CHANGED = [
    ("NOTE:Call +33 1 99 00 12 34\\, always", "NOTE:Call [hidden]\\, always"),
    ("NOTE:Call +33 1 99\r\n  00 12 34 now", "NOTE:Call [hidden] now"),
    ("TITLE:Ada\\; 0199001234", "TITLE:Ada\\; [hidden]"),
    ("NOTE;ENCODING=QUOTED-PRINTABLE:=C3=A9t=C3=A9 01=2099=2000=2012=2034=\r\n end", None),
    ("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:=E9t=E9 0199001234=0D=0A", None),
    ("NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D9=A0=D9=A1=D9=A9=D9=A9 00 12 34 x", None),
]
KEPT = [
    "TEL:+33 1 99 00 12 35",
    "TEL;VALUE=uri:tel:+49-30-1234567",
    "PHOTO;ENCODING=b;TYPE=JPEG:" + base64.b64encode(bytes(range(256)) + b"0199001234").decode(),
    "UID:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "ADR;TYPE=HOME:;;1 Rue\\, x;Paris;;75001;France",
    "no property at all",
]


@pytest.mark.parametrize("line", GONE)
@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
def test_a_property_that_dials_goes(line: str, version: str) -> None:
    assert clean(card("EMAIL:a@example.org", line, *KEPT, version=version)) == card(
        "EMAIL:a@example.org", *KEPT, version=version
    )


@pytest.mark.parametrize(("line", "expected"), CHANGED)
def test_a_text_loses_the_number_only(line: str, expected: str | None) -> None:
    out = clean(card(line, *KEPT))
    changed = out.removeprefix(card().partition("END")[0]).partition("\r\n" + KEPT[0])[0]
    assert card(changed, *KEPT) == out
    if expected is not None:
        assert changed == expected
        return
    text = [quopri.decodestring(each.partition(":")[2].encode()) for each in (line, changed)]
    assert b"[hidden]" in text[1] and not REDACTOR.shows(text[1].decode("utf-8", "replace"))
    assert text[1].partition(b"[hidden]")[0] == text[0][: text[1].index(b"[hidden]")]
    assert text[0].endswith(text[1].partition(b"[hidden]")[2])


def test_a_text_in_base64_is_written_anew() -> None:
    line = "NOTE;ENCODING=B:" + base64.b64encode(b"Call 0199001234 " + b"or write " * 20).decode()
    out = clean(card(line))
    (written,) = (each for each in out.replace("\r\n ", "").split("\r\n") if each.startswith("NOTE"))
    assert base64.b64decode(written.partition(":")[2]) == b"Call [hidden] " + b"or write " * 20
    assert max(map(len, out.split("\r\n"))) <= 75


def test_a_long_line_is_folded_anew() -> None:
    out = clean(card("NOTE:" + "word " * 12 + "0199001234"))
    assert max(map(len, out.split("\r\n"))) <= 75
    assert ("word " * 12 + "[hidden]") in out.replace("\r\n ", "")


def test_several_cards_and_odd_ends() -> None:
    whole = card(GONE[0]) + card("TEL:1", GONE[4]) + "TEL:0199001234"
    assert clean(whole) == card() + card("TEL:1")
    assert clean(whole.replace("\r\n", "\n")) == (card() + card("TEL:1")).replace("\r\n", "\n")
    assert clean("") == ""


@given(st.lists(st.sampled_from([*GONE, *KEPT, *(a for a, _ in CHANGED), " folded", "=", "NOTE:x=", ""]), max_size=8))
def test_no_number_is_left(lines: list[str]) -> None:
    out = clean(card(*lines))
    assert clean(out) == out
    assert not REDACTOR.text_changes(out.replace("\r\n ", "").partition("PHOTO")[0])


HEAD = (
    "Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    "Content-Disposition: attachment; filename={name}\r\n"
)


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(
    ("kind", "name", "is_card"),
    [
        ("text/vcard; charset=utf-8", "ada.vcf", True),
        ("text/x-vcard", "ada", True),
        ("text/directory; profile=vCard", "ada", True),
        ("application/octet-stream", '"ada.vcf"', True),
        ("text/plain", "ada.vcf", True),
        ("text/plain", "ada.txt", False),
        ("application/octet-stream", "ada.bin", False),
    ],
)
def test_in_a_message(encoding: str, kind: str, name: str, is_card: bool, addition: Addition) -> None:
    content = card(GONE[1], CHANGED[0][0], *KEPT[:2]).encode()
    coded = {"base64": base64.encodebytes(content).replace(b"\n", b"\r\n"), "7bit": content}.get(
        encoding, quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    )
    message = (
        b"From: ada@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nHello\r\n--b\r\n"
        + HEAD.format(kind=kind, encoding=encoding, name=name).encode()
        + b"\r\n"
        + coded
        + b"\r\n--b--\r\n"
    )
    site = locate(message)
    assert isinstance(site, Site)
    out = splice(message, site, addition, redactor=REDACTOR, eight_bit=False)
    assert isinstance(out, Spliced)
    assert remove(out) == message
    payload = message_from_bytes(out.message).get_payload()[1].get_payload(decode=True)  # type: ignore[union-attr,index]
    expected = card(CHANGED[0][1] or "", *KEPT[:2]).encode() if is_card else content
    assert payload.rstrip(b"\r\n") == expected.rstrip(b"\r\n")  # type: ignore[union-attr]
    assert bool(out.remaining) == (kind == "text/plain" and not is_card)
    without = splice(message, site, addition, redactor=Redactor(["+33199001234"], "[hidden]"), eight_bit=False)
    assert isinstance(without, Spliced)
    left = message_from_bytes(without.message).get_payload()[1].get_payload(decode=True)  # type: ignore[union-attr,index]
    assert left.rstrip(b"\r\n") == content.rstrip(b"\r\n")  # type: ignore[union-attr]
