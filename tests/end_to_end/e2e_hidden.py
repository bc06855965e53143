"""Looks for a telephone number in whatever somebody received, however it is written or encoded."""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections.abc import Iterable
from urllib.parse import unquote

_SEPARATORS = re.compile(r"[\s().\-/\u00a0\u2010-\u2015\u202f]|<[^<>]*>|&nbsp;")


def shows(text: str, number: str) -> bool:
    """Whether the national digits of an E.164 number stand in the text, with anything between them."""
    national = number[3:]  # behind +33, without trunk prefix: every way of writing it holds these digits
    return any(national in _SEPARATORS.sub("", form) for form in (text, html.unescape(text), unquote(text)))


def faces(message: bytes) -> Iterable[str]:
    """A message as a mail program, and whoever looks closer, may see it: raw, and every header and part decoded."""
    yield message.decode("utf-8", "replace")
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    for part in parsed.walk():
        yield from (f"{name}: {value}" for name, value in part.items())
        if not part.is_multipart():
            octets = part.get_payload(decode=True)
            assert isinstance(octets, bytes)
            yield octets.decode("utf-8", "replace")
