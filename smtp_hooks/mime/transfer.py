"""Content-Transfer-Encodings: octets of a body ↔ what they stand for, and small changes that leave the rest in place.

`decode` gives the content of an encoded body. `patch` makes changes, given as offsets into the content, in the encoded
form: identity bodies change where the change is, quoted-printable ones on the lines that are touched, base64 ones from
the first touched line on. `encode` writes a whole body anew.

Standards: RFC 2045 (6.2, 6.7 quoted-printable, 6.8 base64), RFC 5322 (2.1.1).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Sequence

IDENTITY = frozenset(("7bit", "8bit", "binary"))
_LINE = 76  # longest line of quoted-printable and base64, without CRLF (RFC 2045, 6.7 (5), 6.8)
_TRAILING = re.compile(rb"[ \t]+(?=\r\n|\Z)")
# Everything but printable ASCII, blank and tab; "=" itself. Blanks at the end of a line are dealt with there.
_UNSAFE = re.compile(rb"[^\t\x20-\x3c\x3e-\x7e]")
_BLANK_WITHIN = re.compile(rb"[^\s][ \t]++[^\s]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# One octet of content, or what stands for none: a soft break, blanks at the end of a line.
_TOKEN = re.compile(rb"=[0-9A-Fa-f]{2}|(=[ \t]*+(?:\r\n|\Z)|[ \t]++(?=\r\n|\Z))|.", re.DOTALL)

Change = tuple[int, int, bytes]
"""`[start, end)` of the content, and what takes its place."""


def decode(raw: bytes, encoding: str) -> bytes | None:
    """The content of a body, or None where the encoding is unknown or the body breaks it."""
    if encoding in IDENTITY:
        return raw
    if encoding == "quoted-printable":
        return _decode_qp(raw)
    if encoding == "base64":
        if (b" " in raw or b"\t" in raw) and _BLANK_WITHIN.search(raw):
            return None  # words, not digits
        try:
            return binascii.a2b_base64(raw.translate(None, b"\r\n \t"), strict_mode=True)
        except binascii.Error:
            return _decode_cut_base64(raw)
    return None


def _decode_cut_base64(raw: bytes) -> bytes | None:
    """Base64 without its padding, or with one digit too many at the end: all readers take it for the same content. Only
    where that is plain text in UTF-8; anything else may as well be words that somebody forgot to encode."""
    digits = raw.translate(None, b"\r\n")
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        content = binascii.a2b_base64(whole + b"=" * (-len(whole) % 4), strict_mode=True)
        content.decode("utf-8")
    except ValueError:  # binascii.Error is one
        return None
    return content if b"=" not in whole and _CONTROL.search(content) is None else None


def _decode_qp(raw: bytes) -> bytes | None:
    if b"==" in raw:
        return None  # no two readers agree on it
    return _read_qp(raw)


def _read_qp(raw: bytes) -> bytes:
    return binascii.a2b_qp(_TRAILING.sub(b"", raw) if _has_trailing(raw) else raw)


def _has_trailing(raw: bytes) -> bool:
    """Whether lines end in blanks: added on the way, never meant (RFC 2045, 6.7 (3))."""
    return b" \r\n" in raw or b"\t\r\n" in raw or raw.endswith((b" ", b"\t"))


def change(content: bytes, changes: Sequence[Change]) -> bytes:
    """The content after the changes, which are sorted and do not overlap."""
    out: list[bytes] = []
    at = 0
    for start, end, new in changes:
        out.append(content[at:start])
        out.append(new)
        at = end
    out.append(content[at:])
    return b"".join(out)


def patch(raw: bytes, content: bytes, encoding: str, changes: Sequence[Change]) -> bytes:
    """The encoded body after the changes of its content. `raw` decodes to `content`."""
    if encoding in IDENTITY:
        return change(raw, changes)
    if encoding == "base64":
        return _patch_base64(raw, content, changes)
    return _patch_qp(raw, content, changes)


def encode(content: bytes, encoding: str) -> bytes:
    """A whole body in `quoted-printable`, `base64` or an identity encoding."""
    if encoding == "quoted-printable":
        return encode_qp(content)
    if encoding == "base64":
        return encode_base64(content)
    return content


def encode_base64(content: bytes, line: int = _LINE) -> bytes:
    """Lines of at most `line` characters (a multiple of 4), each ended by CRLF."""
    whole = binascii.b2a_base64(content, newline=False)
    return b"".join([whole[i : i + line] + b"\r\n" for i in range(0, len(whole), line)])


def _patch_base64(raw: bytes, content: bytes, changes: Sequence[Change]) -> bytes:
    line = raw.find(b"\r\n")
    if line < 0 or line > _LINE or line % 4 or not line:
        line = _LINE
    kept = changes[0][0] // (line // 4 * 3)
    head = raw[: kept * (line + 2)]
    even = head.endswith(b"\r\n") and decode(head, "base64") == content[: kept * (line // 4 * 3)]
    if not even or max(map(len, head.split(b"\r\n"))) > line:  # lines of unequal length
        kept, head = 0, b""
    tail = encode_base64(change(content, changes)[kept * (line // 4 * 3) :], line)
    return head + (tail if raw.endswith(b"\r\n") or not raw else tail.removesuffix(b"\r\n"))


def encode_qp(content: bytes) -> bytes:
    """Quoted-printable of text: CRLF stays a line end, every other control octet is encoded."""
    return b"\r\n".join([_encode_line(line) for line in content.split(b"\r\n")])


def _escape(match: re.Match[bytes]) -> bytes:
    return b"=%02X" % match[0][0]


def _encode_line(line: bytes) -> bytes:
    if _UNSAFE.search(line) is not None:
        line = _UNSAFE.sub(_escape, line)
    if line[-1:] in (b" ", b"\t"):
        line = line[:-1] + (b"=20" if line[-1:] == b" " else b"=09")
    if line.startswith(b"From "):  # no mailbox file may quote it
        line = b"=46" + line[1:]
    if len(line) <= _LINE:
        return line
    return b"=\r\n".join(_fold(line))


def _fold(line: bytes) -> list[bytes]:
    """Pieces of at most 75 octets, none ending within an escape."""
    pieces: list[bytes] = []
    at = 0
    while len(line) - at > _LINE:
        stop = at + _LINE - 1
        mark = line.find(b"=", stop - 2, stop)
        if mark >= 0:
            stop = mark
        pieces.append(line[at:stop])
        at = stop
    pieces.append(line[at:])
    return pieces


def _patch_qp(raw: bytes, content: bytes, changes: Sequence[Change]) -> bytes:
    decode_piece = _read_qp if _has_trailing(raw) else binascii.a2b_qp
    out: list[bytes] = []
    raw_end = done = 0  # the same place in raw and content
    crowded = False
    for start, end, new in changes:
        at = raw_end
        written = raw.rstrip(b" \t")  # what is added behind blanks that are not read would make them be read
        raw_start = raw_end = max(at, len(written) - written.endswith(b"="))  # a soft break at the end stays there
        if start < len(content):
            raw_start = _raw_offset(raw, at, start - done, decode_piece)
        if end < len(content):
            raw_end = _raw_offset(raw, raw_start, end - start, decode_piece)
        fitted = _fit(raw, raw_start, raw_end, new)
        loose = raw.find(b"=", max(at, raw_start - 2), raw_start)
        if loose >= 0 and raw[raw_start - 1 : raw_start] != b"\n":  # stands for itself, and would not for long
            out += [raw[at:loose], b"=3D", raw[loose + 1 : raw_start], fitted]
            crowded = True
        elif fitted.startswith(b"=\r\n") and raw_start - raw.rfind(b"\n", 0, raw_start) > _LINE:
            last = raw_start - (3 if raw[raw_start - 3 : raw_start - 2] == b"=" else 1)
            out += [raw[at:last], b"=\r\n", raw[last:raw_start], fitted]  # no room for a soft break in a full line
        else:
            out += [raw[at:raw_start], fitted]
        done = end
    out.append(raw[raw_end:])
    patched = b"".join(out)
    return _folded(patched, raw) if crowded or len(changes) > 1 else patched


def _folded(patched: bytes, raw: bytes) -> bytes:
    """Folds the lines that several changes together have made too long."""
    lines = patched.split(b"\r\n")
    for number, line in enumerate(lines):
        if len(line) > _LINE and line not in raw:
            lines[number] = b"=\r\n".join(_fold(line.rstrip(b" \t")))  # a soft break would have blanks at the end read
    return b"\r\n".join(lines)


def _raw_offset(raw: bytes, at: int, left: int, decode_piece: Callable[[bytes], bytes]) -> int:
    """The offset of `raw` that lies `left` octets of content behind `at`.

    No piece decodes to more than its own length, so as many octets as are left can be skipped at once, again and
    again; what is decoded on the way is no more than what lies between.
    """
    while left > 64:
        cut = at + left
        mark = raw.rfind(b"=", cut - 2, cut)
        if mark >= 0:  # do not cut an escape
            cut = mark
        cut -= raw[cut - 1 : cut] == b"\r"
        while (
            raw[cut - 1 : cut] in (b" ", b"\t", b"=") and cut > at
        ):  # nor a line end, nor blanks that may be before it
            cut -= 1
        if cut <= at:
            break
        left -= len(decode_piece(raw[at:cut]))
        at = cut
    if not left:
        return at
    for token in _TOKEN.finditer(raw, at):
        left -= token[1] is None
        if not left:
            return token.end()
    return len(raw)


def _fit(raw: bytes, start: int, end: int, new: bytes) -> bytes:
    """The replacement in quoted-printable, with soft line breaks where it would make its line too long."""
    lines = [_encode_line(line) for line in new.split(b"\r\n")]
    found = raw.rfind(b"\r\n", 0, start)
    line_start = found + 2 if found >= 0 else 0
    line_end = raw.find(b"\r\n", end)
    before = start - line_start
    after = (line_end if line_end >= 0 else len(raw)) - end
    text = b"\r\n".join(lines)
    if raw[start - 1 : start] in (b" ", b"\t") and before and not lines[0] and (len(lines) > 1 or line_end == end):
        return b"=\r\n" + text  # a blank at the end of a line would not be read
    if len(lines) == 1:
        if b"\r\n" not in text and before + len(text) + after <= _LINE:
            return text
        return (b"=\r\n" if before else b"") + text + (b"=\r\n" if after or line_end >= 0 else b"")
    first = lines[0].split(b"\r\n", 1)[0]
    if before and lines[0] and before + len(first) > _LINE:
        text = b"=\r\n" + text
    last = lines[-1].rsplit(b"\r\n", 1)[-1]
    if after and lines[-1] and len(last) + after > _LINE:
        text += b"=\r\n"
    return text
