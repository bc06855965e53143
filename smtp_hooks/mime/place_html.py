"""Where the block goes in a text/html body.

A document and a placement → a character offset between two tags where a `<div>` may stand: inside the body, not within
a table, link, list, quote, comment, script or style, nor within an element that is not shown. Above the mark that a
mail program puts round an earlier message or a signature, else at the end of the body; where neither is safe, before
the outermost element that makes it unsafe; where that is not to be had, at the top of the body.

There is no HTML parser on the usual way. The names of the tags up to the place are read in order: where all that matter
are nested properly and closed, only the `<div>`s that are open are looked at. Otherwise the tags are walked one by one,
with the rules of the HTML standard that matter here (void elements, raw text, implied ends, links opened again).

Standards: HTML (WHATWG), 13.2. Limits: a document of more than `MAX_WALK` tags is not walked; a tag within a tag that a
loose `>` makes up for is taken for two, and one whose attribute has no closing quote is taken to end at its `>`; a
`<b hidden>` (or i, u, em …) that stays open is not noticed; how HTML breaks out of svg and math, and how it moves text
that is loose in a table, is not followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtp_hooks.mime.model import Placement
from smtp_hooks.mime.quotes import HTML_EARLIER, HTML_MARK, HTML_RULE, QUOTING_BLOCK

MAX_WALK = 20_000
MAX_TAG = 4_096  # characters of a tag that is read with care; a longer one (an image within the page) ends at its `>`
_CLIMBS = 8  # times that a place is moved before what makes it unsafe
_BODY = re.compile(r"<body(?=[\s>/])", re.IGNORECASE)
_END = re.compile(r"</body\s*+>(?=\s*+(?:</html\s*+>)?\s*+\Z)|</html\s*+>(?=\s*+\Z)", re.IGNORECASE)
_LEADING = re.compile(  # what belongs to the head, or stands before it
    r"(?:\s++|<!--(?:(?!-->).)*+-->|<[!?](?!--)[^>]*+>|</?(?:html|head|meta|base|link|xml|o:[a-z]+)(?=[\s>/])[^>]*+>"
    r"|<(?P<raw>title|style|script|noscript|xml)(?=[\s>])[^>]*+>(?:(?!</(?P=raw)).)*+</(?P=raw)\s*+>)*+",
    re.IGNORECASE | re.DOTALL,
)
_UNSHOWN = re.compile(r"<(title|style|script|noscript|noframes|template|xmp|plaintext|!--)(?![a-z])", re.IGNORECASE)
_TAG_IN_TAG = re.compile(r"<[a-zA-Z/][^<>]*+<")
_NAMES = re.compile(r"<(/?[a-zA-Z][^ />\r\n\t\f]*+)")
_DIVS = re.compile(r"<(/?)(?:div|center|section|article|main)(?=[\s>/])([^>]*)", re.IGNORECASE)
_TAG = re.compile(  # a quote means something only behind an equals sign
    r"""<(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*+)>"""
)
_TAG_NAME = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*|[!?/])")
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|max-height\s*:\s*0(?![.\d])"
    r"|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])|(?<![-\w])(?:width|height)\s*:\s*0(?:px)?\s*(?:[;\"']|\Z)"
    r"|(?<![-\w])hidden(?![-\w])",
    re.IGNORECASE,
)


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_VOID = _set("area base br col embed hr img input link meta param source track wbr")
_RAW = _set("script style textarea title xmp iframe noembed noframes noscript plaintext")
_FLOW = _set("html body div center section article main header footer font b i u em strong small big span")
"""Elements in which a `<div>` may stand and be seen; everything else makes a place unsafe."""
_BLOCKS = _set(
    "address article aside blockquote center details dialog dir div dl fieldset figure footer form h1 h2 h3 h4 h5 h6"
    " header hr main menu nav ol p pre section table ul"
)
_BOXES = _set("div center section article main")
_SCOPES = _set("table td th caption select object template svg math applet marquee")
_FORMATTING = _set("a b big code em font i nobr s small strike strong tt u")
"""Elements whose end tag leaves blocks open that were opened within (HTML, 13.2.6.4.7: adoption agency)."""
_SPECIAL = _BLOCKS | _SCOPES | _set("button dd dt form iframe li optgroup option tbody textarea tfoot thead tr summary")
"""Elements that the end tag of an ordinary one does not reach through."""
_HARMLESS = _VOID | _set("p b i u em strong small big o:p html body head li td tr th tbody")
"""Elements whose being open says nothing of a place: it is looked at elsewhere, or does no harm."""
_NOT_COUNTED = frozenset(slash + form for name in _HARMLESS for form in (name, name.upper()) for slash in ("", "/"))


@dataclass(slots=True)
class _Open:
    name: str
    start: int
    attributes: str


def place(text: str, placement: Placement) -> int | None:
    """The offset where the block goes, or None where no place is safe."""
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
    leading = _LEADING.match(text)
    start = leading.end() if leading else 0
    if _BODY.match(text, start):
        tag = _TAG.match(text, start, min(len(text), start + MAX_TAG))
        return (tag.end(), True) if tag else (start, False)
    before = text[:start].lower()
    return start, "<head" not in before or "</head" in before


def _is_never_shown(text: str, top: int) -> bool:
    """Whether all that follows is a frameset, or belongs to an element that never ends and is not shown."""
    if "<frameset" in text or "<FRAMESET" in text:  # takes the place of a body in which nothing is seen yet
        return True
    match = _UNSHOWN.match(text, top)
    if match is None:
        return False
    name = match[1].lower()
    end = "-->" if name == "!--" else "</" + name
    return name == "plaintext" or end not in text[top:].lower()


def _bottom(text: str, top: int) -> int:
    """Where the content of the body ends: before the last `</body>`, if nothing but `</html>` follows."""
    at = max(text.rfind("</body"), text.rfind("</BODY"), text.rfind("</Body"))
    match = _END.match(text, at) if at >= top else None
    if match is None:
        at = max(text.rfind("</html"), text.rfind("</HTML"), text.rfind("</Html"))
        match = _END.match(text, at) if at >= top else None
    return match.start() if match is not None else len(text)


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
_WORDS = re.compile(r">(?:\s|&nbsp;|&#160;)*+[^<\s]")


def _shows_words(text: str, start: int, end: int) -> bool:
    """Whether there is text, or an image, between the two offsets."""
    if start == 0 and _FIRST_WORDS.match(text, 0, end):
        return True
    return bool(_WORDS.search(text, max(start - 1, 0), end)) or "<img" in text[start:end]


def _without_comments(text: str) -> str | None:
    """The text without its comments, or None where one stays open. Linear, whatever the text."""
    if "<!--" not in text:
        return text
    pieces = text.split("<!--")
    out = [pieces[0]]
    is_open = False
    for piece in pieces[1:]:
        if not is_open and piece.startswith((">", "->")):
            out.append(piece.split(">", 1)[1])
            continue
        _, mark, rest = piece.partition("-->")
        is_open = not mark
        if mark:
            out.append(rest)
    return None if is_open else "".join(out)


def _make_safe(text: str, top: int, at: int) -> int | None:
    """`at`, or an offset before it that is safe, or None."""
    region = _without_comments(text[top:at])
    if region is None:
        return None
    if region.rfind("<") > region.rfind(">") or _is_irregular(region):  # within a tag that does not end
        return _walk(text, top, at)
    names = _NAMES.findall(region)
    nested = _open_names([n.lower() for n in names if n not in _NOT_COUNTED])
    if nested is None or any(name not in _BOXES for name in nested):
        return _walk(text, top, at)
    if nested and _in_bad_box(region, len(nested)):
        return _walk(text, top, at)
    if not _closes_p(text, at) and _open_paragraph(names):
        return _walk(text, top, at)
    return at


def _is_irregular(region: str) -> bool:
    """Whether tags may end elsewhere than it seems: a quote without its fellow, a tag within a tag."""
    if region.count('"') % 2:
        return True
    return region.count("<") != region.count(">") and bool(_TAG_IN_TAG.search(region))


def _open_names(names: list[str]) -> list[str] | None:
    """The elements open at the end of a sequence of tags that matter, or None where they are not nested properly."""
    stack: list[str] = []
    for name in names:
        if name.lstrip("/") in _HARMLESS:  # in mixed case
            continue
        if name[0] != "/":
            stack.append(name)
        elif stack and stack[-1] == name[1:]:
            stack.pop()
        elif name[1:] in stack[-400:]:
            return None
    return stack


def _open_paragraph(names: list[str]) -> bool:
    """Whether a paragraph may be open: more often opened than closed since the last block that is no paragraph."""
    for name in reversed(names):
        lower = name.lower()
        if lower == "/p" or (lower.lstrip("/") in _BLOCKS and lower != "p"):
            return False
        if lower == "p":
            return True
    return False


def _in_bad_box(region: str, open_boxes: int) -> bool:
    """Whether one of the `<div>`s (or the like) that are open at the end of region hides or quotes."""
    stack: list[str] = []
    for closing, attributes in _DIVS.findall(region):
        if not closing:
            stack.append(attributes)
        elif stack:
            stack.pop()
    return len(stack) != open_boxes or any(_HIDING.search(a) or HTML_EARLIER.search(a) for a in stack)


def _walk(text: str, top: int, at: int) -> int | None:
    """Walks all tags from top to at; gives back at, or the start of the outermost element that makes it unsafe."""
    for _ in range(_CLIMBS):
        stack = _open_elements(text, top, at)
        if stack is None:
            return None
        unsafe = next((e for e in stack if _is_unsafe(e, text, at)), None)
        if unsafe is None:
            return at
        at = unsafe.start
    return None


def _is_unsafe(element: _Open, text: str, at: int) -> bool:
    if element.name == "p" and _closes_p(text, at):
        return False
    if element.name not in _FLOW:
        return True
    return bool(_HIDING.search(element.attributes) or HTML_EARLIER.search(element.attributes))


def _closes_p(text: str, at: int) -> bool:
    """Whether what follows ends an open paragraph anyway, so that a `<div>` before it changes nothing."""
    rest = text[at : at + 200].lstrip()
    match = _TAG.match(rest)
    if not rest:
        return True
    if match is None:
        return False
    name = match[2].lower()
    return name in ("body", "html") if match[1] else name in _BLOCKS and name != "table"


def _open_elements(text: str, top: int, at: int) -> list[_Open] | None:
    """The elements open at `at`, outermost first; None where it falls into a tag, a comment or raw text."""
    stack: list[_Open] = []
    lost: _Open | None = None  # a link cut off by the end of what is around it: the standard opens it again
    position = top
    for _ in range(MAX_WALK):
        position = text.find("<", position, at)
        if position < 0:
            return [lost, *stack] if lost else stack
        if text.startswith("<!--", position):
            end = text.find("-->", position + 2, at)
            if end < 0:
                return None
            position = end + 3
            continue
        match = _TAG.match(text, position, min(at, position + MAX_TAG))
        if match is None:
            opened = _TAG_NAME.match(text, position, at)
            if opened is None:  # a less-than sign
                position += 1
                continue
            end = text.find(">", position, at)
            if end < 0 or (opened[1].lstrip("/").isalnum() and at - position <= MAX_TAG):
                return None  # a tag that does not end before the place
            if opened[1].isalnum() and opened[1].lower() not in _VOID:
                stack.append(_Open(opened[1].lower(), position, ""))
            position = end + 1
            continue
        position = match.end()
        name = match[2].lower()
        if match[1]:
            lost = lost or _close(stack, name)
            continue
        if name in _VOID or (match[3].endswith("/") and ":" in name):
            continue
        if name in _RAW:
            end = _raw_end(text, name, position, at)
            if end < 0:
                return None
            position = end
            continue
        lost = _imply_ends(stack, name) or lost
        stack.append(_Open(name, match.start(), match[3]))
    return None


def _raw_end(text: str, name: str, start: int, at: int) -> int:
    match = re.compile(rf"</{re.escape(name)}(?=[\s>/])[^>]*+>", re.IGNORECASE).search(text, start, at)
    return match.end() if match else -1


def _imply_ends(stack: list[_Open], name: str) -> _Open | None:
    """Ends that the standard implies: of a paragraph before a block, of cells, rows and items before their next.

    Gives back a link that was open within.
    """
    if name in _BLOCKS:
        for index in range(len(stack) - 1, max(-1, len(stack) - 400), -1):
            if stack[index].name == "p":
                return _cut(stack, index)
            if stack[index].name in _SCOPES or stack[index].name == "button":
                break
    top = stack[-1].name if stack else ""
    if (
        (name == "li" and top == "li")
        or (name in ("dt", "dd") and top in ("dt", "dd"))
        or (name in ("td", "th") and top in ("td", "th"))
        or (name == "option" and top == "option")
    ):
        stack.pop()
    elif name in ("tr", "tbody", "tfoot"):
        while stack and stack[-1].name in ("td", "th", "tr") and stack[-1].name != "table":
            stack.pop()
    return None


def _cut(stack: list[_Open], index: int) -> _Open | None:
    """Closes an element and what is open within; gives back a link among that, which the standard opens again."""
    cut = next((e for e in stack[index + 1 :] if e.name == "a"), None)
    del stack[index:]
    return cut


def _close(stack: list[_Open], name: str) -> _Open | None:
    """An end tag closes the innermost element of its name, and what is open within; a stray one nothing. That of a
    formatting element leaves the blocks open that are within, that of an ordinary one does not reach through them.

    Gives back a link that was open within.
    """
    if name in ("body", "html"):
        return None
    through = False
    for index in range(len(stack) - 1, max(-1, len(stack) - 400), -1):
        each = stack[index].name
        if each == name:
            if through and name in _FORMATTING:
                del stack[index]
                return None
            return _cut(stack, index)
        if each in _SCOPES and name not in ("table", "tr", "tbody", "thead", "tfoot", "select"):
            return None  # these keep the end tags of others in
        if each in _SPECIAL:
            through = True
            if name not in _SPECIAL and name not in _FORMATTING:
                return None
    return None
