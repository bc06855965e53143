#!/usr/bin/env python3
"""Runs a folder of messages through the surgery alone, so that an independent checker can compare.

    bench/corpus.py IN OUT [--number '+33 1 99 00 12 34' --inject]

Every `.eml` below IN is read with CRLF line ends, changed where that is safe, whatever a policy would say, and written
to the same place below OUT. `--number` takes a number out; `--inject` first writes a copy of IN with the number put
into every text body to OUT.orig, and changes that. Prints what became of the messages, by reason.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from smtp_hooks.block import IconKind, render
from smtp_hooks.mime import Unsuitable, locate, splice
from smtp_hooks.mime.model import Edit, apply
from smtp_hooks.mime.text import rewrite
from smtp_hooks.numbers import Redactor
from smtp_hooks.picture import suits

URL = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"

SPELLINGS: list[Callable[[str], str]] = [
    lambda n: n,
    lambda n: n.replace(" ", ""),
    lambda n: n.replace(" ", "."),
    lambda n: n.replace(" ", "-"),
    lambda n: n.replace(" ", "\u00a0"),
    lambda n: n.replace(" ", "\u2013"),
    lambda n: n.replace(" ", " - "),
    lambda n: n.replace("+", ""),
    lambda n: f"({n.split()[0]}) {' '.join(n.split()[1:])}",
    lambda n: f"{n.split()[0]} ({n.split()[1]}) {' '.join(n.split()[2:])}",
]


def as_sent(stored: bytes) -> bytes:
    """A stored message as it is on the wire: CRLF everywhere, also at the end."""
    sent = re.sub(rb"(?<!\r)\n", b"\r\n", stored)
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def change(message: bytes, redactor: Redactor | None) -> tuple[bytes, str]:
    """The message that comes out, and the reason where it is the one that went in."""
    site = locate(message)
    if isinstance(site, Unsuitable):
        return message, site.reason.value
    icon: IconKind = "inline" if suits(message, site) else "none"
    addition = render(language="en", offeror_name="Ada Example", url=URL, icon=icon, content_id="1@call.example.org")
    spliced = splice(message, site, addition, redactor=redactor, eight_bit=True)
    if isinstance(spliced, Unsuitable):
        return message, spliced.reason.value
    return spliced.message, "changed"


def inject(message: bytes, number: str, seed: int) -> bytes:
    """The message with the number put into each body, in a spelling that changes with the seed, links included."""
    site = locate(message)
    if isinstance(site, Unsuitable):
        return message
    edits: list[Edit] = []
    spelling = SPELLINGS[seed % len(SPELLINGS)]
    shown = spelling(number)
    for insertion in (site.plain, site.html):
        if insertion is None:
            continue
        text = insertion.body.text
        if insertion.body.part.media_type == "text/html":
            at = max(text.find("<p>") + 3 if "<p>" in text else text.lower().find("<body>") + 6, 0)
            at = at if at > 6 else insertion.at
            digits = "".join(c for c in number if c.isdigit())
            put = f'Call <a href="tel:+{digits}">{shown}</a> any time. '
        else:
            at = text.find("\n") + 1 if not text.startswith(">") else 0
            put = f"Call {shown} any time, or {number}.\r\n"
        try:
            put.encode(insertion.body.codec)
        except UnicodeEncodeError:
            put = put.encode("ascii", "replace").decode().replace("?", " ")
        edits += rewrite(message, insertion.body, [(at, at, put)], eight_bit=True)
    return apply(message, sorted(edits, key=lambda e: e.start))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--number")
    parser.add_argument("--inject", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    redactor = None
    if options.number:
        redactor = Redactor(["+" + re.sub(r"\D", "", options.number)], "[number hidden]")
    counts: Counter[str] = Counter()
    for path in sorted(options.source.rglob("*.eml")):
        relative = path.relative_to(options.source)
        message = as_sent(path.read_bytes())
        if options.inject:
            message = inject(message, options.number, len(message))
            copy = options.target.with_name(options.target.name + ".orig") / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(message)
        changed, reason = change(message, redactor)
        counts[reason] += 1
        if options.verbose:
            print(f"{reason:24} {relative}")
        target = options.target / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(changed)
    for reason, number in counts.most_common():
        print(f"{number:6} {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
