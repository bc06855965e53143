"""What holds for every message: octets outside the splice are identical, and Python's own parser reads the result."""

from __future__ import annotations

import binascii
import quopri
from base64 import encodebytes
from email import message_from_bytes, policy

from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.mime import Addition, Icon, Placement, Site, Spliced, Unsuitable, locate, remove, splice, transfer
from smtp_hooks.numbers import Redactor

URL = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"
ADDITION = Addition(
    text=f"Ada offers you a call:\n{URL}\n",
    html=f'<div><a href="{URL}">Talk</a></div>',
    icon=Icon(content=b"\x89PNG" + bytes(90), filename="call.png", content_id="1@call.example.org"),
)
REDACTOR = Redactor(["+33199001234"], "[hidden]")
WORDS = st.sampled_from(
    ["Hello", "été", "日本", "> quoted", "-- ", "", " ", "a = b", "From x", "=", "01 99 00 12 34", "x" * 90, "end "]
)
TEXTS = st.lists(WORDS, max_size=12).map("\r\n".join)
TAGS = "<p> </p> <div> </div> <b> </b> Hi <br> <table> <tr><td> </td></tr></table> <a> </a> <!--x--> é <ul><li> </ul>"
PIECES = st.sampled_from([*TAGS.split(), "\r\n", "<blockquote type=cite>", "</blockquote>", "<a href='x'>"])
PAGES = st.lists(PIECES, max_size=14).map(lambda p: "<html><body>" + "".join(p) + "</body></html>\r\n")


def encoded(text: str, encoding: str) -> bytes:
    octets = text.encode()
    if encoding == "base64":
        return encodebytes(octets).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return transfer.encode_qp(octets)
    return octets


@st.composite
def leaf(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["plain", "html"]))
    encoding = draw(st.sampled_from(["8bit", "base64", "quoted-printable"]))
    text = draw(TEXTS if kind == "plain" else PAGES)
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    if draw(st.integers(0, 4)) == 0:
        head += "Content-Disposition: attachment\r\n"
    return head.encode() + b"\r\n" + encoded(text, encoding)


@st.composite
def entity(draw: st.DrawFn, depth: int = 0) -> bytes:
    if depth > 2 or draw(st.booleans()):
        return draw(leaf())
    boundary = f"b{depth}{draw(st.integers(0, 10**6))}".encode()
    subtype = draw(st.sampled_from([b"mixed", b"alternative", b"related"]))
    parts = draw(st.lists(entity(depth + 1), min_size=1, max_size=3))
    inner = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts)
    head = b"Content-Type: multipart/" + subtype + b"; boundary=" + boundary + b"\r\n"
    return head + inner + b"\r\n--" + boundary + b"--\r\n"


MESSAGES = entity().map(lambda e: b"From: ada@example.org\r\nMIME-Version: 1.0\r\n" + e)


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    parsed = message_from_bytes(message, policy=policy.compat32)
    return [(p.get_content_type(), p.get_payload(decode=True)) for p in parsed.walk() if not p.is_multipart()]


@settings(deadline=None)
@given(MESSAGES, st.sampled_from(Placement), st.booleans())
def test_only_the_block_is_new(message: bytes, placement: Placement, eight_bit: bool) -> None:
    site = locate(message, placement=placement)
    if isinstance(site, Unsuitable):
        return
    out = splice(message, site, ADDITION, redactor=None, eight_bit=eight_bit)
    assert isinstance(out, Spliced)
    assert remove(out) == message
    before = leaves(message)
    after = [(kind, content) for kind, content in leaves(out.message) if kind != "image/png"]
    assert [kind for kind, _ in before] == [kind for kind, _ in after]
    changed = [(old, new) for (_, old), (_, new) in zip(before, after, strict=True) if old != new]
    assert len(changed) == (site.plain is not None) + (site.html is not None)
    for old, new in changed:
        assert new.count(URL.encode()) == 1
        at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
        found = any(old == new[:cut] + new[len(new) - (len(old) - cut) :] for cut in range(at, max(-1, at - 40), -1))
        assert found, (old, new)
    icons = [content for kind, content in leaves(out.message) if kind == "image/png"]
    assert len(icons) == (site.html is not None)
    assert not any(p.defects for p in message_from_bytes(out.message).walk())


@settings(deadline=None)
@given(MESSAGES)
def test_no_number_stays_in_a_body(message: bytes) -> None:
    site = locate(message)
    if isinstance(site, Unsuitable):
        return
    out = splice(message, site, ADDITION, redactor=REDACTOR, eight_bit=True)
    assert isinstance(out, Spliced)
    assert remove(out) == message
    parsed = message_from_bytes(out.message)
    for part in parsed.walk():
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            assert not REDACTOR.shows(part.get_payload(decode=True).decode())  # type: ignore[union-attr]


@given(st.binary(max_size=400))
def test_anything_at_all_is_answered(message: bytes) -> None:
    site = locate(message)
    if isinstance(site, Site):
        out = splice(message, site, ADDITION, redactor=REDACTOR, eight_bit=False)
        assert isinstance(out, Unsuitable) or remove(out) == message


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=90)), max_size=3))
def test_changes_of_encoded_bodies_are_changes_of_their_content(
    content: bytes, wanted: list[tuple[int, bytes]]
) -> None:
    changes: list[transfer.Change] = []
    at = 0
    for offset, new in sorted(wanted):
        start = min(max(offset, at), len(content))
        end = min(start + len(new) // 3, len(content))
        changes.append((start, end, new))
        at = end
    expected = transfer.change(content, changes)
    for encoding in ("quoted-printable", "base64"):
        raw = transfer.encode(content, encoding)
        assert transfer.decode(raw, encoding) == content
        patched = transfer.patch(raw, content, encoding, changes) if changes else raw
        assert transfer.decode(patched, encoding) == expected
        assert all(len(line) <= 76 for line in patched.split(b"\r\n"))
        assert patched.isascii()


@given(st.binary(max_size=400))
def test_quoted_printable_agrees_with_pythons(content: bytes) -> None:
    encoded_body = transfer.encode_qp(content)
    assert quopri.decodestring(encoded_body) == content
    assert binascii.a2b_qp(encoded_body) == content
    assert all(len(line) <= 76 for line in encoded_body.split(b"\r\n"))
