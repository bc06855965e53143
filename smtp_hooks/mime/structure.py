"""Where the parts of a message lie: a scan for delimiters, on offsets, that decodes nothing and copies nothing.

Message → root `Part` and its leaves. Only Content-* fields and the Subject are read. Whatever two mail programs might
read in two ways raises `Unfit`: a header line that is no field, doubled Content-Type, an unclosed multipart.

Standards: RFC 5322 (2.2, 3.6.8), RFC 2045 (5), RFC 2046 (5.1), RFC 2183, RFC 8098.
Limits: `MAX_DEPTH`, `MAX_PARTS`, `MAX_HEADER`, `MAX_FIELD`. message/rfc822 is a leaf: a forwarded message is
not ours, but is looked through for what is malformed.
RFC 2231 forms of `boundary` are not read (nobody sends them): the message is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from smtp_hooks.header import named
from smtp_hooks.mime.model import MAX_DEPTH, MAX_FIELD, MAX_HEADER, MAX_PARTS, Field, Part, Reason, Unfit

# RFC 5322, 2.2: ftext is any printable octet but the colon; atomic, so that no input makes it go back.
_HEADER = re.compile(rb"(?>(?:[!-9;-~]++:[^\r\n]*+\r\n(?>(?:[ \t][^\r\n]*+\r\n)*))*)")
_WANTED = named(b"content-[a-z0-9-]{2,24}|mime-version|subject")
_TYPE = re.compile(r"\s*+([^\s;/()]+)\s*+/\s*+([^\s;()]+)")
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?>(?:[^"\\]++|\\.)*)"|[^\s;"]*+)')
_IDENTITY = frozenset(("7bit", "8bit", "binary"))
_SEALED = {
    "multipart/signed": Reason.SIGNED,
    "multipart/encrypted": Reason.ENCRYPTED,
    "multipart/report": Reason.REPORT,
    "application/pkcs7-mime": Reason.ENCRYPTED,
    "application/x-pkcs7-mime": Reason.ENCRYPTED,
    "application/pkcs7-signature": Reason.SIGNED,
    "application/x-pkcs7-signature": Reason.SIGNED,
    "application/pgp-signature": Reason.SIGNED,
    "application/pgp-encrypted": Reason.ENCRYPTED,
    "application/ms-tnef": Reason.TNEF,
    "application/vnd.ms-tnef": Reason.TNEF,
    "text/calendar": Reason.CALENDAR,
    "message/partial": Reason.PARTIAL,
    "message/delivery-status": Reason.REPORT,
    "message/disposition-notification": Reason.REPORT,
}
"""Types of which one anywhere (outside a forwarded message) leaves the whole message alone."""
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_WINDOW = 16 * 1024
_FILE_NAME = re.compile(r';\s*filename\s*=\s*"?([^";]{1,200})')


@dataclass(frozen=True, slots=True)
class Structure:
    """A message taken apart: the root and every leaf in order of appearance (the root itself, where it is one)."""

    root: Part
    leaves: tuple[Part, ...]
    subject: Field | None
    has_version: bool


def read_structure(message: bytes, *, whatever: bool = False) -> Structure:
    """Finds all parts of a message with CRLF line ends. Raises `Unfit`; with `whatever`, only for malformed ones, not
    for what must not be changed."""
    leaves: list[Part] = []
    root, fields = _read_part(message, 0, len(message), "", None, 0, leaves, whatever)
    if not whatever:
        _refuse_signatures(leaves)
    subject = next((f for f in fields if f.name == "subject"), None)
    return Structure(root, tuple(leaves), subject, any(f.name == "mime-version" for f in fields))


def _read_part(
    message: bytes,
    start: int,
    end: int,
    path: str,
    parent: Part | None,
    depth: int,
    leaves: list[Part],
    forwarded: bool = False,
) -> tuple[Part, list[Field]]:
    if depth > MAX_DEPTH:
        raise Unfit(Reason.TOO_DEEP, path)
    if len(leaves) >= MAX_PARTS:
        raise Unfit(Reason.TOO_MANY_PARTS)
    header_end, body = _header_span(message, start, end, path)
    in_digest = parent is not None and parent.media_type == "multipart/digest"
    fields = _fields(message, start, header_end, path)
    found = {f.name: f for f in fields}
    media_type, parameters = _content_type(message, found.get("content-type"), path)
    if not media_type:
        media_type = "message/rfc822" if in_digest else "text/plain"
    encoding = found.get("content-transfer-encoding")
    disposition = found.get("content-disposition")
    part = Part(
        path=path,
        start=start,
        body=body,
        end=end,
        media_type=media_type,
        parameters=parameters,
        fields=tuple(f for f in fields if f.name.startswith("content-")),
        transfer_encoding=encoding.value.decode("latin-1").strip().lower() if encoding else "7bit",
        disposition=disposition.value.decode("latin-1").strip().lower() if disposition else "",
        parent=parent,
        unopened=header_end >= end and body == end,
    )
    sealed = _SEALED.get(media_type)
    beside_a_file = media_type in _SIGNATURES and parent is not None and parent.media_type == "multipart/mixed"
    if sealed is not None and not forwarded and not beside_a_file:
        if sealed is Reason.ENCRYPTED and "signed" in parameters.get("smime-type", "").lower():
            sealed = Reason.SIGNED
        raise Unfit(sealed, path)
    if media_type.startswith("multipart/"):
        part = _read_multipart(message, part, depth, leaves, forwarded=forwarded or media_type == "multipart/digest")
    else:
        leaves.append(part)
        if media_type == "message/rfc822":  # looked through, so that nothing malformed is taken for sound
            _read_part(message, body, end, f"{path}.1", part, depth + 1, [], forwarded=True)
    return part, fields


def _refuse_signatures(leaves: list[Part]) -> None:
    """A signature in a multipart/mixed is that of the message, unless it is named after another file that is attached:
    `Page1.p7s` beside `Page1.htm`, `parser.tar.gz.asc` beside `parser.tar.gz`."""
    names = {leaf.path: file_name(leaf) for leaf in leaves}
    for leaf in leaves:
        if leaf.media_type in _SIGNATURES:
            stem = names[leaf.path].rpartition(".")[0]
            others = [name for path, name in names.items() if path != leaf.path and name]
            if not stem or not any(stem in (name, name.rpartition(".")[0]) for name in others):
                raise Unfit(Reason.SIGNED, leaf.path)


def file_name(part: Part) -> str:
    """The name of a part that is a file, in lower case; empty where it has none that can be read simply."""
    found = _FILE_NAME.search(part.disposition)
    return (found[1] if found else part.parameters.get("name", "")).strip().lower()


def _header_span(message: bytes, start: int, end: int, path: str) -> tuple[int, int]:
    """Where the header ends (behind the CRLF of its last line) and where the body starts."""
    if not message:
        raise Unfit(Reason.NO_HEADER_END)
    if message.startswith(b"\r\n", start, end):
        return start, start + 2
    blank = message.find(b"\r\n\r\n", start, min(end, start + MAX_HEADER))
    if blank < 0 and end - start > MAX_HEADER:
        raise Unfit(Reason.TOO_BIG, path)
    # A part may end with its header: the CRLF of the next delimiter stands for the last of its lines.
    header_end = blank + 2 if blank >= 0 else end + (2 if message[end - 2 : end] != b"\r\n" else 0)
    first = start
    if not path and message.startswith(b"From "):  # the line of an mbox, left in by some programs
        first = message.find(b"\r\n") + 2
    match = _HEADER.match(message, first, header_end)
    if match is None or match.end() != header_end:
        raise Unfit(Reason.MALFORMED_HEADER, path)
    return header_end, (header_end + 2 if blank >= 0 else end)


def _fields(message: bytes, start: int, header_end: int, path: str) -> list[Field]:
    """The wanted fields of one header; refuses a second one of a name that decides how the body is read."""
    fields: list[Field] = []
    seen: set[str] = set()
    if start == 0 and header_end:  # no line feed stands before the first field of a message
        first = _WANTED.match(b"\n" + message[: min(header_end, MAX_FIELD)])
        if first is not None:
            fields.append(Field(first[1].decode("ascii").lower(), first[2].replace(b"\r\n", b""), 0, first.end()))
            seen.add(fields[0].name)
    for match in _WANTED.finditer(message, max(start - 1, 0), header_end):
        name = match[1].decode("ascii").lower()
        if name in seen and name in ("content-type", "content-transfer-encoding", "content-disposition"):
            raise Unfit(Reason.AMBIGUOUS_HEADER, path)
        seen.add(name)
        fields.append(Field(name, match[2].replace(b"\r\n", b""), match.start() + 1, match.end() + 1))
    return fields


def _content_type(message: bytes, field: Field | None, path: str) -> tuple[str, dict[str, str]]:
    """Media type in lower case (empty where there is none), parameters by lower-case name, the first of a name
    winning. The type of a part within a multipart may be nonsense: then it is no body for anybody."""
    if field is None:
        return "", {}
    if len(field.value) > MAX_FIELD:
        raise Unfit(Reason.TOO_BIG, path)
    value = field.value.decode("latin-1")
    match = _TYPE.match(value)
    if '"' in value and (value.count('"') - value.count('\\"')) % 2:
        raise Unfit(Reason.BAD_CONTENT_TYPE, path)
    if match is None:
        if not path:
            raise Unfit(Reason.BAD_CONTENT_TYPE, path)
        return "invalid/invalid", {}
    parameters: dict[str, str] = {}
    for parameter in _PARAMETER.finditer(value, match.end()):
        name, content = parameter[1].lower(), parameter[2]
        if content.startswith('"'):
            content = re.sub(r"\\(.)", r"\1", content[1:-1])
        if name in parameters and name in ("boundary", "charset"):
            raise Unfit(Reason.AMBIGUOUS_HEADER, path)
        if name.startswith("boundary*"):
            raise Unfit(Reason.AMBIGUOUS_HEADER, path)
        parameters.setdefault(name, content)
    folded = parameters.get("boundary", "").encode("latin-1")
    if any(blank in folded for blank in (b" ", b"\t")) and folded not in message[field.start : field.end]:
        raise Unfit(Reason.AMBIGUOUS_HEADER, path)  # a fold within the quotes: read with and without the line end
    return f"{match[1]}/{match[2]}".lower(), parameters


def _read_multipart(message: bytes, part: Part, depth: int, leaves: list[Part], *, forwarded: bool) -> Part:
    """Splits one multipart at its delimiters (RFC 2046, 5.1.1: a delimiter is a whole line)."""
    boundary = part.parameters.get("boundary", "").rstrip().encode("latin-1")
    if not boundary:
        raise Unfit(Reason.NO_BOUNDARY, part.path)
    if part.transfer_encoding not in _IDENTITY:
        raise Unfit(Reason.BAD_TRANSFER_ENCODING, part.path)
    spans, close = _delimit(message, boundary, part)
    whole = replace(part, boundary=boundary, close=close)
    if part.media_type == "multipart/digest":
        leaves = []  # its parts are messages (RFC 2046, 5.1.5), none of them ours
    for number, (start, end) in enumerate(spans, 1):
        path = f"{part.path}.{number}" if part.path else str(number)
        _read_part(message, start, end, path, whole, depth + 1, leaves, forwarded)
    return whole


def _delimit(message: bytes, boundary: bytes, part: Part) -> tuple[list[tuple[int, int]], int]:
    """The spans of the parts, and the offset of the CRLF before the closing delimiter."""
    delimiter = b"\r\n--" + boundary
    length = len(delimiter)
    spans: list[tuple[int, int]] = []
    start, others = -1, 0
    at = _delimiter(message, delimiter, max(part.body - 2, 0), part.end)
    while at >= 0:
        line_end = message.find(b"\r\n", at + length, part.end)
        if line_end < 0:
            line_end = part.end
        rest = message[at + length : min(line_end, at + length + 80)].rstrip(b" \t")
        if rest in (b"", b"--"):
            if start >= 0:
                if at < start:
                    raise Unfit(Reason.NO_FINAL_BOUNDARY, part.path)  # two delimiters in a row: an empty part
                spans.append((start, at))
                if len(spans) > MAX_PARTS:
                    raise Unfit(Reason.TOO_MANY_PARTS)
            if rest:
                if start < 0:
                    raise Unfit(Reason.NO_BOUNDARY, part.path)
                return spans, at
            start = line_end + 2
            at = _delimiter(message, delimiter, line_end, part.end)
        else:  # the delimiter of another, which this one begins like
            others += 1
            if others > MAX_PARTS:
                raise Unfit(Reason.TOO_MANY_PARTS, part.path)
            at = _delimiter(message, delimiter, at + length, part.end)
    raise Unfit(Reason.NO_FINAL_BOUNDARY if start >= 0 else Reason.NO_BOUNDARY, part.path)


def _delimiter(message: bytes, delimiter: bytes, at: int, end: int) -> int:
    """Where it stands first, or -1. Windows without any dash, as base64 has them, are passed over at memchr's speed."""
    while (dash := message.find(b"-", at, end)) >= 0:
        until = min(end, dash + _WINDOW)
        near = message.find(b"\r\n--", max(at, dash - 2), until)
        if near >= 0:
            found = message.find(delimiter, near, min(end, until + len(delimiter)))
            if found >= 0:
                return found
        at = until - 3 if until < end else end  # a delimiter may lie across the edge
    return -1
