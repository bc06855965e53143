"""Links of this gateway that stand in a message already, mostly in the quotes of a thread.

Bodies → the tokens in them; and the message with some of those links made worthless. A link is a bearer's: in a reply
to all, the one that was made for Ben must not reach Carl. The token is replaced, the rest of the link stays, so that
whoever follows it lands on a page that says so. The PIN that stands beside such a link goes with it.

Links are found as they are written and as link protectors write them (percent-encoded in a parameter of another).
Known limits: a link that a mail program has wrapped in its midst is not seen, nor one in an attachment, in a forwarded
message, or in a message that may not be changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from smtp_hooks.mime import Site, Unsuitable
from smtp_hooks.mime.model import Body, Edit, Unfit, apply
from smtp_hooks.mime.text import rewrite

WORTHLESS = "for-someone-else"
"""Stands where a token was: no token has this length."""
NO_DIGIT = "-"
"""Stands for each digit of a PIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """An authentic token of ours in a message, and whose it is. `offeree` in lower case; `is_open`: it can be used.
    `pin`: who dials in can use it by that; empty where nobody can."""

    token: str
    account_id: str
    offeree: str
    is_open: bool
    pin: str = field(default="", repr=False)


def tokens_in(site: Site, prefix: str) -> tuple[str, ...]:
    """What may be tokens behind `prefix` (`https://call.example.org/a/`), each once."""
    pattern, host = _link(prefix), _host(prefix)
    found = (m[1] for body in _bodies(site) if host in body.text.lower() for m in pattern.finditer(body.text))
    return tuple(dict.fromkeys(found))


def disarm(
    message: bytes, site: Site, prefix: str, tokens: Collection[str], pins: Collection[str] = (), *, eight_bit: bool
) -> bytes | Unsuitable:
    """The message with these tokens made worthless wherever they stand in its bodies, and these PINs in the bodies
    that have such a link: elsewhere the same digits are most likely something else."""
    pattern = _link(prefix)
    digits = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, pins))})(?![\w-])") if pins else None
    edits: list[Edit] = []
    try:
        for body in _bodies(site):
            changes = [(m.start(1), m.end(1), WORTHLESS) for m in pattern.finditer(body.text) if m[1] in tokens]
            if changes and digits:
                changes += [(m.start(), m.end(), NO_DIGIT * len(m[0])) for m in digits.finditer(body.text)]
            if changes:
                edits += rewrite(message, body, sorted(changes), eight_bit=eight_bit)
    except Unfit as unfit:
        return unfit.unsuitable
    return apply(message, sorted(edits, key=lambda edit: edit.start))


def _bodies(site: Site) -> list[Body]:
    return [*(i.body for i in (site.plain, site.html) if i is not None), *site.further]


def _host(prefix: str) -> str:
    return prefix.partition("://")[2].partition("/")[0].lower()


@lru_cache(maxsize=8)
def _link(prefix: str) -> re.Pattern[str]:
    """Host and path of the prefix with slashes and colons in any encoding, then a token of 36 characters."""
    path = prefix.partition("://")[2]
    written = "".join({"/": r"(?:/|%(?:25)?2F|&\#(?:47|x2f);)", ":": r"(?::|%3A)"}.get(c, re.escape(c)) for c in path)
    return re.compile(written + r"([A-Za-z0-9_-]{36})(?![A-Za-z0-9_-])", re.IGNORECASE)
