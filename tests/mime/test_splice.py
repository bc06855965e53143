"""Whole messages in, whole messages out: the expected ones are written down octet for octet."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from conftest import PNG, URL

from smtp_hooks.mime import Addition, Icon, Placement, Site, Spliced, exposed, locate, remove, splice
from smtp_hooks.numbers import Redactor

REDACTOR = Redactor(["+33199001234"], "[hidden]")
HEAD = "From: Ada <ada@example.org>\nSubject: Plan\n"


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("latin-1")


def spliced(
    message: bytes,
    addition: Addition,
    *,
    redactor: Redactor | None = None,
    eight_bit: bool = True,
    placement: Placement = Placement.BEFORE_QUOTE,
) -> Spliced:
    site = locate(message, placement=placement)
    assert isinstance(site, Site), site
    out = splice(message, site, addition, redactor=redactor, eight_bit=eight_bit)
    assert isinstance(out, Spliced), out
    assert remove(out) == message
    return out


def read(message: bytes) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(message, policy=policy.default))


def text_of(part: EmailMessage) -> str:
    return part.get_payload(decode=True).decode(part.get_content_charset() or "ascii")  # type: ignore[union-attr]


def defects(message: bytes) -> list[object]:
    return [d for part in read(message).walk() for d in part.defects]


@pytest.mark.claim("T1")
def test_plain_text_without_any_mime_field(addition: Addition) -> None:
    message = wire(HEAD + "\nHello Ben,\n\nsee you.\n")
    assert spliced(message, addition).message == wire(
        HEAD + f"\nHello Ben,\n\nsee you.\n\nAda offers you a call:\n{URL}\n"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "BLOCK\n"),
        ("Hi.", "Hi.\n\nBLOCK\n"),
        ("Hi.\n\n\n", "Hi.\n\nBLOCK\n\n\n"),
        ("Hi.\n-- \nAda\n", "Hi.\n\nBLOCK\n\n-- \nAda\n"),
        ("Hi.\n\n-- \nAda\n", "Hi.\n\nBLOCK\n\n-- \nAda\n"),
        (
            "Hi.\n\nOn Monday, 3 May 2024, Ben wrote:\n> old\n",
            "Hi.\n\nBLOCK\n\nOn Monday, 3 May 2024, Ben wrote:\n> old\n",
        ),
        ("Hi.\n\n-- \nAda\n\n> old\n", "Hi.\n\nBLOCK\n\n-- \nAda\n\n> old\n"),
        ("> old\n\nMy answer.\n", "> old\n\nMy answer.\n\nBLOCK\n"),
        ("> one\nyes\n> two\nno\n-- \nAda\n", "> one\nyes\n> two\nno\n\nBLOCK\n\n-- \nAda\n"),
        ("> only quoted\n", "BLOCK\n\n> only quoted\n"),
    ],
)
def test_place_in_plain_text(body: str, expected: str, addition: Addition) -> None:
    block = f"Ada offers you a call:\n{URL}"
    out = spliced(wire(HEAD + "\n" + body), addition).message
    assert out == wire(HEAD + "\n" + expected.replace("BLOCK", block))


@pytest.mark.parametrize("placement", list(Placement))
def test_placement_is_the_callers(placement: Placement, addition: Addition) -> None:
    message = wire(HEAD + "\nHi.\n\n> old\n")
    lines = spliced(message, addition, placement=placement).message.decode().split("\r\n\r\n", 1)[1].split("\r\n")
    where = [lines.index("Hi."), lines.index(URL), lines.index("> old")]
    order = {Placement.TOP: [1, 0, 2], Placement.BEFORE_QUOTE: [0, 1, 2], Placement.BOTTOM: [0, 2, 1]}
    assert [where[i] for i in order[placement]] == sorted(where)


def test_alternative_gets_the_block_twice_and_the_icon_once(addition: Addition) -> None:
    message = wire(
        HEAD + 'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="b"\n\npreamble\n--b\n'
        "Content-Type: text/plain; charset=utf-8\n\nHi.\n--b\n"
        "Content-Type: text/html; charset=utf-8\nX-Own: 1\n\n<html><body><p>Hi.</p></body></html>\n--b--\nepilogue\n"
    )
    out = spliced(message, addition).message
    boundary = re.findall(rb'related; type="text/html";\r\n boundary="([^"]+)"', out)[0].decode()
    icon = re.findall(r"filename=\"call.png\"\r\n\r\n(.*?)\r\n--", out.decode(), re.DOTALL)[0]
    assert b64decode(icon) == PNG
    html = addition.html.rstrip("\n")
    assert out.decode() == wire(
        HEAD + 'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="b"\n\npreamble\n--b\n'
        f"Content-Type: text/plain; charset=utf-8\n\nHi.\n\nAda offers you a call:\n{URL}\n\n--b\n"
        f'Content-Type: multipart/related; type="text/html";\n boundary="{boundary}"\n\n--{boundary}\n'
        f"Content-Type: text/html; charset=utf-8\nX-Own: 1\n\n<html><body><p>Hi.</p>{html}\n</body></html>\n"
        f"--{boundary}\n"
        'Content-Type: image/png; name="call.png"\nContent-Transfer-Encoding: base64\n'
        'Content-ID: <1@call.example.org>\nContent-Disposition: inline; filename="call.png"\n\n'
        f"ICON\n--{boundary}--\n\n--b--\nepilogue\n"
    ).decode().replace("ICON", icon)
    assert not defects(out)


def test_html_as_the_message_itself_is_wrapped(addition: Addition) -> None:
    message = wire(
        "Content-Type: text/html; charset=iso-8859-1\n" + HEAD + "Content-Transfer-Encoding: 8bit\n"
        "MIME-Version: 1.0\nContent-Language: de\nX-After: 1\n\n<p>Gr\xfc\xdfe</p>\n"
    )
    out = spliced(message, addition).message
    parsed = read(out)
    assert parsed.get_content_type() == "multipart/related"
    assert parsed["Content-Transfer-Encoding"] == "8bit"
    assert parsed["X-After"] == "1"
    html, icon = cast(list[EmailMessage], parsed.get_payload())
    assert html["Content-Language"] == "de" and parsed["Content-Language"] is None
    assert "Grüße" in text_of(html) and URL in text_of(html)
    assert icon["Content-ID"] == "<1@call.example.org>"
    assert not defects(out)


def test_an_existing_related_takes_the_icon(addition: Addition) -> None:
    message = wire(
        HEAD + "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n"
        "<img src='cid:own'>\n--r\nContent-Type: image/gif\nContent-ID: <own>\n\nGIF\n--r--\n"
    )
    out = spliced(message, addition).message
    assert [p.get_content_type() for p in read(out).walk()] == [
        "multipart/related",
        "text/html",
        "image/gif",
        "image/png",
    ]
    assert not defects(out)


def test_without_icon_there_is_no_related(addition: Addition) -> None:
    message = wire(HEAD + "MIME-Version: 1.0\nContent-Type: text/html\n\n<p>Hi</p>\n")
    bare = Addition(text=addition.text, html=addition.html, icon=None)
    assert [p.get_content_type() for p in read(spliced(message, bare).message).walk()] == ["text/html"]


def test_flowed_text_keeps_its_parameters_and_spaces(addition: Addition) -> None:
    message = wire(
        HEAD + "MIME-Version: 1.0\nContent-Type: text/plain; format=flowed; delsp=yes\n\nA long \nline \n-- \nAda\n"
    )
    out = spliced(message, addition).message
    assert b"format=flowed; delsp=yes" in out
    assert b"A long \r\nline \r\n\r\nAda offers" in out
    assert all(not line.endswith(b" ") or line in (b"A long ", b"line ", b"-- ") for line in out.split(b"\r\n"))


class TestTransferEncodings:
    def test_quoted_printable_changes_only_where_the_block_is(self, addition: Addition) -> None:
        body = "".join(f"Zeile {n} mit =C3=BC und einem sehr langen Satz, der um=\nbricht.\n" for n in range(40))
        message = wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\n" + body + "\nAm 3. Mai 2024 um 10:00 schrieb Ben:\n> alt\n"
        )
        out = spliced(message, addition).message
        before, _, after = out.partition(b"\r\nAda offers you a call:\r\n")
        assert message.startswith(before.removesuffix(b"\r\n"))
        assert after == wire(URL + "\n\nAm 3. Mai 2024 um 10:00 schrieb Ben:\n> alt\n")

    def test_quoted_printable_within_a_line(self, addition: Addition) -> None:
        message = wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n"
            'Content-Transfer-Encoding: quoted-printable\n\n<html><body><p title=3D"=C3=BC">Hallo '
            "01 99 00 12 34 du</p>=\n"
            "</body></html>\n"
        )
        out = spliced(message, Addition(text="", html=addition.html), redactor=REDACTOR).message
        assert all(len(line) <= 76 for line in out.split(b"\r\n"))
        html = text_of(read(out))
        assert html == f'<html><body><p title="ü">Hallo [hidden] du</p>{addition.html.strip()}\r\n</body></html>\r\n'

    @pytest.mark.parametrize("width", [76, 72, 60])
    def test_base64_keeps_the_lines_before_the_block(self, width: int, addition: Addition) -> None:
        text = "".join(f"Line {n} says è.\r\n" for n in range(60)) + "\r\n> old\r\n"
        encoded = b64encode(text.encode()).decode()
        lines = "\n".join(encoded[i : i + width] for i in range(0, len(encoded), width)) + "\n"
        message = wire(
            HEAD
            + "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
            + lines
        )
        out = spliced(message, addition).message
        start, end = text_of(read(out)).split(f"\r\n\r\nAda offers you a call:\r\n{URL}")
        assert start + end == text
        assert all(len(line) <= width for line in out.split(b"\r\n\r\n", 1)[1].split(b"\r\n"))
        kept = out.split(b"\r\n\r\n", 1)[1][:1000]
        assert message.split(b"\r\n\r\n", 1)[1].startswith(kept)

    def test_ascii_text_is_raised_to_utf_8_and_says_so(self) -> None:
        message = wire(HEAD + "\nHello.\n")
        out = spliced(message, Addition(text=f"Zoë vous propose un appel :\n{URL}\n", html="")).message
        assert out == wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            f"Content-Transfer-Encoding: quoted-printable\n\nHello.\n\nZo=C3=AB vous propose un appel :\n{URL}\n"
        )

    def test_a_charset_that_can_say_it_is_kept(self) -> None:
        message = wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
            "Content-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe.\n"
        )
        out = spliced(message, Addition(text=f"Zoë:\n{URL}\n", html="")).message
        assert out == message + wire(f"\nZo\xeb:\n{URL}\n")

    def test_another_becomes_utf_8(self) -> None:
        message = wire(
            HEAD + 'MIME-Version: 1.0\nContent-Type: text/plain; format=flowed; charset="koi8-r"; x=1\n\n'
        ) + "Привет.\r\n".encode("koi8-r")
        out = spliced(message, Addition(text=f"Zoë:\n{URL}\n", html="")).message
        assert b"format=flowed; charset=utf-8; x=1" in out
        assert out.isascii()
        assert text_of(read(out)) == f"Привет.\r\n\r\nZoë:\r\n{URL}\r\n"

    @pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "gb18030", "big5", "utf-16", "utf-7"])
    def test_charsets_of_several_octets(self, charset: str, addition: Addition) -> None:
        words = "日本\r\n\r\n> 日本 01 99 00 12 34 日\r\n"
        encoded = b64encode(words.encode(charset)).decode()
        message = wire(
            HEAD
            + f"MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
            + encoded
            + "\n"
        )
        out = spliced(message, addition, redactor=REDACTOR).message
        assert text_of(read(out)) == f"日本\r\n\r\nAda offers you a call:\r\n{URL}\r\n\r\n> 日本 [hidden] 日\r\n"
        assert not defects(out)

    def test_no_8_bit_octet_goes_to_a_hop_that_does_not_take_it(self, addition: Addition) -> None:
        message = wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
            "Content-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe.\n"
        )
        out = spliced(message, addition, eight_bit=False).message
        assert out.isascii()
        assert read(out)["Content-Transfer-Encoding"] == "quoted-printable"
        assert text_of(read(out)) == f"Grüße.\r\n\r\nAda offers you a call:\r\n{URL}\r\n"

    def test_no_line_becomes_longer_than_998_octets(self, addition: Addition) -> None:
        message = wire(
            HEAD + "MIME-Version: 1.0\nContent-Type: text/html\n\n<html><body>" + "word " * 190 + "</body></html>\n"
        )
        assert max(map(len, message.split(b"\r\n"))) <= 998
        out = spliced(message, addition).message
        assert max(map(len, out.split(b"\r\n"))) <= 998
        html = next(p for p in read(out).walk() if p.get_content_type() == "text/html")
        assert (
            text_of(cast(EmailMessage, html)).replace("\r\n" + addition.html.strip() + "\r\n", "").strip()
            == message.split(b"\r\n\r\n", 1)[1].decode().strip()
        )

    def test_a_checksum_that_no_longer_holds_goes(self, addition: Addition) -> None:
        message = wire(HEAD + "MIME-Version: 1.0\nContent-Type: text/plain\nContent-MD5: abc\n\nHi.\n")
        assert b"MD5" not in spliced(message, addition).message


class TestRedaction:
    @pytest.mark.claim("T14")
    def test_the_number_goes_everywhere_but_from_attachments(self, addition: Addition) -> None:
        message = wire(
            "From: Ada <ada@example.org>\nSubject: Call =?utf-8?Q?01_99_00_12_34?= now\nMIME-Version: 1.0\n"
            "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n"
            "--a\nContent-Type: text/plain\n\nCall +33 1 99 00 12 34.\n\n> or 0199001234\n"
            '--a\nContent-Type: text/html\n\n<p><a href="tel:+33199001234">01&nbsp;99 00 12 34</a></p>\n--a--\n'
            "--m\nContent-Type: text/plain\n\nAlso 01.99.00.12.34\n"
            "--m\nContent-Type: text/vcard; name=ada.vcf\n\nTEL:+33199001234\n"
            "--m\nContent-Type: text/plain; name=clean.txt\n\nNothing.\n--m--\n"
        )
        out = spliced(message, addition, redactor=REDACTOR)
        before_card, card = out.message.split(b"Content-Type: text/vcard")
        assert b"1234" not in re.sub(rb"[^0-9a-z]", b"", before_card.lower())
        assert b"TEL:+33199001234" in card
        assert out.remaining == ("part 3 text/vcard",)
        assert b"<a >[hidden]</a>" in out.message

    def test_fields_that_show_it_are_named(self, addition: Addition) -> None:
        message = wire('From: "Ada 01 99 00 12 34" <ada@example.org>\nX-Phone:\n +33199001234\n\nHi.\n')
        assert spliced(message, addition, redactor=REDACTOR).remaining == ("field From", "field X-Phone")

    def test_nothing_else_changes(self, addition: Addition) -> None:
        message = wire(HEAD + "\nCall 01 99 00 12 34 or +44 20 7946 0018.\n\nOn 3 May 2024, Ben wrote:\n> 0199001234\n")
        out = spliced(message, addition, redactor=REDACTOR).message
        assert out == wire(
            HEAD + f"\nCall [hidden] or +44 20 7946 0018.\n\nAda offers you a call:\n{URL}\n\n"
            "On 3 May 2024, Ben wrote:\n> [hidden]\n"
        )

    def test_a_signed_message_that_shows_it_is_known(self) -> None:
        message = wire(
            "Subject: 0199001234\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\n"
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nMDEgOTkgMDAgMTIgMzQ=\n"
            "--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n"
        )
        assert exposed(message, REDACTOR) == ("field Subject", "part 1 text/plain")
        assert exposed(wire(HEAD + "\nHi.\n"), REDACTOR) == ()


def test_the_same_boundary_is_never_used_twice(addition: Addition) -> None:
    message = wire(HEAD + "MIME-Version: 1.0\nContent-Type: text/html\n\n<p>x</p>\n")
    once = spliced(message, addition).message
    boundary = re.findall(rb'boundary="([^"]+)"', once)[0]
    again = message.replace(b"<p>x</p>", b"<p>" + boundary + b"</p>")
    assert re.findall(rb'boundary="([^"]+)"', spliced(again, addition).message)[0] != boundary


def test_an_icon_name_cannot_break_the_header(addition: Addition) -> None:
    message = wire(HEAD + "MIME-Version: 1.0\nContent-Type: text/html\n\n<p>x</p>\n")
    icon = Icon(content=PNG, filename='a"é.png', content_id="1@x")
    assert b'filename="a?.png"' in spliced(message, Addition(text="", html=addition.html, icon=icon)).message
