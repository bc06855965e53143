"""The mark that a message has passed this gateway, signed so that nobody else can set it.

A field `X-Call-Offer-Trace: v=1; h=…` is put before the header. Its HMAC-SHA-256 covers From, Date and Message-ID, so
that the mark cannot be carried over to another message, and a thread that quotes an old header means nothing. The
content is left out on purpose: what later hops change does not matter.

Standards: RFC 2104 (HMAC), RFC 5322 (3.6.4 Message-ID, 3.6.7 trace fields stand first).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from smtp_hooks.header import named

_NAME = b"X-Call-Offer-Trace"
_TRACE = re.compile(rb"\nx-call-offer-trace:[ \t]*v=1;[ \t]*h=([0-9a-f]{32})[ \t]*\r(?=\n)", re.IGNORECASE)
_COVERED = named(b"from|date|message-id")
_MAX_HEADER = 262_144
_MAX_MARKS = 8  # of other gateways, or forged ones; more are not looked at


def stamp(message: bytes, key: bytes) -> bytes:
    """The field, with CRLF, to be put before the message. `key` has 32 octets and is used for nothing else."""
    return _NAME + b": v=1; h=" + _digest(_header(message), key) + b"\r\n"


def passed(message: bytes, keys: Sequence[bytes]) -> bool:
    """Whether the message bears the mark of one of these keys."""
    header = _header(message)
    marks = [m[1].lower() for m in _TRACE.finditer(header)][:_MAX_MARKS]
    return any(hmac.compare_digest(mark, _digest(header, key)) for mark in marks for key in keys)


def _header(message: bytes) -> bytes:
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    return b"\n" + message[: end + 2 if end >= 0 else _MAX_HEADER] + b"\n"


def _digest(header: bytes, key: bytes) -> bytes:
    """Over the covered fields in order of their names, white space made one blank (mail programs fold anew)."""
    found = sorted((m[1].lower(), b" ".join(m[2].split())) for m in _COVERED.finditer(header))
    text = b"\n".join(name + b":" + value for name, value in found)
    return hmac.digest(key, b"mailgate trace 1\n" + text, "sha256").hex()[:32].encode("ascii")
