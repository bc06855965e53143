"""Numbers out of vCards that are attached: the property that dials one goes, a text that names one loses it.

A part, the `Redactor` → edits, and whether nothing is left. Every octet that is not part of such a property or number
stays, with folds, order and line ends. Lines are unfolded as the version has it, and each character of the value knows
where it came from, so that a number that runs across a fold is found too.

    TEL, and every value that is a URI          the whole property goes: it has nothing else to say
    NOTE, FN, X-… and all other text            the number is replaced, folded anew where its line gets long
    ENCODING=QUOTED-PRINTABLE (2.1), BASE64, B  read and written in that encoding; binary values are left alone

Standards: RFC 6350 (vCard 4.0: 3.1 UTF-8, 3.2 folding, 3.4 escapes, 6.4.1 TEL), RFC 2426 (3.0), vCard 2.1 (2.1.3).
Known limits: a group label (`item1.X-ABLabel`) of a property that goes stays behind; agents (vCards within a vCard's
value) are read as text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from smtp_hooks.mime.model import Body, Edit, Part, Unfit
from smtp_hooks.mime.text import TextChange, open_body, rewrite
from smtp_hooks.numbers import Redactor

_TYPES = frozenset(("text/vcard", "text/x-vcard", "text/directory"))
_NAMED = re.compile(r"name\*?\d?\*?=\"?[^\";]{1,200}\.vcf\"?", re.IGNORECASE)
_LINE_LENGTH = 75  # octets without the line end; RFC 6350, 3.2
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\n|\r|\Z)")
_NAME = re.compile(r'(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)((?>(?:;(?>(?:[^":;\r\n]++|"[^"\r\n]*")*))*)):')
_ENCODED = re.compile(r";(?:ENCODING=)?(QUOTED-PRINTABLE|BASE64|B)(?=[;:]|\Z)", re.IGNORECASE)
_CHARSET = re.compile(r";CHARSET=\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_IS_URI = re.compile(r";VALUE=\"?uri", re.IGNORECASE)
_URI = re.compile(r"\s*(?:tel|sms|mms|sips?|callto|skype|facetime(?:-audio)?|whatsapp|xmpp|https?):", re.IGNORECASE)
_SOFT_BREAK = re.compile(r"=(?:\r\n|\n|\r)")
_ESCAPED_OCTET = re.compile(r"=([0-9A-Fa-f]{2})|(=(?:\r\n|\n|\r|\Z))|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value as it reads; `origin[i]` is where its character `i` is written, `origin[-1]` where the value ends."""

    text: str
    origin: list[int]


def is_card(part: Part) -> bool:
    """Whether a leaf is a vCard, by its type or by its file's name."""
    if part.media_type in _TYPES:
        return True
    named = _NAMED.search(part.disposition) or part.parameters.get("name", "").lower().endswith(".vcf")
    return bool(named) and part.media_type in ("text/plain", "application/octet-stream")


def without_numbers(message: bytes, part: Part, redactor: Redactor, *, eight_bit: bool) -> tuple[list[Edit], bool]:
    """The edits, and whether no number is left that could be found. A part that cannot be read stays as it is."""
    try:
        body = _opened(message, part)
        changes = card_changes(body.text, redactor)
        if not changes:
            return [], not redactor.shows(body.text)
        left = _applied(body.text, changes)
        return rewrite(message, body, changes, eight_bit=eight_bit), not card_changes(left, redactor)
    except Unfit:
        return [], False


def _opened(message: bytes, part: Part) -> Body:
    body = open_body(message, part)
    if "charset" in part.parameters:
        return body
    return replace(body, codec="utf-8", text=body.decoded.decode("utf-8", "surrogateescape"))


def _applied(text: str, changes: list[TextChange]) -> str:
    out, at = [], 0
    for start, end, new in changes:
        out += [text[at:start], new]
        at = end
    return "".join([*out, text[at:]])


def card_changes(text: str, redactor: Redactor) -> list[TextChange]:
    """The changes that take the numbers out of the text of vCards; sorted, without overlap."""
    changes: list[TextChange] = []
    for start, end in _properties(text):
        written = text[start:end]
        head = _NAME.match(written)
        if head is None:
            changes += [(start + a, start + b, new) for a, b, new in redactor.text_changes(written)]
            continue
        changes += [(start + a, start + b, new) for a, b, new in _of_property(written, head, redactor)]
    return changes


def _properties(text: str) -> Iterator[tuple[int, int]]:
    """The span of each property, with the lines that it is folded into and its line end."""
    start = end = 0
    soft = False  # the line before ends in a soft break
    for match in _LINE.finditer(text):
        if match.end() == match.start():
            break
        if not soft and text[match.start()] not in " \t" and match.start() > start:
            yield start, end
            start = match.start()
        end = match.end()
        line = match[0].rstrip("\r\n")
        is_quoted = "QUOTED-PRINTABLE" in text[start : start + 200].partition(":")[0].upper()
        soft = is_quoted and line.endswith("=")
    if end > start:
        yield start, end


def _of_property(written: str, head: re.Match[str], redactor: Redactor) -> list[TextChange]:
    parameters = head[2]
    encoded = _ENCODED.search(parameters)
    kind = encoded[1].upper() if encoded else ""
    charset = _CHARSET.search(parameters)
    codec = charset[1] if charset else "utf-8"
    if kind in ("BASE64", "B"):
        return _in_base64(written, head, codec, redactor)
    value = _read_quoted(written, head.end(), codec) if kind else _unfolded(written, head.end())
    found = redactor.text_changes(value.text)
    if not found:
        return []
    if head[1].upper() == "TEL" or _IS_URI.search(parameters) or _URI.match(value.text):
        return [(0, len(written), "")]
    return [_replaced(written, value, change, kind, codec) for change in found]


def _unfolded(written: str, start: int) -> _Value:
    """The value with its folds taken out (RFC 6350, 3.2)."""
    shown: list[str] = []
    origin: list[int] = []
    end = len(written.rstrip("\r\n"))
    at = start
    for fold in re.compile(r"(?:\r\n|\n|\r)[ \t]").finditer(written, start, end):
        shown.append(written[at : fold.start()])
        origin += range(at, fold.start())
        at = fold.end()
    shown.append(written[at:end])
    return _Value("".join(shown), [*origin, *range(at, end), end])


def _read_quoted(written: str, start: int, codec: str) -> _Value:
    """The value of a property in quoted-printable: octets by octets, then characters."""
    octets = bytearray()
    places: list[int] = []
    end = len(written.rstrip("\r\n"))
    for match in _ESCAPED_OCTET.finditer(written, start, end):
        if match[2]:
            continue
        new = bytes([int(match[1], 16)]) if match[1] else match[3].encode("utf-8", "surrogateescape")
        octets += new
        places += [match.start()] * len(new)
    try:
        text = octets.decode(codec, "surrogateescape")
        each = [len(character.encode(codec, "surrogateescape")) for character in text]
    except (LookupError, UnicodeError):
        text, each = octets.decode("latin-1"), [1] * len(octets)
    if sum(each) != len(octets):
        text, each = octets.decode("latin-1"), [1] * len(octets)
    origin, at = [], 0
    for width in each:
        origin.append(places[at])
        at += width
    return _Value(text, [*origin, end])


def _replaced(written: str, value: _Value, change: TextChange, kind: str, codec: str) -> TextChange:
    """The change where the value is written; the new text escaped, and on a line of its own where it would be long."""
    start, last = value.origin[change[0]], value.origin[change[1] - 1]
    if kind:
        stop = value.origin[change[1]]
        soft = _SOFT_BREAK.search(written, last, stop)
        stop = soft.start() if soft else stop
        new, fold = _quoted(change[2], codec), "=\r\n"
    else:
        stop = last + 1
        new, fold = re.sub(r"([\\,;])", r"\\\1", change[2]), "\r\n "
    line = written[written.rfind("\n", 0, start) + 1 : start]
    rest = written[stop:].split("\n", 1)[0].rstrip("\r")
    if new and len((line + new + rest).encode("utf-8", "surrogateescape")) > _LINE_LENGTH and line.strip():
        new = fold + new
    return start, stop, new


def _quoted(text: str, codec: str) -> str:
    try:
        octets = text.encode(codec)
    except (LookupError, UnicodeError):
        octets = text.encode("ascii", "ignore").strip() or b"*"
    return "".join(chr(o) if 32 <= o < 127 and o not in b"=;" else f"={o:02X}" for o in octets)


def _in_base64(written: str, head: re.Match[str], codec: str, redactor: Redactor) -> list[TextChange]:
    """A text that is written in base64, all anew without the number; pictures, sounds and keys are no text."""
    try:
        octets = binascii.a2b_base64("".join(written[head.end() :].split()), strict_mode=True)
        text = octets.decode(codec)
    except (binascii.Error, ValueError, LookupError):
        return []
    changes = redactor.text_changes(text)
    if not changes:
        return []
    if head[1].upper() == "TEL" or _URI.match(text):
        return [(0, len(written), "")]
    try:
        new = binascii.b2a_base64(_applied(text, changes).encode(codec), newline=False).decode("ascii")
    except UnicodeEncodeError:
        return [(0, len(written), "")]
    lines = [new[n : n + _LINE_LENGTH - 1] for n in range(0, len(new), _LINE_LENGTH - 1)]
    end = len(written.rstrip("\r\n"))
    return [(head.end(), end, "\r\n " + "\r\n ".join(lines))]
