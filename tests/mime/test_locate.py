"""Which messages can take the offer, where it goes, and what hostile ones cost."""

from __future__ import annotations

import base64
import time
import tracemalloc

import html5lib
import pytest

from smtp_hooks.mime import Addition, Placement, Reason, Site, Spliced, Unsuitable, locate, remove, splice
from smtp_hooks.mime.place_html import place as place_html
from smtp_hooks.mime.place_text import place as place_text

SIGNED = (
    'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=s\n\n--s\n\nHi\n'
    "--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n"
)
MIXED = "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nHi\n--m\n{}\n--m--\n"


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SIGNED, Reason.SIGNED),
        (MIXED.format(SIGNED), Reason.SIGNED),
        (MIXED.format("Content-Type: application/pkcs7-signature\n\nx"), Reason.SIGNED),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx\n", Reason.SIGNED),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx\n", Reason.ENCRYPTED),
        ("Content-Type: application/X-PKCS7-MIME\n\nx\n", Reason.ENCRYPTED),
        ("Content-Type: multipart/encrypted; boundary=e\n\n--e\n\nx\n--e--\n", Reason.ENCRYPTED),
        ("\n-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----\n", Reason.INLINE_PGP),
        ("\nHi\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n", Reason.INLINE_PGP),
        (
            "Content-Transfer-Encoding: base64\n\nLS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0tCgp4Cg==\n",
            Reason.INLINE_PGP,
        ),
        (
            MIXED.format("Content-Disposition: attachment\n\n-----BEGIN PGP MESSAGE-----\n"),
            Reason.INLINE_PGP,
        ),
        ("Content-Type: application/ms-tnef\n\nx\n", Reason.TNEF),
        (MIXED.format("Content-Type: application/ms-tnef; name=winmail.dat\n\nx"), Reason.TNEF),
        (MIXED.format("Content-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR"), Reason.CALENDAR),
        ("Content-Type: multipart/report; boundary=r\n\n--r\n\nx\n--r--\n", Reason.REPORT),
        ("Content-Type: message/partial; id=a; number=1\n\nx\n", Reason.PARTIAL),
        ("Content-Type: image/png\n\nx\n", Reason.NOTHING_TO_SAY_IT_IN),
        ("Content-Disposition: attachment\n\nx\n", Reason.NOTHING_TO_SAY_IT_IN),
        ("Content-Type: text/plain; name=a.txt\n\nx\n", Reason.NOTHING_TO_SAY_IT_IN),
        ("Content-Type: message/rfc822\n\nFrom: x\n\nHi\n", Reason.NOTHING_TO_SAY_IT_IN),
        ("Content-Type: multipart/digest; boundary=d\n\n--d\n\nFrom: x\n\nHi\n--d--\n", Reason.NOTHING_TO_SAY_IT_IN),
        ("no header here\n\nx\n", Reason.MALFORMED_HEADER),
        ("From: a\nSubject : b\n\nx\n", Reason.MALFORMED_HEADER),
        (MIXED.format("Content-Type: message/rfc822\n\nno header\n\nx"), Reason.MALFORMED_HEADER),
        ("Content-Type: text/plain\nContent-Type: text/html\n\nx\n", Reason.AMBIGUOUS_HEADER),
        (
            "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nx\n",
            Reason.AMBIGUOUS_HEADER,
        ),
        ('Content-Type: multipart/mixed; boundary="a\n b"\n\n--a b\n\nx\n--a b--\n', Reason.AMBIGUOUS_HEADER),
        ("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n", Reason.AMBIGUOUS_HEADER),
        ("Content-Type: text/plain; name*=utf-8''a.txt\n\nx\n", Reason.AMBIGUOUS_HEADER),
        ("Content-Type: text\n\nx\n", Reason.BAD_CONTENT_TYPE),
        ("Content-Type: multipart/mixed\n\n--m\n\nx\n--m--\n", Reason.NO_BOUNDARY),
        ("Content-Type: multipart/mixed; boundary=m\n\nx\n", Reason.NO_BOUNDARY),
        ("Content-Type: multipart/mixed; boundary=m\n\n--m--\n", Reason.NO_BOUNDARY),
        ("Content-Type: multipart/mixed; boundary=m\n\n--m\n\nx\n", Reason.NO_FINAL_BOUNDARY),
        ("Content-Type: multipart/mixed; boundary=m\n\n--m\n\nx\n--mm--\n", Reason.NO_FINAL_BOUNDARY),
        (
            MIXED.format("Content-Type: multipart/mixed; boundary=n\n\n--n\n\nx"),
            Reason.NO_FINAL_BOUNDARY,
        ),
        ("Content-Transfer-Encoding: x-uuencode\n\nx\n", Reason.BAD_TRANSFER_ENCODING),
        ("Content-Transfer-Encoding: base64\n\nabc!\n", Reason.BAD_TRANSFER_ENCODING),
        (
            "Content-Type: multipart/mixed; boundary=m\nContent-Transfer-Encoding: base64\n\n--m\n\nx\n--m--\n",
            Reason.BAD_TRANSFER_ENCODING,
        ),
        ("Content-Type: text/plain; charset=x-unknown\n\nx\n", Reason.UNKNOWN_CHARSET),
        ("Content-Type: text/plain; charset=rot13\n\nx\n", Reason.UNKNOWN_CHARSET),
        ("Content-Type: text/plain; charset=zlib\n\nx\n", Reason.UNKNOWN_CHARSET),
        ("Content-Type: text/html\n\n<html><frameset><frame></frameset></html>\n", Reason.NO_SAFE_PLACE),
    ],
)
def test_reasons(message: str, reason: Reason) -> None:
    found = locate(wire("From: a@example.org\n" + message if not message.startswith("no ") else message))
    assert isinstance(found, Unsuitable)
    assert found.reason is reason


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n"])
def test_bare_line_ends_are_left_alone(body: bytes) -> None:
    found = locate(b"From: a@example.org\r\n\r\n" + body)
    assert found == Unsuitable(Reason.BARE_NEWLINE, "")


def test_undecodable_text_is_left_alone_where_the_block_needs_another_charset() -> None:
    message = b"From: a@example.org\r\n\r\nGr\xfc\xdfe\r\n"
    site = locate(message)
    assert isinstance(site, Site)
    assert isinstance(splice(message, site, Addition(text="x", html=""), redactor=None, eight_bit=True), Spliced)
    out = splice(message, site, Addition(text="ж", html=""), redactor=None, eight_bit=True)
    assert out == Unsuitable(Reason.UNDECODABLE_TEXT, "")


def test_only_bodies_are_taken_not_files_nor_forwarded_messages() -> None:
    site = locate(
        wire(
            "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Disposition: attachment; filename=a\n\nfile\n"
            "--m\nContent-Type: message/rfc822\n\nSubject: x\n\nforwarded\n--m\n\nbody\n--m\n\nmore\n"
            "--m\nContent-Type: text/html\n\n<p>x</p>\n--m--\n"
        )
    )
    assert isinstance(site, Site) and site.plain and site.html
    assert (site.plain.body.part.path, site.html.body.part.path) == ("3", "5")
    assert [b.part.path for b in site.further] == ["4"]
    assert site.plain.body.text == "body"


ATTRIBUTIONS = [
    "On Mon, 3 May 2024 at 10:00, Ben Ray <ben@example.net> wrote:",
    "On Mon, 3 May 2024 at 10:00, Ben Benjamin Ray <ben.benjamin.ray@example.net>\nwrote:",
    "On 5/3/24 10:00, Ben wrote:",
    "Am 03.05.24 um 10:00 schrieb Ben Ray:",
    "Am Fr., 3. Mai 2024 um 10:00 Uhr schrieb Ben Ray <ben@example.net>:",
    "Le ven. 3 mai 2024 à 10:00, Ben Ray <ben@example.net> a écrit :",
    "Le 03/05/2024 à 10:00, Ben a écrit\xa0:",
    "El vie, 3 may 2024 a las 10:00, Ben (<ben@example.net>) escribió:",
    "Il giorno ven 3 mag 2024 alle ore 10:00 Ben <ben@example.net> ha scritto:",
    "Em sex., 3 de mai. de 2024 às 10:00, Ben <ben@example.net> escreveu:",
    "Op vr 3 mei 2024 om 10:00 schreef Ben <ben@example.net>:",
    "Den fre 3 maj 2024 kl 10:00 skrev Ben <ben@example.net>:",
    "W dniu 3.05.2024 o 10:00, Ben pisze:",
    "pt., 3 maj 2024 o 10:00 Ben <ben@example.net> napisał(a):",
    "пт, 3 мая 2024 г. в 10:00, Ben <ben@example.net>:",
    "03.05.2024 10:00, Ben пишет:",
    "在 2024年5月3日 10:00，Ben <ben@example.net> 写道：",
    "2024年5月3日(金) 10:00 Ben <ben@example.net>:",
    "2024년 5월 3일 (금) 오전 10:00, Ben <ben@example.net>님이 작성:",
    "في الجمعة، ٣ مايو ٢٠٢٤ في 10:00 كتب Ben <ben@example.net>:",
    "pe 3. toukok. 2024 klo 10.00 Ben (ben@example.net) kirjoitti:",
    "Ben <ben@example.net>, 3 May 2024 Cum, 10:00 tarihinde şunu yazdı:",
]


def above(below: str) -> str:
    """What stands above the block in an answer that has this below it."""
    text = f"Thanks, see you.\n\n{below}".replace("\n", "\r\n")
    return text[: place_text(text, Placement.BEFORE_QUOTE)]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("quote", ["> old\n>\n> older\n", ">> older\n> old\n"])
def test_above_the_attribution_in_any_language(attribution: str, quote: str) -> None:
    assert above(f"{attribution}\n{quote}") == "Thanks, see you."


@pytest.mark.parametrize("attribution", [a for a in ATTRIBUTIONS if "пт," not in a and "(金)" not in a])
def test_above_the_attribution_where_the_quote_is_not_marked(attribution: str) -> None:
    assert above(f"{attribution}\n\nOld text.\n") == "Thanks, see you."


@pytest.mark.parametrize(
    "start",
    [
        "-----Original Message-----\nFrom: Ben\nSent: Friday\n",
        "---- Original Message ---\n\nFrom: Ben\nSubject: Friday\n",
        "-----Ursprüngliche Nachricht-----\nVon: Ben\nGesendet: Freitag\n",
        "-----Message d'origine-----\nDe : Ben\nEnvoyé : vendredi\n",
        "---------- Forwarded message ---------\nFrom: Ben <ben@example.net>\n",
        "---------- Forwarded message ---------\nDe: Ben <ben@example.net>\n",
        "-------- Weitergeleitete Nachricht --------\nBetreff: x\n",
        "________________________________\nFrom: Ben <ben@example.net>\nSent: Friday\n",
        "________________________________\nVon: Ben <ben@example.net>\n",
        "From: Ben <ben@example.net>\nSent: Friday, 3 May 2024 10:00\nTo: Ada\n",
        "Von: Ben <ben@example.net>\nGesendet: Freitag, 3. Mai 2024 10:00\nAn: Ada\n",
        "De : Ben <ben@example.net>\nEnvoyé : vendredi 3 mai 2024 10:00\nÀ : Ada\n",
        "De: Ben <ben@example.net>\nEnviado el: viernes, 3 de mayo de 2024 10:00\nPara: Ada\n",
        "Da: Ben <ben@example.net>\nInviato: venerdì 3 maggio 2024 10:00\nA: Ada\n",
        "Van: Ben <ben@example.net>\nVerzonden: vrijdag 3 mei 2024 10:00\nAan: Ada\n",
        "差出人: Ben <ben@example.net>\n送信日時: 2024年5月3日 10:00\n宛先: Ada\n",
        "发件人: Ben <ben@example.net>\n发送时间: 2024年5月3日 10:00\n收件人: Ada\n",
        "Begin forwarded message:\n\nFrom: Ben <ben@example.net>\n",
        "Anfang der weitergeleiteten Nachricht:\n\nVon: Ben\n",
        "*From:* Ben <ben@example.net>\n*Sent:* Friday\n*To:* Ada\n",
    ],
)
def test_above_what_outlook_and_others_leave(start: str) -> None:
    assert above(f"{start}\nOld text.\n") == "Thanks, see you."


@pytest.mark.parametrize(
    "below",
    [
        "-- \nAda\n",
        "--\nAda\n",
        "-- \nAda\n\n-- \nThis message was scanned.\n",
        "-- \nAda\n\n--\nTo leave the list, write to list-leave@example.org\n",
        "-- \n-- \nAda\n",
    ],
)
def test_above_the_signature_and_what_others_have_put_below_it(below: str) -> None:
    assert above(below) == "Thanks, see you."


def test_a_signature_of_a_page_is_none() -> None:
    text = ("First part.\n\n-- \n" + "more words\n" * 30 + "\n-- \nAda\n").replace("\n", "\r\n")
    assert text[: place_text(text, Placement.BEFORE_QUOTE)].endswith("more words")


@pytest.mark.parametrize(
    "text",
    [
        "Ben wrote:\n\n> On Fri, 2002-11-01 at 22:57, Ada wrote:\n>> older\n> old\n\nI think so.\n",
        "I met Ben; he wrote:\nnothing.\n\nBye\n",
        "Shopping:\n- bread\n- milk\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\nBye\n",
        "---- part one ----\nwords\n---- part two ----\nwords\n",
        "From: here to there it is far.\nSo what.\n",
    ],
)
def test_ordinary_text_is_no_quote(text: str) -> None:
    wired = text.replace("\n", "\r\n")
    assert wired[place_text(wired, Placement.BEFORE_QUOTE) :].strip() == ""


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("answered", ["> old\n>\n> older\n", "> one\nYes.\n\n> two\n", ">> older\n> old\n\n"])
@pytest.mark.parametrize("below", ["", "\n-- \nAda\n"])
def test_below_an_answer_that_stands_below_the_quote(attribution: str, answered: str, below: str) -> None:
    text = f"\n{attribution}\n{answered}Thanks, see you.\n{below}".replace("\n", "\r\n")
    assert text[: place_text(text, Placement.BEFORE_QUOTE)].endswith("Thanks, see you.")


@pytest.mark.parametrize(
    "earlier",
    [
        "-----Original Message-----\nFrom: Ben\n\nHi\n> older\n\nOld text.\n",
        "Begin forwarded message:\n\nHi\n> older\n\nOld text.\n",
        "On Mon, 3 May 2024 at 10:00, Ben Ray <ben@example.net> wrote:\n\nHi\n\n> older\n\nOld text.\n",
    ],
)
def test_above_an_earlier_message_in_which_somebody_has_answered(earlier: str) -> None:
    assert place_text(f"\n{earlier}".replace("\n", "\r\n"), Placement.BEFORE_QUOTE) == 0
    assert above(earlier) == "Thanks, see you."


MARK = "\x01"


@pytest.mark.parametrize(
    "page",
    [
        "<p>Hi</p>|",
        "<html><body><p>Hi</p>|</body></html>\n",
        "<HTML><BODY><P>Hi</P>|</BODY></HTML>\n",
        "<html><head><style>blockquote{}</style></head><body>Hi|</body></html>",
        "<body>Hi <p>unclosed|</body>",
        '<body><p>Hi</p>|<div class="gmail_quote"><blockquote type="cite">old</blockquote></div></body>',
        '<body><div dir="ltr">Hi</div><br>|<div class="gmail_quote gmail_quote_container">old</div></body>',
        "<body><p>Hi</p>|<blockquote type=cite>old</blockquote>\n<p></p></body>",
        '<body>Hi|<div class="moz-cite-prefix">On x:</div><blockquote cite="mid:1">old</blockquote></body>',
        "<body><div class=\"WordSection1\"><p>Hi</p><div>|<div style='border:none;border-top:solid #E1E1E1 1.0pt'>"
        "<p><b>From:</b> Ben</p></div></div><p>old</p></div></body>",
        '<body><div>Hi</div>|<hr id="x"><div id="divRplyFwdMsg">From: Ben</div><div>old</div></body>'.replace(
            '|<hr id="x">', '<hr id="x">|'
        ),
        '<body><div>Hi</div>|<div id="appendonsend"></div><div>old</div></body>',
        '<body><p>Hi</p>|<div class="moz-signature">-- <br>Ada</div></body>',
        '<body><div>Hi</div>|<div class="yahoo_quoted" id="yahoo_quoted_1"><div>old</div></div></body>',
        '<body>|<table><tr><td>Hi<div class="gmail_quote">old</div></td></tr></table></body>',
        "<body><table><tr><td>Hi</td></tr></table>|</body>",
        "<body>|<table><tr><td>unclosed table</body>",
        "<body>|<a href=x>unclosed link</body>",
        '<body>|<div style="display:none">hidden and unclosed</body>',
        '<body><div style="display:none">preview</div><p>Hi</p>|</body>',
        "<body>Hi <!-- </body> <table> -->|</body>",
        "<body>Hi <!--[if mso]><table><tr><td><![endif]-->x<!--[if mso]></td></tr></table><![endif]-->|</body>",
        "<body>|<p>Hi</p><!-- unclosed </body>",
        "<body><script>if (a < b) document.write('<table>')</script>Hi|</body>",
        "<body>|<blockquote>unclosed, indented</body>",
        "<body><blockquote>indented</blockquote>Hi|</body>",
        "<body>Quoted <b>bold|</body>",
        "<p>first </body> is quoted</p><p>Hi</p>|</body></html>\n",
        "<html><body>Hi</body></html>after|",
        "|<table><tr><td>Hi",
        "<body><ul><li>one<li>two</ul>|</body>",
        "<body>|<textarea>x</body>",
        "<body><select><option>x</select>|</body>",
        '<body><img src="data:image/png;base64,' + "A" * 9000 + '">Hi|</body>',
    ],
)
def test_place_in_html(page: str) -> None:
    expected = page.index("|")
    text = page.replace("|", "")
    at = place_html(text, Placement.BEFORE_QUOTE)
    assert at is not None
    assert text[:at] + "|" + text[at:] == page, expected
    _is_seen_and_harmless(text, at)


def _is_seen_and_harmless(text: str, at: int) -> None:
    """A block put there is a child of nothing that hides or quotes it, and leaves the rest of the tree as it was."""
    block = f"<div>{MARK}</div>".replace(MARK, "OFFER")
    tree = html5lib.parse(text[:at] + block + text[at:], treebuilder="dom", namespaceHTMLElements=False)
    offer = next(e for e in tree.getElementsByTagName("div") if "".join(_texts(e)) == "OFFER")
    parent = offer.parentNode
    while parent.nodeName != "html":
        assert parent.nodeName in ("body", "div", "b", "center", "span", "font"), parent.nodeName
        assert "none" not in (parent.getAttribute("style") or "").split(":")[-1] or "border" in parent.getAttribute(
            "style"
        )
        parent = parent.parentNode
    offer.parentNode.removeChild(offer)
    before = html5lib.parse(text, treebuilder="dom", namespaceHTMLElements=False)
    tree.normalize()
    assert tree.toxml() == before.toxml()


def _texts(node: object) -> list[str]:
    return [c.data for c in node.childNodes if c.nodeType == c.TEXT_NODE]  # type: ignore[attr-defined]


def test_bottom_and_top_of_html() -> None:
    page = "<html><body><p>Hi</p><blockquote type=cite>old</blockquote></body></html>"
    assert place_html(page, Placement.TOP) == page.index("<p>")
    assert place_html(page, Placement.BOTTOM) == page.index("</body>")


HOSTILE = {
    "deep nesting": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000)
    ),
    "50,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000 + b"--b--\r\n",
    "long parameters": b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\nx\r\n",
    "long folded field": b"Content-Type: text/plain;\r\n" + b" a=b;\r\n" * 60_000 + b" c=d\r\n\r\nx\r\n",
    "many fields": b"Content-Type: text/plain\r\n" + b"X: y\r\n" * 30_000 + b"\r\nx\r\n",
    "many delimiters of another": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bb\r\n" * 100_000,
    "quotes": b'Content-Type: text/plain; a="' + b'\\"' * 4_000 + b"\r\n\r\nx\r\n",
    **{
        f"html of {name}": b"Content-Type: text/html\r\n\r\n" + (piece * (400_000 // len(piece)))
        for name, piece in {
            "comments": b"<!--",
            "closed comments": b"--><!--",
            "divs": b"<div>",
            "lines of divs": b"<div>\r\n",
            "bodies": b"<body ",
            "quoted bodies": b"<body a='>",
            "ends": b"</body>",
            "anchors": b"<a ",
            "quotes in tags": b'<a ">',
            "unclosed quotes": b"<a b=\"'>",
            "quote marks": b'<div class="gmail_quote"><table>',
            "blockquotes": b"<blockquote ",
            "tables": b"<table><tr><td>",
            "scripts": b"<script>",
            "less-than": b"<",
            "titles": b"<title>",
            "styles": b"<p style='",
        }.items()
    },
    **{
        f"text of {name}": b"From: a@example.org\r\n\r\n" + (piece * (400_000 // len(piece)))
        for name, piece in {
            "colons": b":\r\n",
            "wrote": b"On 1:00 <a@b> wrote:\r\n",
            "quotes": b">\r\n",
            "dashes": b"-",
            "rules": b"\r\n---- -",
            "underscores": b"\r\n________",
            "labels": b"\r\nFrom: x",
            "from blocks": b"\r\nFrom: xx\r\nTo: y",
            "signatures": b"-- \r\n",
            "blanks": b" ",
            "empty lines": b"\r\n",
            "armour": b"-----BEGIN PGP ",
        }.items()
    },
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * 60_000,
    "soft breaks": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * 130_000,
    "escapes": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=41" * 130_000 + b"\r\n\r\n> x\r\n",
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_cost_little(message: bytes, addition: Addition) -> None:
    locate(b"\r\nx\r\n")
    tracemalloc.start()
    start = time.process_time()
    site = locate(message)
    if isinstance(site, Site):
        splice(message, site, addition, redactor=None, eight_bit=True)
    spent = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent < 2.0  # with tracing on, which makes it several times slower
    assert peak < 64 * 1024 * 1024


SIGNED_FILE = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n"
    b'--b\r\nContent-Type: application/pdf; name="plan.pdf"\r\n\r\nx\r\n'
    b"--b\r\nContent-Type: %b\r\nContent-Disposition: attachment; filename=%b\r\n\r\nx\r\n--b--\r\n"
)


@pytest.mark.parametrize("kind", [b"application/pgp-signature", b"application/pkcs7-signature"])
@pytest.mark.parametrize(
    ("name", "suits"),
    [
        (b"plan.pdf.asc", True),
        (b'"Plan.p7s"', True),
        (b"smime.p7s", False),
        (b"signature.asc", False),
        (b".asc", False),
    ],
)
def test_a_signature_of_an_attached_file_is_not_that_of_the_message(kind: bytes, name: bytes, suits: bool) -> None:
    found = locate(SIGNED_FILE % (kind, name))
    assert isinstance(found, Site) if suits else found == Unsuitable(Reason.SIGNED, "3")


@pytest.mark.parametrize("digits", [b"SGVsbG8gV29ybGQhA", b"SGVsbG8", b"SGVsbG8gV29ybGQ"])
def test_base64_without_padding_or_with_a_digit_too_many(digits: bytes, addition: Addition) -> None:
    message = b"From: a@example.org\r\nContent-Transfer-Encoding: base64\r\n\r\n" + digits + b"\r\n"
    site = locate(message)
    assert isinstance(site, Site)
    out = splice(message, site, addition, redactor=None, eight_bit=False)
    assert not isinstance(out, Unsuitable) and remove(out) == message
    content = base64.b64decode(out.message.split(b"\r\n\r\n", 1)[1], validate=False)
    assert content.startswith(b"Hello") and addition.text.split("\n")[0].encode() in content


@pytest.mark.parametrize(
    "words", [b"helloworld", b"these are words", b"four more word", b"SGVsbG8gV29ybGQhA more", b"//////w", b"AAAAAA"]
)
def test_words_that_nobody_encoded_are_not_decoded(words: bytes) -> None:
    found = locate(b"From: a@example.org\r\nContent-Transfer-Encoding: base64\r\n\r\n" + words + b"\r\n")
    assert found == Unsuitable(Reason.BAD_TRANSFER_ENCODING)
