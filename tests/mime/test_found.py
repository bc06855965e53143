"""What the fuzz program found (`bench/fuzz.py`), each as small as it got."""

from __future__ import annotations

from email import message_from_bytes

import html5lib
import pytest

from smtp_hooks.mime import Addition, Placement, Site, Spliced, Unsuitable, locate, remove, splice, transfer
from smtp_hooks.mime.model import Edit, apply
from smtp_hooks.mime.place_html import place as place_html
from smtp_hooks.mime.place_text import place as place_text
from smtp_hooks.numbers import Redactor

REDACTOR = Redactor(["+33199001234"], "[hidden]")


def changed(message: bytes, addition: Addition, redactor: Redactor | None = None) -> bytes:
    site = locate(message)
    assert isinstance(site, Site)
    out = splice(message, site, addition, redactor=redactor, eight_bit=False)
    assert isinstance(out, Spliced)
    assert remove(out) == message
    return out.message


@pytest.mark.parametrize("blanks", ["", " ", "  \t", "   "])
@pytest.mark.parametrize("length", [3, 60, 64, 65, 66, 67, 130])
def test_blanks_at_line_ends_of_quoted_printable_do_not_move_the_block(
    blanks: str, length: int, addition: Addition
) -> None:
    head = b"From: a@example.org\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    new = changed(head + f"{'x' * length}{blanks}\r\nsecond{blanks}\r\n".encode(), addition)
    content = transfer.decode(new.split(b"\r\n\r\n", 1)[1], "quoted-printable")
    assert content is not None
    lines = content.split(b"\r\n")
    assert lines[:3] == [b"x" * length, b"second", b""]
    assert lines[3] == addition.text.split("\n")[0].encode()


@pytest.mark.parametrize("raw", [b"c=c", b"a=", b"x" * 75 + b"=", b"= x", b"a=4", b"=   Qz"])
@pytest.mark.parametrize("new", [b"41", b"c=c", b"", b"y" * 80, b"c\r\nd"])
def test_a_loose_equals_sign_stays_one(raw: bytes, new: bytes) -> None:
    raw = raw + b"z\r\n"
    content = transfer.decode(raw, "quoted-printable")
    assert content is not None
    for at in range(len(content) - 1):
        if content[:at].endswith(b"\r"):
            continue
        changes = [(at, at, new)]
        patched = transfer.patch(raw, content, "quoted-printable", changes)
        assert transfer.decode(patched, "quoted-printable") == transfer.change(content, changes)


def test_blanks_at_the_end_of_a_line_that_is_folded_are_not_read() -> None:
    raw = b"\t\x08\t\t\xee\t\t?=" + b"\t" * 12 + b"<!--" + b"\t" * 11
    content = transfer.decode(raw, "quoted-printable")
    assert content is not None
    changes = [(9, 11, raw.replace(b"\xee", b"?"))]
    patched = transfer.patch(raw, content, "quoted-printable", changes)
    assert transfer.decode(patched, "quoted-printable") == transfer.change(content, changes)


@pytest.mark.parametrize("document", ["<bod-><frameset>\u0659>", "<html><FRAMESET rows=1><frame src=x></FRAMESET>"])
def test_no_block_where_a_frameset_takes_the_body_s_place(document: str) -> None:
    assert all(place_html(document, placement) is None for placement in Placement)


def test_two_equals_signs_are_no_quoted_printable() -> None:
    message = b"Content-Transfer-Encoding: quoted-printable\r\n\r\na ==\r\nb\r\n"
    assert isinstance(locate(message), Unsuitable)


def test_a_field_put_before_the_subject_and_a_changed_subject(addition: Addition) -> None:
    message = b"Content-Type: text/plain; charset=utf-8\r\nSubject: +33 1 99 00 12 34\r\n\r\n\xc3\xa9t\xc3\xa9\r\n"
    new = changed(message, addition, REDACTOR)
    parsed = message_from_bytes(new)
    assert parsed.get_all("Subject") == ["[hidden]"]
    assert parsed.get_all("Content-Transfer-Encoding") == ["quoted-printable"]


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="two edits"):
        apply(b"abcdef", [Edit(1, b"bcd", b"x"), Edit(2, b"c", b"y")])


def test_text_that_its_codec_reads_but_does_not_write(addition: Addition) -> None:
    head = b"From: a@example.org\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
    message = (
        head + b"?t? \x1b$BF|K\\\x1b(B \x1bB\xd9BF|K\\\x1b(B\r\n-----Original Message-----\r\nFrom: Ben\r\nTo: y\r\n"
    )
    site = locate(message)
    if isinstance(site, Site):
        out = splice(message, site, addition, redactor=None, eight_bit=False)
        assert isinstance(out, Unsuitable) or remove(out) == message


def test_numbers_one_behind_the_other() -> None:
    text = "+33 1 99 00 12 34 1 99 00 12 34, 01 99 00 12 34"
    assert len(REDACTOR.text_changes(text)) == 3
    assert len(REDACTOR.html_changes(text)) == 3


def test_a_number_in_a_tag_in_a_number() -> None:
    page = '<p>01 99 00 <a href="tel:+33199001234" title="0199001234">12 34</a></p>'
    out, at = [], 0
    for start, end, new in REDACTOR.html_changes(page):
        assert start >= at
        out += [page[at:start], new]
        at = end
    assert "".join([*out, page[at:]]) == '<p>[hidden]<a  title="[hidden]"></a></p>'


def test_a_link_at_the_start_of_a_line_leaves_the_line_end() -> None:
    page = '<a\r\nhref="tel:+33199001234">call</a>'
    ((start, end, new),) = REDACTOR.html_changes(page)
    assert page[:start] + new + page[end:] == "<a\r\n>call</a>"


def test_an_attribution_is_a_line_of_its_own() -> None:
    text = f"Hi\r\n{'x' * 1200} 10:00 <a@b> wrote:\r\n> old\r\n"
    at = place_text(text, Placement.BEFORE_QUOTE)
    assert text.startswith("\r\n", at) or text.startswith("\r\n", at - 2)


@pytest.mark.parametrize(
    "page",
    [
        "<body><b><div hidden>x</b>y</body>",
        "<body><span><div hidden>x</span>y</body>",
        "<body><p><b><div hidden>x</p>y</body>",
        '<body><div title="<div>">Hi</div>x</body>',
        '<body>Hi <a title="x<b>y</a>z</body>',
        "<body>Hi <table></table;>x</body>",
        '<body><div id="a"b">Hi</div></body>',
        '<body>Hi</a<b href="x>y</body>',
    ],
)
def test_the_block_is_seen_in_odd_html(page: str) -> None:
    at = place_html(page, Placement.BEFORE_QUOTE)
    assert at is not None
    seen_and_harmless(page, at)


def seen_and_harmless(page: str, at: int) -> None:
    """For html5lib, the block is in nothing but boxes that show it, and the rest of the tree is what it was."""
    with_block = page[:at] + "<div id=offer>x</div>" + page[at:]
    tree = html5lib.parse(with_block, treebuilder="dom", namespaceHTMLElements=False)
    (offer,) = (e for e in tree.getElementsByTagName("div") if e.getAttribute("id") == "offer")
    parent = offer.parentNode
    while parent.nodeName != "html":
        assert parent.nodeName in ("body", "div", "b", "span") and not parent.hasAttribute("hidden")
        parent = parent.parentNode
    offer.parentNode.removeChild(offer)
    tree.normalize()
    assert tree.toxml() == html5lib.parse(page, treebuilder="dom", namespaceHTMLElements=False).toxml()


BROKEN = {
    # Tags: where they end
    "a tag in a tag that a loose > makes up for": '>Hi<a </a><s="gmail_quote">x',
    "the same before a quote": '<body>><p>Hi</p><a </a><div class="gmail_quote">old</div></body>',
    "a single quote that stays open": '<p>Hi</p><div d=\'"">x',
    "a single quote that stays open, no value": "<div ?='>Hi",
    "a quote in a value without quotes": '<body>Hi<a b=c" d=">x<ul>" e>y</body>',
    "a greater-than sign in the head": '<html><head><meta content="a > b"></head><p>Hi</p>',
    "a comment in a tag": "<body>Hi <a <!-- --> b></a>x</body>",
    "a comment with an exclamation mark at its end": "<body>Hi <!-- --!><ul><!-- --><li>x</body>",
    "the shortest comment": "<!--><head><title>x</title></head><ul><li>--><p>Hi",
    "a comment that ends as it starts": "<body>Hi<!-- x <!--><ul><li>x</body>",
    "an open comment": "?<!--",
    # Paragraphs: a table need not end them, nor does a stray end
    "a paragraph round a table": "<p><table></table><y>Hi",
    "a paragraph round a table, before a quote": '<p>Hi<table></table><span class="gmail_quote">old</span>',
    "a stray end in a paragraph": '<p>Hi</div>x<span class="gmail_quote">old</span>',
    "an open paragraph before an unknown element": '<p>Hi<d="appendonsend">old',
    # Elements: what their ends reach
    "an item that ends a div, and a list within": "<p><li><div><li><ul></div>Hi",
    "a table in a table": "<table><table></table>Hi<pre></table>",
    "an inline element kept open by a paragraph": "<body><p><dd><v hidden><p>Hi",
    "a form that ends before a box in it": "<body><form><div></form>Hi",
    "a form that ends before what is in it": "<body><form><div hidden></form>Hi</div>",
    "a label that a paragraph keeps open": "<body><label><p>Hi</label></p>x</body>",
    "a link between rows": "<body><table><a href=x><tr><td>Hi</td></tr></table>x</body>",
    "a link that a paragraph cuts off": "<body><p><a href=x>Hi</p>x</body>",
    "a list in a style": "<body><style><!--</style><ul>--></style>Hi</body>",
    "a tag in a style in svg": "<body>Hi<svg><style><ul></style></svg>x</body>",
    "a script in a script": "<html><head><script><!-- <script> </script> --></script></head><p>Hi",
}


@pytest.mark.parametrize("placement", Placement)
@pytest.mark.parametrize("page", BROKEN.values(), ids=BROKEN.keys())
def test_the_block_is_in_nothing_that_is_broken(page: str, placement: Placement) -> None:
    at = place_html(page, placement)
    if at is not None:
        seen_and_harmless(page, at)


@pytest.mark.parametrize(
    "page",
    [
        "<body><p>Hi</p>|<svg><path d='M0 0'/></svg></body>",
        "<body><p>Hi</p><div>x|<noscript><img src=x></noscript></div></body>",
        "<body><p>Hi</p>|<select><option>x<input></select>y</body>",
    ],
)
def test_where_certainty_ends_the_block_stands_before(page: str) -> None:
    at = place_html(page.replace("|", ""), Placement.BOTTOM)
    assert at == page.index("|")
    seen_and_harmless(page.replace("|", ""), at)
