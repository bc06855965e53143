"""Which elements are open at an offset of an HTML document, as far as that is certain.

Text → the elements that the standard's tree construction has open, outermost first. Elements that it calls special
are followed exactly, since they decide what every other tag does. Inline elements are taken to be open for longer
rather than for shorter: where a link is cut off by the end of what is around it, or ends with a block open within, all
that follows counts as within it. Where the rules are others (svg, templates) or readers differ, the walk ends: what is
known then is known up to there.

Standards: HTML (WHATWG), 13.2.6 (tree construction). Limits: `MAX_TAGS` tags; elements more than `DEEPEST` deep, which
readers cut off.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field

from smtp_hooks.mime.html_tags import (
    BLOCKS,
    COMMENT,
    FORMATTING,
    HEADINGS,
    MARKERS,
    RAW,
    SCOPES,
    SHIFTING,
    SPECIAL,
    TABLE_PARTS,
    TAG,
    VOID,
    names,
)
from smtp_hooks.mime.quotes import HTML_EARLIER

MAX_TAGS = 20_000
DEEPEST = 400  # Chromium takes 512 (kMaximumHTMLParserDOMTreeDepth)
_FLOW = names("div center section article main header footer font b i u em strong small big span")
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|max-height\s*:\s*0(?![.\d])"
    r"|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])|(?<![-\w])(?:width|height)\s*:\s*0(?:px)?\s*(?:[;\"']|\Z)"
    r"|(?<![-\w])hidden(?![-\w])",
    re.IGNORECASE,
)
_OPENING = re.compile(r"<[a-zA-Z!?/]")
_BOGUS_COMMENT = re.compile(r"<(?:[!?]|/(?![a-zA-Z]))[^>]*+>")
_LOST = ""  # in the place of an inline element that may be open, or be opened again, from its start on
_SECTIONS = names("tbody thead tfoot")
_KEEPS = {"tr": _SECTIONS, "td": _SECTIONS | {"tr"}, "th": _SECTIONS | {"tr"}}
_BUTTON_SCOPE = SCOPES | {"button"}
_LIST_SCOPE = SCOPES | {"ol", "ul"}
_ITEM_ENDS = SPECIAL - {"address", "div", "p"}
_UNMOVED = VOID | RAW | names("html head body")


@dataclass(slots=True)
class Open:
    """An element that is open: its name, where its tag starts, its attributes as they stand there."""

    name: str
    start: int
    attributes: str

    def is_harmless(self) -> bool:
        """Whether a block may stand in it, and be seen, and belong to who wrote the message."""
        if self.name not in _FLOW and ":" not in self.name:
            return False
        return not (HIDING.search(self.attributes) or HTML_EARLIER.search(self.attributes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The elements open at an offset, outermost first: the one asked for, or the last before it that is certain."""

    at: int
    elements: list[Open]


@dataclass(slots=True)
class _Tree:
    stack: list[Open] = field(default_factory=list)
    form: Open | None = None  # the standard's form element pointer


def open_elements(text: str, top: int, at: int) -> Known | None:
    """What is open at `at`, where the body's content starts at `top`.

    None where `at` falls into a tag, a comment or raw text, where frames take the body's place, and behind too many
    tags.
    """
    tree = _Tree()
    position = top
    for _ in range(MAX_TAGS):
        position = text.find("<", position, at)
        if position < 0:
            return Known(at=at, elements=tree.stack)
        match = TAG.match(text, position, at)
        if match is None:
            end = _no_tag_end(text, position, at)
            if end is None:
                return None
            position = end
            continue
        name = match[2].lower()
        certain = _end(tree, name) if match[1] else _start(tree, Open(name, position, match[3]))
        end = match.end()
        if certain and name in RAW and not match[1]:
            raw_end = _raw_end(text, name, end, at)
            if raw_end is None:
                return None
            certain = name != "script" or "<script" not in text[end:raw_end].lower()  # may be escaped (13.2.5.17)
            end = raw_end
        if name == "frameset":
            return None
        if not certain or len(tree.stack) > DEEPEST:
            return Known(at=position, elements=tree.stack)
        position = end
    return None


def _no_tag_end(text: str, position: int, at: int) -> int | None:
    """The end of what starts with `<` and is no whole tag: a comment, a declaration, a less-than sign."""
    if text.startswith("<!--", position):
        match = COMMENT.match(text, position, at)
    elif _OPENING.match(text, position):
        match = _BOGUS_COMMENT.match(text, position, at)
    else:
        return position + 1
    return match.end() if match else None


def _raw_end(text: str, name: str, start: int, at: int) -> int | None:
    match = re.compile(rf"</{name}(?=[ \t\r\n\f>/])", re.IGNORECASE | re.ASCII).search(text, start, at)
    return match.start() if match else None


def _start(tree: _Tree, element: Open) -> bool:
    """What a start tag does; False where that is not certain, and nothing is changed then."""
    stack, name = tree.stack, element.name
    if stack and stack[-1].name == "select":
        return name in ("option", "optgroup", "script")
    if name in SHIFTING:
        return False
    if name in TABLE_PARTS:
        _start_table_part(stack, element)
    elif name in _UNMOVED:
        if name in ("hr", "xmp"):
            _close(stack, ("p",), _BUTTON_SCOPE)
    elif name == "form":
        _start_form(tree, element)
    else:
        _make_room(stack, name)
        stack.append(element)
    return True


def _make_room(stack: list[Open], name: str) -> None:
    """The ends that a start tag implies."""
    if name == "li":
        _close(stack, ("li",), _ITEM_ENDS)
    elif name in ("dd", "dt"):
        _close(stack, ("dd", "dt"), _ITEM_ENDS)
    elif name == "table" and _is_between_cells(stack):
        _close(stack, ("table",), ())
    elif name == "button":
        _close(stack, ("button",), SCOPES)
    elif name == "a":
        _end_formatting(stack, "a", MARKERS)
    if name in BLOCKS or name in ("li", "dd", "dt"):
        _close(stack, ("p",), _BUTTON_SCOPE)
    if name in HEADINGS and stack and stack[-1].name in HEADINGS:
        stack.pop()


def _start_form(tree: _Tree, element: Open) -> None:
    if tree.form is not None:
        return  # ignored
    tree.form = element
    if not _is_between_cells(tree.stack):
        _close(tree.stack, ("p",), _BUTTON_SCOPE)
        tree.stack.append(element)


def _is_between_cells(stack: list[Open]) -> bool:
    """Whether a table is open, and neither a cell of it nor its caption."""
    for element in reversed(stack):
        if element.name in ("td", "th", "caption"):
            return False
        if element.name == "table":
            return True
    return False


def _start_table_part(stack: list[Open], element: Open) -> None:
    """A row ends the row before it, and so on; outside of a table the tag means nothing."""
    table = _index(stack, ("table",), ())
    if table is None:
        return
    keeps = _KEEPS.get(element.name, ())
    base = next((n for n in range(len(stack) - 1, table, -1) if stack[n].name in keeps), table)
    _cut(stack, base + 1, own=False)
    if element.name in _KEEPS and base == table:
        stack.append(Open("tbody", element.start, ""))
    if element.name in ("td", "th") and stack[-1].name != "tr":
        stack.append(Open("tr", element.start, ""))
    if element.name not in ("col", "colgroup"):
        stack.append(element)


def _end(tree: _Tree, name: str) -> bool:
    """What an end tag does; False where that is not certain, and nothing is changed then."""
    stack = tree.stack
    if stack and stack[-1].name == "select":
        if name == "select":
            stack.pop()
        return name in ("select", "option", "optgroup")
    if name in SHIFTING or name in _UNMOVED:
        return True  # nothing of theirs is open
    if name in FORMATTING:
        _end_formatting(stack, name, SCOPES)
    elif name == "table":
        _close(stack, ("table",), ())
    elif name in TABLE_PARTS:
        _close(stack, (name,), ("table",))
    elif name == "form":
        _end_form(tree)
    elif name == "p":
        _close(stack, ("p",), _BUTTON_SCOPE)
    elif name == "li":
        _close(stack, ("li",), _LIST_SCOPE)
    elif name in HEADINGS:
        _close(stack, HEADINGS, SCOPES)
    else:
        _close(stack, (name,), SCOPES if name in SPECIAL else SPECIAL)
    return True


def _end_form(tree: _Tree) -> None:
    """What is open within stays open, and within the form, but for items and paragraphs."""
    form, tree.form = tree.form, None
    index = _index(tree.stack, ("form",), SCOPES)
    if form is None or index is None or tree.stack[index] is not form:
        return
    while tree.stack[-1].name in ("p", "li", "dd", "dt"):
        tree.stack.pop()
    if tree.stack[-1] is form:
        tree.stack.pop()
    else:
        tree.stack[index] = Open(_LOST, form.start, "")


def _end_formatting(stack: list[Open], name: str, barriers: Container[str]) -> None:
    index = _index(stack, (name,), barriers)
    if index is None:
        return
    if not any(element.name in SPECIAL for element in stack[index + 1 :]):
        _cut(stack, index)
    elif stack[index].is_harmless():
        del stack[index]
    else:
        stack[index] = Open(_LOST, stack[index].start, "")


def _close(stack: list[Open], wanted: Container[str], barriers: Container[str]) -> None:
    index = _index(stack, wanted, barriers)
    if index is not None:
        _cut(stack, index)


def _index(stack: list[Open], wanted: Container[str], barriers: Container[str]) -> int | None:
    """Of the innermost element with one of the names, unless one with a barrier's name is within."""
    for index in range(len(stack) - 1, -1, -1):
        if stack[index].name in wanted:
            return index
        if stack[index].name in barriers:
            return None
    return None


def _cut(stack: list[Open], index: int, *, own: bool = True) -> None:
    """Closes an element by its `own` end and what is open within, or all from the index on. Formatting that is closed
    by another's end is opened again by the standard, unless a cell or its like forgets it."""
    gone = stack[index:]
    del stack[index:]
    if own and len(gone) == 1:
        return
    remembered = max((n for n, element in enumerate(gone) if element.name in MARKERS), default=len(gone))
    for element in gone[1 if own else 0 : remembered]:
        if element.name == _LOST or (element.name in FORMATTING and not element.is_harmless()):
            stack.append(Open(_LOST, element.start, ""))
            return
