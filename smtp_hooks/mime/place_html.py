"""Where the block goes in a text/html body.

A document and a placement → a character offset between two tags where a `<div>` may stand: inside the body, not within
a table, link, list, quote, comment, script or style, nor within an element that is not shown. Above the mark that a
mail program puts round an earlier message or a signature, else at the end of the body; where neither is safe, before
the outermost element that makes it unsafe; where that is not to be had, at the top of the body.

There is no HTML parser on the usual way. The names of the tags up to the place are read in order: where every tag is of
the plain kind, and all that matter are nested properly and closed, only the `<div>`s that are open are looked at.
Otherwise `html_tree` says what is open; where it is sure only up to an earlier place, that one is taken.

Standards: HTML (WHATWG), 13.2. Limits: those of `html_tree`; on the usual way an inline element that hides what is in
it is not noticed where it stays open: a `<b hidden>` (or i, u, em …), or a `<span hidden>` whose end a paragraph or an
item that is open within keeps off.
"""

from __future__ import annotations

import re

from smtp_hooks.mime.html_tags import (
    ATTRIBUTES,
    BLOCKS,
    COMMENT,
    LEADING,
    PLAIN_TAG,
    RAW,
    SCOPES,
    SHIFTING,
    TAG,
    VOID,
    names,
)
from smtp_hooks.mime.html_tree import DEEPEST, HIDING, Open, open_elements
from smtp_hooks.mime.model import Placement
from smtp_hooks.mime.quotes import HTML_EARLIER, HTML_MARK, HTML_RULE, QUOTING_BLOCK

MAX_TAG = 4_096  # characters from the start of a tag within which a mark is looked for
_CLIMBS = 8  # times that a place is moved before what makes it unsafe
_BODY = re.compile(r"<body(?=[\s>/])", re.IGNORECASE | re.ASCII)
_END = re.compile(r"</body\s*+>(?=\s*+(?:</html\s*+>)?\s*+\Z)|</html\s*+>(?=\s*+\Z)", re.IGNORECASE | re.ASCII)
_UNSHOWN = re.compile(
    r"<(title|style|script|noscript|noframes|template|xmp|plaintext|!--)(?![a-z])", re.IGNORECASE | re.ASCII
)
_DIVS = re.compile(rf"<(/?)(?:div|center|section|article|main)(?=[\s>/])({ATTRIBUTES})>", re.IGNORECASE | re.ASCII)
_COMMENT_OR_STYLE = re.compile(
    rf"{COMMENT.pattern}|<style(?=[\s>])[^<>]*+>[^<]*+</style\s*+>", re.IGNORECASE | re.ASCII
)
_BOXES = names("div center section article main")
_HARMLESS = VOID | names("p b i u em strong small big o:p html body head li td tr th tbody")
"""Elements whose being open says nothing of a place: it is looked at elsewhere, or does no harm."""
_NOT_COUNTED = {""} | {slash + form for name in _HARMLESS for form in (name, name.upper()) for slash in ("", "/")}
_UNUSUAL = SHIFTING | RAW | names("label datalist audio video canvas meter progress")
"""Elements whose content is no tags, or hidden while an end tag may not reach them."""
_CLOSE_P = (BLOCKS - {"form"}) | names("hr li dd dt xmp")
_NEXT = re.compile(rf"[ \t\r\n\f]*+(?:<(/?)([a-zA-Z][^ \t\r\n\f/>]*+){ATTRIBUTES}>|\Z)")
_NO_PARAGRAPH_END = SCOPES | RAW | names("button")
"""Elements within which the end of a paragraph is not that of one around them."""


def place(text: str, placement: Placement) -> int | None:
    """The offset where the block goes, or None where no place is safe."""
    found = _place(text, placement)
    if found is None:
        return None
    return None if "<frameset" in text[found:].lower() else found  # it takes the place of a body with nothing in it yet


def _place(text: str, placement: Placement) -> int | None:
    top, top_is_safe = _top(text)
    if _is_never_shown(text, top):
        return None
    end = _bottom(text, top)
    candidates = [end]
    if placement is Placement.TOP:
        candidates = []
    elif placement is Placement.BEFORE_QUOTE:
        mark = _mark(text, top, end)
        if mark is not None:
            candidates = [mark, end]
    for at in candidates:
        safe = _make_safe(text, top, at)
        if safe is not None and (safe > top or top_is_safe):
            return safe
    return top if top_is_safe else None


def _top(text: str) -> tuple[int, bool]:
    """Where the content of the body starts, and whether a block may stand there: not in a head that is still open."""
    leading = LEADING.match(text)
    start = leading.end() if leading else 0
    if _BODY.match(text, start):
        tag = TAG.match(text, start)
        return (tag.end(), True) if tag else (start, False)
    before = text[:start].lower()
    return start, "<head" not in before or "</head" in before


def _is_never_shown(text: str, top: int) -> bool:
    """Whether all that follows belongs to an element that never ends and is not shown, or not where scripts run."""
    if text.rfind("<noscript", 0, top) > text.rfind("</noscript", 0, top):
        return True
    match = _UNSHOWN.match(text, top)
    if match is None:
        return False
    name = match[1].lower()
    end = "-->" if name == "!--" else "</" + name
    return name == "plaintext" or end not in text[top:].lower()


def _bottom(text: str, top: int) -> int:
    """Where the content of the body ends: before the last `</body>`, if nothing but `</html>` follows."""
    last = text.rfind("</", top)
    for at in (text.rfind("</", top, max(last, top)), last):
        match = _END.match(text, at) if at >= 0 else None
        if match is not None:
            return at
    return len(text)


def _mark(text: str, top: int, end: int) -> int | None:
    """The start of the first tag that opens an earlier message or the signature, if words stand above it."""
    found = end
    match = HTML_MARK.search(text, top, end)
    while match is not None:
        start = _tag_start(text, top, match.start())
        if start is not None:
            found = start
            break
        match = HTML_MARK.search(text, match.end(), end)
    rule = text.find(HTML_RULE, top, found)
    if rule >= 0:
        found = _tag_start(text, top, rule) or found
    for name in ("<blockquote", "<BLOCKQUOTE"):
        at = text.find(name, top, found)
        while at >= 0:
            if QUOTING_BLOCK.match(text, at + len(name)):
                found = at
                break
            at = text.find(name, at + 1, found)
    if found == end or not _shows_words(text, top, found):
        return None
    return found


def _tag_start(text: str, top: int, at: int) -> int | None:
    """The start of the tag within which `at` lies, or None where it lies in none."""
    start = text.rfind("<", max(top, at - MAX_TAG), at)
    if start < 0 or text.find(">", start, at) >= 0 or not text[start + 1 : start + 2].isalpha():
        return None
    return start


_FIRST_WORDS = re.compile(r"\s*+[^<\s]")
_WORDS = re.compile(r">(?>(?:\s|&nbsp;|&#160;)*)[^<\s]")


def _shows_words(text: str, start: int, end: int) -> bool:
    """Whether there is text, or an image, between the two offsets."""
    if start == 0 and _FIRST_WORDS.match(text, 0, end):
        return True
    return bool(_WORDS.search(text, max(start - 1, 0), end)) or "<img" in text[start:end]


def _without_comments(text: str) -> str | None:
    """The text with `<!>` for each comment, or None where one stays open. Linear, whatever the text."""
    at = text.find("<!--")
    if at < 0:
        return text
    has_odd_ends = "--!>" in text
    out, end = [], 0
    while at >= 0:
        out += [text[end:at], "<!>"]
        if has_odd_ends:
            match = COMMENT.match(text, at)
            close = match.end() - 3 if match else -1
        else:
            close = text.find("-->", at + 2)  # `<!-->` is a whole one
        if close < 0:
            return None
        end = close + 3
        at = text.find("<!--", end)
    return "".join([*out, text[end:]])


def _make_safe(text: str, top: int, at: int) -> int | None:
    """`at`, or an offset before it that is safe, or None."""
    region = _without_comments(text[top:at])
    if region is None:
        return None
    tags, matter = _tags(region)
    if "style" in matter:
        region = _COMMENT_OR_STYLE.sub("<!>", text[top:at])
        tags, matter = _tags(region)
    if len(tags) != region.count("<"):
        return _walk(text, top, at)
    nested = _open_names(matter)
    if nested is None or any(name not in _BOXES for name in nested):
        return _walk(text, top, at)
    if nested and _in_bad_box(region, len(nested)):
        return _walk(text, top, at)
    if not _closes_p(text, at) and _open_paragraph(tags):
        return _walk(text, top, at)
    return at


def _tags(region: str) -> tuple[list[str], list[str]]:
    """The names of all plain tags, and in small letters those of them that matter."""
    tags = PLAIN_TAG.findall(region)
    return tags, [tag.lower() for tag in tags if tag not in _NOT_COUNTED]


def _open_names(tags: list[str]) -> list[str] | None:
    """The elements open at the end of a sequence of tags that matter, or None where they are not nested properly."""
    stack: list[str] = []
    for tag in tags:
        if tag[0] != "/":
            if tag in _UNUSUAL:
                return None
            if tag not in _HARMLESS:  # in mixed case
                stack.append(tag)
        elif stack and stack[-1] == tag[1:]:
            stack.pop()
        elif len(stack) > DEEPEST or tag[1:] in stack:
            return None
    return stack if len(stack) <= DEEPEST else None


def _open_paragraph(tags: list[str]) -> bool:
    """Whether a paragraph may be open at the end of a sequence of tags, nested properly but for paragraphs."""
    for tag in reversed(tags):
        name = tag.lower()
        if name == "p" or name.lstrip("/") in _NO_PARAGRAPH_END:
            return True
        if name == "/p" or name in _CLOSE_P:
            return False
    return False


def _in_bad_box(region: str, open_boxes: int) -> bool:
    """Whether one of the `<div>`s (or the like) that are open at the end of region hides or quotes."""
    stack: list[str] = []
    for closing, attributes in _DIVS.findall(region):
        if not closing:
            stack.append(attributes)
        elif stack:
            stack.pop()
    return len(stack) != open_boxes or any(HIDING.search(a) or HTML_EARLIER.search(a) for a in stack)


def _walk(text: str, top: int, at: int) -> int | None:
    """`at`, or the start of the outermost element that makes it unsafe, or where certainty ends before it."""
    for _ in range(_CLIMBS):
        known = open_elements(text, top, at)
        if known is None:
            return None
        at = known.at
        unsafe = next((e for e in known.elements if _is_unsafe(e, text, at)), None)
        if unsafe is None:
            return at
        at = unsafe.start
    return None


def _is_unsafe(element: Open, text: str, at: int) -> bool:
    if element.name == "p":
        return not _closes_p(text, at)
    return not element.is_harmless()


def _closes_p(text: str, at: int) -> bool:
    """Whether what follows ends an open paragraph anyway, so that a `<div>` before it changes nothing."""
    match = _NEXT.match(text, at)
    if match is None:
        return False
    if match[2] is None:  # the end of the text
        return True
    name = match[2].lower()
    return name in ("body", "html") if match[1] else name in _CLOSE_P
