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
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from typing import Literal, NamedTuple

from dkim import hash_headers
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

_FIELD = re.compile(rb"([!-9;-~]+):([^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")
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
    """Signs with the keys of the author's domain; several keys of one domain make several signatures."""

    def __init__(self, keys: Iterable[Key], *, body: Literal["simple", "relaxed"] = "simple") -> None:
        self._keys: dict[str, list[Key]] = {}
        for key in keys:
            self._keys.setdefault(key.domain, []).append(key)
        self._body = body
        self._policy = CanonicalizationPolicy.from_c_value(f"relaxed/{body}".encode())

    def sign(self, message: bytes, *, reverse_path: str, now: float) -> bytes:
        """The message with signatures before it; unchanged where no key fits. CRLF only. Raises Unsignable."""
        fields, body_at = _fields(message)
        domain = self._domain(fields, reverse_path)
        if domain is None:
            return message
        authors = sum(field.name == b"from" for field in fields)
        if authors != 1:
            raise Unsignable(f"{authors} From fields")
        digest = _body_hash(message[body_at:], self._body)
        signatures = [self._signature(key, fields, digest, now) for key in self._keys[domain]]
        return b"".join([*signatures, _without(message, fields, {domain})])

    def _domain(self, fields: list[_Field], reverse_path: str) -> str | None:
        """The domain to sign for: of From, else of the reverse-path, or the nearest parent that has a key."""
        author = next((field.value for field in fields if field.name == b"from"), b"")
        address = parseaddr(author.decode("utf-8", "replace"))[1] if len(author) <= _LONGEST_FROM else ""
        for candidate in (address, reverse_path):
            domain = _ascii(candidate.rpartition("@")[2])
            while domain:
                if domain in self._keys:
                    return domain
                domain = domain.partition(".")[2]
        return None

    def _signature(self, key: Key, fields: list[_Field], body_hash: bytes, now: float) -> bytes:
        chosen = [(field.name, field.value) for field in fields if field.name in SIGNED]
        if len(chosen) > _MOST_FIELDS:
            raise Unsignable(f"{len(chosen)} fields to sign")
        present = [name for wanted in SIGNED for name, _ in chosen if name == wanted]
        value = _tags(key, self._body, [*present, b"from"], body_hash, now)
        hasher = hashlib.sha256()
        hash_headers(
            hasher,
            self._policy,
            self._policy.canonicalize_headers(chosen),
            [*present, b"from"],
            (b"DKIM-Signature", value),
            {},
        )
        signature = base64.b64encode(key.sign(hasher.digest()))
        lines = [signature[n : n + 70] for n in range(0, len(signature), 70)]
        return b"DKIM-Signature:" + value + b"\r\n ".join(lines) + b"\r\n"


def _tags(key: Key, body: str, names: list[bytes], body_hash: bytes, now: float) -> bytes:
    """The field's value up to `b=`, folded below 78 characters where names allow it."""
    head = f" v=1; a={key.algorithm}; c=relaxed/{body}; t={int(now)};\r\n d={key.domain}; s={key.selector};\r\n"
    lines, line = [], b" h="
    for n, name in enumerate(names):
        word = name + (b";" if n == len(names) - 1 else b":")
        if len(line) + len(word) > 76:
            lines.append(line)
            line = b" "
        line += word
    return head.encode() + b"\r\n".join([*lines, line]) + b"\r\n bh=" + base64.b64encode(body_hash) + b";\r\n b="


def _body_hash(body: bytes, canonicalization: str) -> bytes:
    """SHA-256 of the canonical body (RFC 6376, 3.4.3 and 3.4.4)."""
    end = len(body.rstrip(b"\r\n"))
    if not end:
        return hashlib.sha256(b"\r\n" if canonicalization == "simple" else b"").digest()
    if canonicalization == "simple":
        hasher = hashlib.sha256(memoryview(body)[:end])
        hasher.update(b"\r\n")
        return hasher.digest()
    return _relaxed_hash(body)


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


def complete(message: bytes, *, now: float, message_id: str) -> bytes:
    """The message with the Date and Message-ID that it lacks, `message_id` with its angle brackets.

    A later hop adds them otherwise, after the signature. Raises Unsignable.
    """
    names = {field.name for field in _fields(message)[0]}
    added = b""
    if b"date" not in names:
        added += f"Date: {format_datetime(datetime.fromtimestamp(now, UTC))}\r\n".encode()
    if b"message-id" not in names:
        added += f"Message-ID: {message_id}\r\n".encode()
    return added + message


def _fields(message: bytes) -> tuple[list[_Field], int]:
    """The header fields and the offset of the body. Raises Unsignable."""
    if message.startswith(b"\r\n"):
        return [], 2
    end = message.find(b"\r\n\r\n") + 2
    if end < 2:
        end = len(message)
    fields, at = [], 0
    while at < end:
        match = _FIELD.match(message, at, end)
        if match is None:
            raise Unsignable("a header line is not a field")
        fields.append(_Field(match[1].lower(), match[2], at, match.end()))
        at = match.end()
    return fields, min(end + 2, len(message))


def _ascii(domain: str) -> str:
    """The domain as A-labels in lower case, empty where there is none."""
    try:
        return domain.lower().encode("idna").decode() if not domain.isascii() else domain.lower()
    except UnicodeError:
        return ""
