"""DKIM signatures: the message as it will leave, signed as the domain of its author.

dkimpy canonicalises and selects the header fields; `cryptography` makes the signature, since dkimpy's own RSA is pure
Python (6.5 ms against 0.25). The body is hashed whole, or in runs of lines where that gives the same bytes sooner.

Standards: RFC 6376, relaxed header with simple or relaxed body; RFC 8463; RFC 5322, 3.6 (Date and Message-ID).

Which fields are signed: those of `SIGNED` that are there, each as often as it is there; From once more, so that none
can be added. Absent fields are not signed as absent: Postfix adds some behind us. A signature of the same domain that
is there already is taken away, those of other domains stay.

Known limits: header fields that no strict verifier reads (a blank before the colon, a line without one) make a message
`Unsignable`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Literal, NamedTuple

from dkim import select_headers
from dkim.canonicalization import CanonicalizationPolicy, compress_whitespace, strip_trailing_whitespace
from dkim.util import InvalidTagValueList, parse_tag_value

from smtp_hooks.dkim_keys import Key

SIGNED = (
    b"from",
    b"subject",
    b"date",
    b"message-id",
    b"to",
    b"cc",
    b"reply-to",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
"""What RFC 6376, 5.4.1 advises, without what lists and resenders write."""
_RANK = {name: rank for rank, name in enumerate(SIGNED)}

_FIELD = re.compile(rb"([!-9;-~]+):([^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")
_ADDED_LATER = re.compile(rb"^(date|message-id):", re.IGNORECASE | re.MULTILINE)
_LONGEST_FROM = 2000  # octets of a From field that is looked into; the parser below is not linear
_MOST_FIELDS = 200  # that one signature names; RFC 5322, 3.6 has each of them once
_RUN = 128 * 1024  # octets of body that are canonicalised at once; a run ends with a line


class Unsignable(ValueError):
    """The header cannot be signed so that every verifier reads it alike; the text says why."""


class _Field(NamedTuple):
    name: bytes  # in lower case
    value: bytes  # what follows the colon, with CRLF
    start: int  # of the field in the message
    end: int


class Signer:
    """Signs with the keys of the author's domain; several keys of one domain make several signatures. `later` is asked
    with the time of each signature, and gives the keys from then on where they are others, else None."""

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        body: Literal["simple", "relaxed"] = "simple",
        later: Callable[[float], Iterable[Key] | None] = lambda now: None,
    ) -> None:
        self._keys = _by_domain(keys)
        self._later = later
        self._body = body
        self._policy = CanonicalizationPolicy.from_c_value(f"relaxed/{body}".encode())

    def sign(self, message: bytes, *, reverse_path: str, now: float) -> bytes:
        """The message with signatures before it; unchanged where no key fits. CRLF only. Raises Unsignable."""
        header, body = split(message)
        return b"".join([self.sign_header(header, [body], reverse_path=reverse_path, now=now), body])

    def sign_header(self, header: bytes, body: Sequence[bytes | memoryview], *, reverse_path: str, now: float) -> bytes:
        """The same for a message in pieces, as `split` cuts it: the header that comes before this body."""
        fresh = self._later(now)
        if fresh is not None:
            self._keys = _by_domain(fresh)
        fields, _ = _fields(header)
        domain = self._domain(fields, reverse_path)
        if domain is None:
            return header
        authors = sum(field.name == b"from" for field in fields)
        if authors != 1:
            raise Unsignable(f"{authors} From fields")
        digest = _body_hash(body, self._body)
        signatures = [self._signature(key, fields, digest, now) for key in self._keys[domain]]
        return b"".join([*signatures, _without(header, fields, {domain})])

    def _relaxed(self, name: bytes, value: bytes) -> bytes:
        """The canonical value; most have nothing in them that dkimpy would have to change but blanks at the ends."""
        if b"\t" in value or b"  " in value or value.find(b"\n") < len(value) - 1:
            ((_, canonical),) = self._policy.canonicalize_headers([(name, value)])
            return bytes(canonical)
        return value.strip() + b"\r\n"

    def _domain(self, fields: list[_Field], reverse_path: str) -> str | None:
        """The domain to sign for: of From, else of the reverse-path, or the nearest parent that has a key."""
        author = next((field.value for field in fields if field.name == b"from"), b"")
        address = _address(author) if len(author) <= _LONGEST_FROM else ""
        for candidate in (address, reverse_path):
            domain = _ascii(candidate.rpartition("@")[2])
            while domain:
                if domain in self._keys:
                    return domain
                domain = domain.partition(".")[2]
        return None

    def _signature(self, key: Key, fields: list[_Field], body_hash: bytes, now: float) -> bytes:
        chosen = [(field.name, self._relaxed(field.name, field.value)) for field in fields if field.name in _RANK]
        if len(chosen) > _MOST_FIELDS:
            raise Unsignable(f"{len(chosen)} fields to sign")
        names = (*sorted((name for name, _ in chosen), key=_RANK.__getitem__), b"from")
        value = _tags(key, self._body, names, body_hash, now)
        covered = [b"%b:%b" % field for field in select_headers(chosen, names)]
        # the field itself comes last, its `b=` empty and without a line end (RFC 6376, 3.7); our own folds are plain
        own = b"dkim-signature:" + self._relaxed(b"dkim-signature", value.replace(b"\r\n", b"")).rstrip()
        signature = base64.b64encode(key.sign(hashlib.sha256(b"".join([*covered, own])).digest()))
        lines = [signature[n : n + 70] for n in range(0, len(signature), 70)]
        return b"DKIM-Signature:" + value + b"\r\n ".join(lines) + b"\r\n"


def _by_domain(keys: Iterable[Key]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key.domain, []).append(key)
    return found


def _tags(key: Key, body: str, names: tuple[bytes, ...], body_hash: bytes, now: float) -> bytes:
    """The field's value up to `b=`, folded below 78 characters where names allow it."""
    head = f" v=1; a={key.algorithm}; c=relaxed/{body}; t={int(now)};\r\n d={key.domain}; s={key.selector};\r\n"
    return head.encode() + _named(names) + b"\r\n bh=" + base64.b64encode(body_hash) + b";\r\n b="


@lru_cache(maxsize=1024)  # most programs write the same fields each time
def _named(names: tuple[bytes, ...]) -> bytes:
    """The tag `h=`, folded."""
    lines, line = [], b" h="
    for n, name in enumerate(names):
        word = name + (b";" if n == len(names) - 1 else b":")
        if len(line) + len(word) > 76:
            lines.append(line)
            line = b" "
        line += word
    return b"\r\n".join([*lines, line])


def _body_hash(pieces: Sequence[bytes | memoryview], canonicalization: str) -> bytes:
    """SHA-256 of the canonical body (RFC 6376, 3.4.3 and 3.4.4)."""
    if canonicalization != "simple":
        body = b"".join(pieces)
        return _relaxed_hash(body) if body.rstrip(b"\r\n") else hashlib.sha256(b"").digest()
    last = len(pieces) - 1
    end = 0
    while last >= 0 and not (end := _text_end(pieces[last])):
        last -= 1
    hasher = hashlib.sha256()
    for piece in pieces[: max(0, last)]:
        hasher.update(piece)
    if last >= 0:
        hasher.update(memoryview(pieces[last])[:end])
    hasher.update(b"\r\n")
    return hasher.digest()


def _text_end(piece: bytes | memoryview) -> int:
    """Where the line ends begin that the piece ends with."""
    end = len(piece)
    while end:
        start = max(0, end - _RUN)
        kept = len(bytes(piece[start:end]).rstrip(b"\r\n"))
        if kept:
            return start + kept
        end = start
    return 0


def _relaxed_hash(body: bytes) -> bytes:
    """Runs of lines that have nothing to relax are hashed as they are; dkimpy's functions rewrite the others.

    Blank lines at the end of a run are held back until text follows, since only those at the very end are dropped.
    """
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    hasher = hashlib.sha256()
    held = at = 0
    while at < len(body):
        cut = body.find(b"\r\n", at + _RUN)
        end = len(body) if cut < 0 else cut + 2
        run = body[at:end]
        at = end
        if b"\t" in run or b"  " in run or b" \r\n" in run:
            run = compress_whitespace(strip_trailing_whitespace(run))
        text = run.rstrip(b"\r\n")
        if text:
            hasher.update(b"\r\n" * held)
            hasher.update(text)
            held = 0
        held += (len(run) - len(text)) // 2
    if body.strip(b"\r\n\t "):
        hasher.update(b"\r\n")
    return hasher.digest()


def remove_signatures(message: bytes, domains: Collection[str]) -> bytes:
    """The message without the DKIM-Signature fields whose `d=` is one of these domains. Raises Unsignable."""
    fields, _ = _fields(message)
    return _without(message, fields, domains)


def _without(message: bytes, fields: list[_Field], domains: Collection[str]) -> bytes:
    ours = [field for field in fields if field.name == b"dkim-signature" and _signer(field.value) in domains]
    if not ours:
        return message
    pieces, at = [], 0
    for field in ours:
        pieces.append(message[at : field.start])
        at = field.end
    return b"".join([*pieces, message[at:]])


def _signer(value: bytes) -> str:
    try:
        return str(parse_tag_value(value).get(b"d", b"").decode("ascii", "replace")).lower()
    except InvalidTagValueList:
        return ""


def complete(message: bytes, *, now: float, message_id: str | Callable[[], str]) -> bytes:
    """The message, or a header alone, with the Date and Message-ID that it lacks, `message_id` with its angle brackets.

    A later hop adds them otherwise, after the signature.
    """
    end = 0 if message.startswith(b"\r\n") else message.find(b"\r\n\r\n")
    present = {name.lower() for name in _ADDED_LATER.findall(message, 0, end if end >= 0 else len(message))}
    added = b""
    if b"date" not in present:
        added += f"Date: {format_datetime(datetime.fromtimestamp(now, UTC))}\r\n".encode()
    if b"message-id" not in present:
        added += f"Message-ID: {message_id if isinstance(message_id, str) else message_id()}\r\n".encode()
    return added + message


def split(message: bytes) -> tuple[bytes, memoryview]:
    """The header with the blank line behind it, and the body, which is not copied."""
    at = 2 if message.startswith(b"\r\n") else message.find(b"\r\n\r\n") + 4
    if at < 4 and not message.startswith(b"\r\n"):
        at = len(message)
    return message[:at], memoryview(message)[at:]


def _fields(message: bytes) -> tuple[list[_Field], int]:
    """The header fields and the offset of the body. Raises Unsignable."""
    if message.startswith(b"\r\n"):
        return [], 2
    end = message.find(b"\r\n\r\n") + 2
    if end < 2:
        end = len(message)
    fields, at = [], 0
    for name, value in _FIELD.findall(message, 0, end):
        start, at = at, at + len(name) + 1 + len(value)
        fields.append(_Field(name.lower(), value, start, at))
    if at != end:  # something was left out
        raise Unsignable("a header line is not a field")
    return fields, min(end + 2, len(message))


@lru_cache(maxsize=1024)  # the same people write again and again, and reading an address takes 20 µs
def _address(author: bytes) -> str:
    """The address in a From field."""
    return parseaddr(author.decode("utf-8", "replace"))[1]


def _ascii(domain: str) -> str:
    """The domain as A-labels in lower case, empty where there is none."""
    try:
        return domain.lower().encode("idna").decode() if not domain.isascii() else domain.lower()
    except UnicodeError:
        return ""
