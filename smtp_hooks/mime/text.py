"""Text bodies: octets of a part ↔ characters, and a changed body with a header that tells the truth about it.

`open_body` decodes a part by its transfer encoding and charset. `rewrite` takes changes as character offsets and gives
back the edits of body and header. The charset is kept where it can say what is put in, else the part becomes UTF-8.
The transfer encoding is kept, but that a 7-bit part never becomes 8-bit, that no line passes 998 octets, and that 8-bit
octets are encoded for a hop without 8BITMIME.

Standards: RFC 2045, RFC 2046 (4.1.2), RFC 3676 (format=flowed: parameters are kept, text is not folded), RFC 6152.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtp_hooks.charsets import byte_each, codec_for, writable
from smtp_hooks.mime import transfer
from smtp_hooks.mime.model import MAX_BODY, MAX_LINE, Body, Edit, Part, Reason, Unfit

TextChange = tuple[int, int, str]
"""`[start, end)` in characters, and what takes its place."""

_STALE = ("content-md5", "content-length")  # say something of the body that is no longer so
_CHARSET = re.compile(rb';\s*+charset\s*+=\s*+("(?>(?:[^"\\]++|\\.)*)"|[^\s;"]*+)', re.IGNORECASE)


def open_body(message: bytes, part: Part) -> Body:
    """Decodes a text part. Raises `Unfit` where encoding or charset are unknown, or where it is too big."""
    if part.end - part.body > MAX_BODY:
        raise Unfit(Reason.TOO_BIG, part.path)
    decoded = transfer.decode(message[part.body : part.end], part.transfer_encoding)
    if decoded is None:
        raise Unfit(Reason.BAD_TRANSFER_ENCODING, part.path)
    codec = codec_for(part.parameters.get("charset", ""))
    if _extended_charset(part) and not decoded.isascii():
        raise Unfit(Reason.AMBIGUOUS_HEADER, part.path)
    if codec is None:
        raise Unfit(Reason.UNKNOWN_CHARSET, part.path)
    try:
        if decoded.isascii() and writable(codec) and byte_each(codec):
            text = decoded.decode("ascii")
        else:
            text = decoded.decode(codec, "surrogateescape")
    except UnicodeDecodeError as error:
        raise Unfit(Reason.UNDECODABLE_TEXT, part.path) from error
    return Body(part=part, decoded=decoded, text=text, codec=codec)


def rewrite(message: bytes, body: Body, changes: Sequence[TextChange], *, eight_bit: bool) -> list[Edit]:
    """The edits of message that make these changes in the body; sorted. `eight_bit`: the next hop takes 8BITMIME.

    Raises `Unfit` where the text cannot be said in any charset without a lie.
    """
    part = body.part
    raw = message[part.body : part.end]
    in_octets = _in_octets(body, changes)
    encoding = part.transfer_encoding
    if in_octets is None:
        return _as_utf8(message, body, changes)
    new = transfer.patch(raw, body.decoded, encoding, in_octets)
    header: list[Edit] = []
    if encoding in transfer.IDENTITY:
        unsaid = not new.isascii() and (raw.isascii() or not eight_bit)  # 8-bit where there was none, or may be none
        if unsaid or _too_long(new, in_octets):
            encoding = _compact(new)
            new = transfer.encode(new, encoding)
            header += _set_encoding(message, part, encoding)
    header += [Edit(f.start, message[f.start : f.end], b"") for f in part.fields if f.name in _STALE]
    if part.unopened:
        if header:
            raise Unfit(Reason.NO_HEADER_END, part.path)
        new = (b"\r\n" if message[part.body - 2 : part.body] == b"\r\n" else b"\r\n\r\n") + new
    return [*sorted(header, key=lambda e: e.start), Edit(part.body, raw, new)]


def _extended_charset(part: Part) -> bool:
    """Whether the charset is given as RFC 2231 has it (`charset*=`), which few read."""
    return any(name.startswith("charset*") for name in part.parameters)


def _in_octets(body: Body, changes: Sequence[TextChange]) -> list[transfer.Change] | None:
    """The changes as octets of the content, or None where the charset cannot say them."""
    codec, text = body.codec, body.text
    if not writable(codec):
        return None
    try:
        new = [replacement.encode(codec) for _, _, replacement in changes]
    except UnicodeEncodeError:
        return None
    if byte_each(codec) or len(text) == len(body.decoded):
        return [(start, end, octets) for (start, end, _), octets in zip(changes, new, strict=True)]
    out: list[transfer.Change] = []
    at = done = 0
    for (start, end, _), octets in zip(changes, new, strict=True):
        pair = []
        for offset in (start, end):
            try:
                done += len(text[at:offset].encode(codec, "surrogateescape"))
            except UnicodeEncodeError:  # the codec reads what it does not write
                return None
            at = offset
            pair.append(done)
        out.append((pair[0], pair[1], octets))
    if codec != "utf-8" and not _faithful(body, out):  # a codec with shifts, in the middle of one
        return None
    return out


def _faithful(body: Body, changes: Sequence[transfer.Change]) -> bool:
    """Whether the offsets cut the octets where they cut the text, as seen from both sides of each cut."""
    content, codec = body.decoded, body.codec
    try:
        if body.text.encode(codec, "surrogateescape") != content:
            return False
        pieces = []
        at = 0
        for start, end, _ in changes:
            pieces += [content[at:start].decode(codec, "surrogateescape"), content[start:end].decode(codec)]
            at = end
        pieces.append(content[at:].decode(codec, "surrogateescape"))
    except UnicodeError:  # the codec reads what it does not write, or a cut within a character
        return False
    return "".join(pieces) == body.text


def _as_utf8(message: bytes, body: Body, changes: Sequence[TextChange]) -> list[Edit]:
    """The whole part anew, in UTF-8, with the header fields to match."""
    part, text = body.part, body.text
    if part.unopened or _extended_charset(part):
        raise Unfit(Reason.AMBIGUOUS_HEADER, part.path)
    out: list[str] = []
    at = 0
    for start, end, new in changes:
        out += [text[at:start], new]
        at = end
    out.append(text[at:])
    try:
        content = "".join(out).removeprefix("\ufeff").encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit(Reason.UNDECODABLE_TEXT, part.path) from error
    encoding = part.transfer_encoding if part.transfer_encoding not in transfer.IDENTITY else _compact(content)
    header = [*_set_charset(message, part), *_set_encoding(message, part, encoding)]
    header += [Edit(f.start, message[f.start : f.end], b"") for f in part.fields if f.name in _STALE]
    raw = message[part.body : part.end]
    new_raw = transfer.encode(content, encoding)
    if encoding == "base64" and not raw.endswith(b"\r\n"):
        new_raw = new_raw.removesuffix(b"\r\n")
    return [*sorted(header, key=lambda e: e.start), Edit(part.body, raw, new_raw)]


def _compact(content: bytes) -> str:
    """quoted-printable for text that is mostly ASCII, else base64."""
    if content.isascii():
        return "quoted-printable"
    foreign = len(content.translate(None, bytes(range(128))))
    return "base64" if foreign * 5 > len(content) else "quoted-printable"


def _too_long(new: bytes, changes: Sequence[transfer.Change]) -> bool:
    """Whether a touched line is longer than RFC 5322 allows, and is not just a line of the original."""
    shift = 0
    for start, end, octets in changes:
        first, last = start + shift, start + shift + len(octets)
        found = new.rfind(b"\r\n", 0, first)
        line_start = found + 2 if found >= 0 else 0
        line_end = new.find(b"\r\n", last)
        window = new[line_start : line_end if line_end >= 0 else len(new)]
        if len(window) > MAX_LINE and max(map(len, window.split(b"\r\n"))) > MAX_LINE:
            return True
        shift += len(octets) - (end - start)
    return False


def _set_encoding(message: bytes, part: Part, encoding: str) -> list[Edit]:
    if encoding == part.transfer_encoding:
        return []
    line = b"Content-Transfer-Encoding: " + encoding.encode("ascii") + b"\r\n"
    field = part.field("content-transfer-encoding")
    if field is not None:
        return [Edit(field.start, message[field.start : field.end], line)]
    anchor = part.field("content-type")
    if anchor is not None:
        return [Edit(anchor.end, b"", line)]
    return [Edit(_new_field(message, part), b"", line)]


def _set_charset(message: bytes, part: Part) -> list[Edit]:
    field = part.field("content-type")
    if field is None:
        line = b"Content-Type: text/plain; charset=utf-8\r\n"
        return [Edit(_new_field(message, part), b"", line)]
    found = _CHARSET.search(message, field.start, field.end)
    if found is not None:
        return [Edit(found.start(1), found[1], b"utf-8")]
    end = field.end - 2  # before the CRLF
    last = message[end - 1 : end]
    return [Edit(end, b"", (b" " if last == b";" else b"; ") + b"charset=utf-8")]


def _new_field(message: bytes, part: Part) -> int:
    """Where a field may be added: at the end of the header."""
    return part.body - 2 if part.body - 2 > part.start else part.start
