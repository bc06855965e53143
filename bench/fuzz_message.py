"""What must hold of every message, however broken: targets of the fuzz program (`fuzz.py`) that take octets.

Each target returns, or raises: AssertionError where a property does not hold, anything else where the code broke.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from email.message import Message
from typing import Any

import dkim
import html5lib  # type: ignore[import-untyped]
from fuzz_seeds import NUMBER, OTHERS

from smtp_hooks import quoted, tags
from smtp_hooks.dkim import Signer, Unsignable, complete
from smtp_hooks.dkim_keys import dns_record, generate_ed25519, load
from smtp_hooks.mime import (
    Addition,
    Icon,
    Placement,
    Site,
    Spliced,
    Unsuitable,
    exposed,
    locate,
    remove,
    splice,
    transfer,
)
from smtp_hooks.mime.model import Insertion, apply
from smtp_hooks.mime.place_html import place as place_html
from smtp_hooks.mime.place_text import place as place_text
from smtp_hooks.numbers import Change, Redactor
from smtp_hooks.trace import passed, stamp
from smtp_hooks.words import read_words

REDACTOR = Redactor([NUMBER], "[hidden]")
PREFIX = "https://call.example.org/a/"
URL = PREFIX + "AX" + "0" * 34
ADDITION = Addition(
    text=f"Ada offers you a call:\n{URL}\n",
    html=f'<div>\n<a href="{URL}"><img src="cid:1@call.example.org" alt=""> Talk to Ada</a></div>\n',
    icon=Icon(content=b"\x89PNG" + bytes(90), filename="call.png", content_id="1@call.example.org"),
)
_KEY = generate_ed25519()
_SIGNERS = [Signer([load("example.org", "s", _KEY)], body=body) for body in ("simple", "relaxed")]
_RECORD = dns_record(_KEY).encode()


def _coin(data: bytes, salt: bytes) -> bool:
    """The same for the same input, so that what is found can be found again."""
    return bool(hashlib.blake2b(data + salt).digest()[0] & 1)


def surgery(data: bytes) -> None:
    """locate, splice, remove: untouched parts stay, the result reads as the original did, and says what is true."""
    if _has_bare(data) or b"\0" in data:
        return  # no way in lets such a message through
    eight_bit = _coin(data, b"8bit")
    redactor = REDACTOR if _coin(data, b"redact") else None
    placement = list(Placement)[len(data) % 3]
    site = locate(data, placement=placement)
    exposed(data, REDACTOR)
    if isinstance(site, Unsuitable):
        return
    out = splice(data, site, ADDITION, redactor=redactor, eight_bit=eight_bit)
    if isinstance(out, Unsuitable):
        return
    new = out.message
    assert remove(out) == data, "remove does not give back the original"
    assert new.isascii() or not data.isascii(), "8-bit where there was none"
    longest = max(998, *map(len, data.split(b"\r\n")))
    assert max(map(len, new.split(b"\r\n"))) <= longest, "a line that is too long"
    assert _has_bare(new) <= _has_bare(data), "a bare CR or LF that was not there"
    _same_structure(data, site, out)
    _bodies_tell_the_truth(site, new, redactor)


def _has_bare(octets: bytes) -> bool:
    rest = octets.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def _bodies_tell_the_truth(before: Site, new: bytes, redactor: Redactor | None) -> None:
    """The block stands in each body once, and no number does."""
    after = locate(new)
    assert isinstance(after, Site), f"what came out cannot be read: {after}"
    assert (after.plain is None, after.html is None) == (before.plain is None, before.html is None)
    for old, found in ((before.plain, after.plain), (before.html, after.html)):
        if old is None or found is None:
            continue
        text = found.body.text
        assert text.count(URL) == old.body.text.count(URL) + 1, "the link is not there once more"
        if redactor is None:
            _one_stretch(old, text)
            continue
        html = found.body.part.media_type == "text/html"
        left = redactor.html_changes(text) if html else redactor.text_changes(text)
        assert not left, f"a number is left: {text[left[0][0] : left[0][1]]!r}"


def _one_stretch(old: Insertion, new: str) -> None:
    """The text is the old one with one stretch put in where it was to go."""
    kept = old.body.text.removeprefix("\ufeff")
    new = new.removeprefix("\ufeff")
    at = old.at - (len(old.body.text) - len(kept))
    assert new.startswith(kept[:at]) and new.endswith(kept[at:]), "more of a body changed than the block's place"


def _same_structure(data: bytes, site: Site, out: Spliced) -> None:
    """Python's parser, which repairs what it can, sees the same tree, and the same octets in all other leaves."""
    before, after = _shape(email.message_from_bytes(data)), _shape(email.message_from_bytes(out.message))
    assert [kind for kind, _ in before] == [kind for kind, _ in after], "another structure"
    changed = sum(1 for (_, a), (_, b) in zip(before, after, strict=True) if a != b)
    allowed = (site.plain is not None) + (site.html is not None) + len(site.further)
    assert changed <= allowed, f"{changed} leaves changed, {allowed} may"


def _shape(message: Message) -> list[tuple[str, str]]:
    """Types and payloads in order, without the image and the multipart/related that are ours."""
    found = []
    for part in message.walk():
        boundary = part.get_param("boundary")
        if isinstance(boundary, str) and boundary.startswith("=_offer_"):
            continue
        if part.get("Content-ID") == "<1@call.example.org>":
            continue
        try:
            payload = part.get_payload()
        except TypeError:  # Python's own, of a charset as RFC 2231 has it
            payload = ""
        found.append((part.get_content_type(), "" if part.is_multipart() else str(payload).rstrip("\r\n")))
    return found


def redact(data: bytes) -> None:
    """Numbers go, the rest stays, and what is left shows none."""
    text = data.decode("utf-8", "surrogateescape")
    for changes in (REDACTOR.text_changes, REDACTOR.html_changes):
        found = changes(text)
        _in_order(found, len(text))
        left = changes(_changed(text, found))
        assert not left, "a number is left"
    new = REDACTOR.header_value(data)
    if new is not None:
        assert new.isascii() or not data.isascii(), "8-bit where there was none"
        assert new.count(b"\n") <= data.count(b"\n") + len(new) // 40 + 1
    assert b"".join(word.raw for word in read_words(data)) == data


def _in_order(changes: list[Change], length: int) -> None:
    at = 0
    for start, end, _ in changes:
        assert at <= start <= end <= length, "changes overlap or lie outside"
        at = end


def _changed(text: str, changes: list[Change]) -> str:
    out, at = [], 0
    for start, end, new in changes:
        out += [text[at:start], new]
        at = end
    return "".join([*out, text[at:]])


def subject(data: bytes) -> None:
    """Tags and field are read and taken out; what is left has none, and the body is as it was."""
    if _has_bare(data):
        return  # no way in lets such a message through
    _, edits = tags.read(data, ("support",))
    body = data.find(b"\r\n\r\n")
    at = 0
    for edit in edits:
        assert edit.start >= at and data[edit.start : edit.start + len(edit.old)] == edit.old, "edits overlap or lie"
        at = edit.start + len(edit.old)
        assert body < 0 or at <= body + 2 or data.startswith(b"\r\n"), "an edit outside the header"
        assert edit.new.isascii() or not data.isascii(), "8-bit where there was none"
    if not edits:
        return
    new = apply(data, edits)
    assert body < 0 or new.endswith(data[body + 2 :]), "more than the header changed"
    again = tags.read(new, ("support",))
    assert not again[1], "a tag is left"


def links(data: bytes) -> None:
    """Links of others become worthless, and nothing else changes."""
    site = locate(data)
    if isinstance(site, Unsuitable):
        return
    found = quoted.tokens_in(site, PREFIX)
    if not found:
        return
    new = quoted.disarm(data, site, PREFIX, found, eight_bit=True)
    if isinstance(new, Unsuitable):
        return
    assert new.isascii() or not data.isascii()
    again = locate(new)
    assert isinstance(again, Site), f"what came out cannot be read: {again}"
    assert not quoted.tokens_in(again, PREFIX), "a link is left"


def html(data: bytes) -> None:
    """The place in a document: seen, in nothing that is not ours, and the rest of the tree stays (html5lib's word)."""
    text = data.decode("utf-8", "replace").replace("\x00", "").replace("\x0c", " ")
    if _HIDDEN_INLINE.search(text):
        return  # the limit that `place_html` names
    for placement in Placement:
        at = place_html(text, placement)
        if at is not None:
            _harmless(text, at)


_HIDDEN_INLINE = re.compile(r"<(?:b|i|u|em|strong|small|big|span|font)\s[^>]*(?:hidden|none)", re.IGNORECASE)
_BAD_PARENTS = frozenset(
    re.findall(
        r"\w+",
        "a table tbody thead tfoot tr td th caption select textarea title style script noscript template head"
        " blockquote ul ol dl pre button label svg math iframe object h1 h2 h3 h4 h5 h6",
    )
)


def _harmless(text: str, at: int) -> None:
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("dom"), namespaceHTMLElements=False)
    tree = parser.parse(text[:at] + "<div id=offer7>x</div>" + text[at:])
    offers = [e for e in _elements(tree) if e.nodeName == "div" and e.getAttribute("id") == "offer7"]
    assert len(offers) == 1, f"the block is there {len(offers)} times"
    offer = offers[0]
    parent = offer.parentNode
    while parent is not None and parent.nodeType == parent.ELEMENT_NODE:
        assert parent.nodeName not in _BAD_PARENTS, f"within <{parent.nodeName}>"
        is_all = parent.nodeName in ("html", "body")  # where the whole message is hidden, so may the block be
        assert is_all or not parent.hasAttribute("hidden"), "within what is hidden"
        parent = parent.parentNode
    offer.parentNode.removeChild(offer)
    before = html5lib.parse(text, treebuilder="dom", namespaceHTMLElements=False)
    assert _written(tree) == _written(before), "the rest of the document is another"


def _elements(node: Any) -> list[Any]:
    """All elements, however deep: minidom's own search is recursive."""
    found, todo = [], [node]
    while todo:
        each = todo.pop()
        found += [each] if each.nodeType == each.ELEMENT_NODE else []
        todo += each.childNodes
    return found


def _written(node: Any) -> list[str]:
    """The tree as words, adjacent texts joined, without what the very start of a document is special for: comments,
    blanks, head and body, and paragraphs of nothing (a stray `</p>` makes one, but not there). minidom's own writer
    refuses comments that HTML allows."""
    out: list[str] = []
    todo = [(node, False)]
    while todo:
        each, left = todo.pop()
        if each.nodeName in ("head", "body", "html"):
            todo += [(child, False) for child in reversed(each.childNodes)]
        elif left:
            if out[-1] == "<p  >":
                out.pop()
            else:
                out.append(f"</{each.nodeName}>")
        elif each.nodeType == each.TEXT_NODE:
            shown = " ".join(each.data.split())
            if shown:
                out.append(out.pop() + shown if out and out[-1].startswith("'") else "'" + shown)
        elif each.nodeType != each.COMMENT_NODE:
            attributes = sorted(each.attributes.items()) if each.attributes else ""
            out.append(f"<{each.nodeName} {attributes} {getattr(each, 'data', '')}>")
            todo.append((each, True))
            todo += [(child, False) for child in reversed(each.childNodes)]
    return out


def text(data: bytes) -> None:
    """The place in a text: at the end of a line."""
    shown = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "").replace("\n", "\r\n")
    for placement in Placement:
        at = place_text(shown, placement)
        assert 0 <= at <= len(shown)
        assert at in (0, len(shown)) or shown.startswith("\r\n", at) or shown.startswith("\r\n", at - 2), (
            "within a line"
        )


def encodings(data: bytes) -> None:
    """Changes of encoded bodies are changes of their content."""
    size = data[0] if data else 0
    raw = data[1:]
    for encoding in ("quoted-printable", "base64", "7bit"):
        content = transfer.decode(raw, encoding)
        if content is None or _has_bare(raw):
            continue
        start = min(size, len(content))
        end = min(start + size % 7, len(content))
        if b"\r" in (content[start - 1 : start], content[end - 1 : end]):
            continue  # nothing cuts a line end in two
        changes = [
            (start, end, raw[:40].decode("latin-1").encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", b""))
        ]
        new = transfer.patch(raw, content, encoding, changes)
        assert transfer.decode(new, encoding) == transfer.change(content, changes), f"{encoding}: other content"
        assert new.isascii() or not raw.isascii()


def signature(data: bytes) -> None:
    """What is signed verifies by dkimpy, or is refused as unsignable."""
    if _has_bare(data) or b"\0" in data:
        return
    message = complete(data if data.endswith(b"\r\n") else data + b"\r\n", now=0.0, message_id="<1@example.org>")
    message = stamp(message, bytes(32)) + message
    assert passed(message, [bytes(32)]), "our own mark is not read"
    signer = _SIGNERS[len(data) % 2]
    try:
        signed = signer.sign(message, reverse_path="ada@example.org", now=1_700_000_000.0)
    except Unsignable:
        return
    if not signed.startswith(b"DKIM-Signature:"):
        return
    verifier = dkim.DKIM(signed)
    try:
        assert verifier.verify(dnsfunc=lambda *_, **__: _RECORD), "the signature does not verify"
    except dkim.MessageFormatError as error:
        raise AssertionError(f"a verifier cannot read what was signed: {error}") from error


assert OTHERS.startswith(PREFIX)
