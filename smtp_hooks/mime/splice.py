"""Makes the change: block into the bodies, icon beside the HTML, numbers out.

Message, `Site` and `Addition` → `Spliced`. Everything is an edit on offsets of the original, so that what no edit names
stays as it is, octet for octet. Reads nothing but its arguments.

Known limits: attachments are not changed, but for vCards where that is wished for (`cards`), nor are fields other than
the Subject. Both are named in `Spliced.remaining` where they show a number, as far as they are text; pictures and
documents are not looked into.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from smtp_hooks.charsets import codec_for
from smtp_hooks.mime import transfer
from smtp_hooks.mime.cards import is_card, without_numbers
from smtp_hooks.mime.model import Addition, Body, Edit, Insertion, Part, Site, Spliced, Unfit, Unsuitable, apply, pieces
from smtp_hooks.mime.related import add_icon
from smtp_hooks.mime.structure import read_structure
from smtp_hooks.mime.text import TextChange, rewrite
from smtp_hooks.numbers import Redactor

_FULL_LINE = 700  # characters before the block after which it starts a line of its own
_LOOKED_INTO = 1_048_576  # octets of an attachment that are searched for numbers


def splice(
    message: bytes, site: Site, addition: Addition, *, redactor: Redactor | None, eight_bit: bool
) -> Spliced | Unsuitable:
    """The message with the offer in it and the numbers taken out.

    `site` comes from `locate` of this very message. `eight_bit`: the next hop announces 8BITMIME (RFC 6152).
    `Unsuitable` only where a charset cannot say the block, which `locate` cannot know.
    """
    try:
        return _splice(message, site, addition, redactor, eight_bit)
    except Unfit as unfit:
        return unfit.unsuitable


def _splice(message: bytes, site: Site, addition: Addition, redactor: Redactor | None, eight_bit: bool) -> Spliced:
    edits: list[Edit] = []
    if redactor is not None and site.subject is not None:
        edits += _subject(message, site, redactor)
    plain, html = site.plain, site.html
    if plain is not None:
        changes = _with_block(_redactions(plain.body, redactor), plain.at, _plain_block(plain, addition.text))
        new = rewrite(message, plain.body, changes, eight_bit=eight_bit)
        edits += _needing_version(message, site, plain.body.part, new)
    if html is not None:
        edits += _html(message, site, html, addition, redactor, eight_bit)
    for body in site.further:
        changes = _redactions(body, redactor)
        if changes:
            edits += rewrite(message, body, changes, eight_bit=eight_bit)
    clean: set[str] = set()
    if redactor is not None and redactor.cards:
        for part in filter(is_card, site.leaves):
            taken_out, is_clean = without_numbers(message, part, redactor, eight_bit=eight_bit)
            edits += taken_out
            clean |= {part.path} if is_clean else set()
    edits.sort(key=lambda e: (e.start, bool(e.old)))  # what is put in before a field comes before its change
    remaining = () if redactor is None else _remaining(message, site, redactor, clean)
    return Spliced(pieces=pieces(message, edits), remaining=remaining, edits=tuple(edits))


def exposed(message: bytes, redactor: Redactor) -> tuple[str, ...]:
    """What shows a number in a message that goes as it is (`field Subject`, `part 1.2 text/plain`); `message` alone
    where it cannot be taken apart and its octets hold the digits."""
    try:
        structure = read_structure(message, whatever=True)
    except Unfit:
        return ("message",) if redactor.may_show(message) else ()
    fields = _fields_showing(message[: structure.root.body], redactor)
    return (*fields, *_parts_showing(message, structure.leaves, frozenset(), redactor))


def _html(
    message: bytes, site: Site, html: Insertion, addition: Addition, redactor: Redactor | None, eight_bit: bool
) -> list[Edit]:
    block = addition.html.replace("\r\n", "\n").strip("\n").replace("\n", "\r\n") + "\r\n"
    if html.at - html.body.text.rfind("\n", 0, html.at) > _FULL_LINE:
        block = "\r\n" + block
    changes = _with_block(_redactions(html.body, redactor), html.at, block)
    edits = rewrite(message, html.body, changes, eight_bit=eight_bit)
    part = html.body.part
    if addition.icon is None:
        return edits
    is_8bit = part.transfer_encoding in ("8bit", "binary") and not edits[-1].new.isascii()
    wrap = add_icon(message, part, addition.icon, has_version=site.has_version, html_is_8bit=is_8bit)
    if part.parent is None:
        return _merge_root(message, part, wrap, edits)
    return [*(e for e in wrap if e.start <= part.start), *edits, *(e for e in wrap if e.start > part.start)]


def _merge_root(message: bytes, part: Part, wrap: list[Edit], edits: list[Edit]) -> list[Edit]:
    """Wrapping the root moves its fields into the body; edits of those fields have to be made where they went."""
    body_edit = edits[-1]
    inner = b"".join(_edited(message, f.start, f.end, edits[:-1]) for f in part.fields)
    fresh = b"".join(e.new for e in edits[:-1] if not any(f.start <= e.start < f.end for f in part.fields))
    *head, opening, tail = wrap
    boundary_line = opening.new.split(b"\r\n", 1)[0] + b"\r\n"
    return [*head, Edit(opening.start, b"", boundary_line + inner + fresh + b"\r\n"), body_edit, tail]


def _edited(message: bytes, start: int, end: int, edits: list[Edit]) -> bytes:
    inside = [Edit(e.start - start, e.old, e.new) for e in edits if start <= e.start < end]
    return apply(message[start:end], inside)


def _needing_version(message: bytes, site: Site, part: Part, edits: list[Edit]) -> list[Edit]:
    """A message without MIME fields that gets some needs MIME-Version too (RFC 2045, 4)."""
    if part.parent is not None or site.has_version or not any(e.new.startswith(b"Content-") for e in edits[:-1]):
        return edits
    return [Edit(part.body - 2, b"", b"MIME-Version: 1.0\r\n"), *edits]


def _plain_block(plain: Insertion, text: str) -> str:
    """The block with blank lines round it, for this place and the line ends of this text."""
    whole = plain.body.text
    newline = "\n" if "\n" in whole and "\r\n" not in whole else "\r\n"
    block = text.replace("\r\n", "\n").strip("\n").replace("\n", newline)
    before, after = whole[: plain.at], whole[plain.at :]
    head = newline * 2 if before and not before.isspace() else ""
    if not after:
        return head + block + newline
    if after.startswith(newline * 2) or (after.startswith(newline) and after.isspace()):
        return head + block
    return head + block + newline * (1 if after.startswith(newline) else 2)


def _redactions(body: Body, redactor: Redactor | None) -> list[TextChange]:
    if redactor is None:
        return []
    if body.part.media_type == "text/html":
        return redactor.html_changes(body.text)
    return redactor.text_changes(body.text)


def _with_block(changes: list[TextChange], at: int, block: str) -> list[TextChange]:
    """The redactions with the block among them; one that spans the place is cut in two."""
    out: list[TextChange] = []
    placed = False
    for start, end, new in changes:
        if not placed and end > at:
            if start < at:
                out += [(start, at, new), (at, at, block)]
                start, new = at, ""
            else:
                out.append((at, at, block))
            placed = True
        out.append((start, end, new))
    if not placed:
        out.append((at, at, block))
    return out


def _subject(message: bytes, site: Site, redactor: Redactor) -> list[Edit]:
    field = site.subject
    if field is None:
        return []
    verbatim = message[field.start : field.end]
    value = verbatim.split(b":", 1)[1]
    new = redactor.header_value(value)
    if new is None:
        return []
    return [Edit(field.start, verbatim, verbatim[: len(verbatim) - len(value)] + new)]


def _remaining(message: bytes, site: Site, redactor: Redactor, clean: set[str]) -> tuple[str, ...]:
    """What is not changed and shows a number all the same: fields, attached text, forwarded messages. `clean`: parts
    that show none any more."""
    changed = clean | {b.part.path for b in site.further}
    changed |= {i.body.part.path for i in (site.plain, site.html) if i is not None}
    fields = [f for f in _fields_showing(message[: site.root.body], redactor) if f != "field Subject"]
    return (*fields, *_parts_showing(message, site.leaves, changed, redactor))


def _fields_showing(header: bytes, redactor: Redactor) -> list[str]:
    if not redactor.may_show(header):
        return []
    found = []
    for line in header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        if redactor.header_value(value) is not None:
            found.append("field " + name.decode("latin-1").title())
    return found


def _parts_showing(message: bytes, leaves: Sequence[Part], changed: Container[str], redactor: Redactor) -> list[str]:
    return [
        f"part {part.path or '1'} {part.media_type}"
        for part in leaves
        if part.path not in changed
        and part.media_type.startswith(("text/", "message/"))
        and _shows(message, part, redactor)
    ]


def _shows(message: bytes, part: Part, redactor: Redactor) -> bool:
    raw = message[part.body : min(part.end, part.body + _LOOKED_INTO)]
    content = transfer.decode(raw, part.transfer_encoding)
    if content is None or (part.media_type != "text/html" and not redactor.may_show(content)):
        return False
    text = content.decode(codec_for(part.parameters.get("charset", "")) or "latin-1", "replace")
    return redactor.shows(text)
