"""Where the block goes in a text/plain body.

A body and a placement → a character offset at the end of a line (or 0). Above the earlier message that a mail program
left below the reply, where there is one and the answer stands above it; else at the end; in both cases above the
sender's signature. Where the answer stands below or between quoted lines, the end is the place.

What tells an earlier message, so far as possible without words of a language: lines that start with `>`, and the line
above them that ends in a colon ("On … wrote:", "Am … schrieb …:", "在…写道："); a line of dashes round words
("-----Original Message-----"); a block of header-like lines that starts with the words for "From" (`quotes.py`).

Standards: RFC 3676 (4.3 signature separator, 4.5 quoting).
"""

from __future__ import annotations

import re

from smtp_hooks.mime.model import Placement
from smtp_hooks.mime.quotes import FORWARDED, FROM_BLOCK, RULED, SAID, WHO_OR_WHEN

_SIGNATURE = re.compile(r"(?:\A|\r\n)-- ?\r\n")
_TRIES = 100  # lines ending in a colon that are looked at
_SIGNATURE_LINES = 20  # of which nobody has more
_NEAR = 4  # lines that an attribution may take when a mail program has wrapped it
_NOT_BLANK = re.compile(r"\S")
_MARKED = re.compile(r"\n(?:>|---|______)")


def place(text: str, placement: Placement) -> int:
    """The offset where the block goes. Behind the last line that has something in it, before what has to stay below."""
    match placement:
        case Placement.TOP:
            return 0
        case Placement.BOTTOM:
            return _end_of_words(text, len(text))
        case Placement.BEFORE_QUOTE:
            quote = _quote_start(text)
            limit = len(text) if quote is None else quote
            return _end_of_words(text, _signature(text, limit))


def _end_of_words(text: str, limit: int) -> int:
    """The end of the last line before limit that is not blank, or 0."""
    last = len(text[:limit].rstrip()) if limit < len(text) else len(text.rstrip())
    if not last:
        return 0
    end = text.find("\r\n", last, limit)
    return end if end >= 0 else limit


def _signature(text: str, limit: int) -> int:
    """The start of the signature before limit, or limit. It counts only at the end, with few lines; what others have
    added below is set off in the same way (a list's footer, a scanner's)."""
    at = max(text.rfind("\r\n-- \r\n", 0, limit), text.rfind("\r\n--\r\n", 0, limit))
    if at < 0:
        return 0 if text.startswith(("-- \r\n", "--\r\n")) and _is_short(text, 0, limit) else limit
    if not _is_short(text, at + 2, limit):
        return limit
    while (above := text.rfind("\r\n-- \r\n", 0, at + 2)) >= 0 and _is_short(text, above + 2, limit):
        at = above
    return at + 2


def _is_short(text: str, start: int, limit: int) -> bool:
    return text.count("\r\n", start, limit) <= _SIGNATURE_LINES


def _quote_start(text: str) -> int | None:
    """Where the earlier message begins, or None where there is none or where the answer is below it."""
    found = []
    quoted: int | None = None
    answered: int | None = None  # where a quote that was answered begins, with the line that says who wrote
    if text.startswith(">") or _MARKED.search(text) is not None:  # most have none of these marks
        quoted = _first_quoted_line(text)
        if quoted is not None:
            attribution = _attribution(text, quoted)
            if _answered_below(text):
                answered = attribution
            else:
                found.append(attribution)
        found += [m.start() + 1 for m in (RULED.search(text),) if m is not None]
    found += [m.start() + 1 for m in (FROM_BLOCK.search(text),) if m is not None]
    said = _said(text)
    if said is not None:
        found.append(said)
    if not found:
        return None
    start = min(found)
    if quoted is not None and quoted < start:
        return None  # within a quote
    if answered is not None and (start == quoted or (start == answered and not text[:start].strip())):
        return None  # what was answered, and no words of the sender's own stand above it
    return start


def _first_quoted_line(text: str) -> int | None:
    if text.startswith(">"):
        return 0
    at = text.find("\n>")
    return at + 1 if at >= 0 else None


def _answered_below(text: str) -> bool:
    """Whether words of the sender's own stand below the last quoted line (a signature is not counted)."""
    last = text.rfind("\n>") + 1
    line_end = text.find("\r\n", last)
    if line_end < 0:
        return False
    rest = text[line_end:]
    signature = _SIGNATURE.search(rest)
    return bool(_NOT_BLANK.search(rest, 0, signature.start() if signature else len(rest)))


def _said(text: str) -> int | None:
    """The start of an "On … wrote:" above an earlier message that is not marked line by line."""
    at = 0
    for _ in range(_TRIES):
        at = _colon(text, at)
        if at < 0:
            return None
        line = text.rfind("\n", 0, at) + 1
        if FORWARDED.match(text, line):
            return line
        words = text[max(0, at - 300) : at]
        if SAID.search(words, max(0, len(words) - 160)) and WHO_OR_WHEN.search(words):
            return _attribution(text, at + 3)
        at += 3
    return None


def _colon(text: str, at: int) -> int:
    """The next line end with a colon before it, or -1."""
    ascii_colon = text.find(":\r\n", at)
    wide_colon = -1 if text.isascii() else text.find("：\r\n", at)
    return min(ascii_colon, wide_colon) if ascii_colon >= 0 and wide_colon >= 0 else max(ascii_colon, wide_colon)


def _attribution(text: str, quoted: int) -> int:
    """The start of the line (or wrapped lines) that says who wrote what is quoted, or `quoted`."""
    base = max(0, quoted - 1000)
    words = text[base:quoted].rstrip()
    if base and "\r\n" not in words:
        return quoted  # a line longer than any that a mail program writes there
    if not words.endswith((":", "：", ":*", "> wrote")):
        return quoted
    start = line = words.rfind("\r\n") + 2 if "\r\n" in words else 0
    for _ in range(_NEAR - 1):
        if _names_someone(words[start:]) or line == 0:
            break
        above = words.rfind("\r\n", 0, max(line - 2, 0))
        if above < 0 and base:
            break
        above_start = above + 2 if above >= 0 else 0
        if not words[above_start : line - 2].strip():
            break
        line = above_start
        if _names_someone(words[line:]):
            start = line
    return base + start


def _names_someone(line: str) -> bool:
    """Whether a line has both a date's digits and more: the shape of "On 3 May 2024, Ben Ray wrote:"."""
    return bool(re.search(r"\d", line)) and len(line) > 20
