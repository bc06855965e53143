"""Takes known telephone numbers out of text, HTML and header fields, however they are written.

A `Redactor` is compiled once for an account, from its numbers in E.164. It gives back changes (offsets and what takes
their place), so that nothing but the number changes. A number is looked for by its national digits, with anything
between them that people and mail programs put there: blanks of all widths, dots, dashes, brackets, slashes, line ends
with quote marks, in HTML also tags and character references; digits may be of any script. What stands before is then
read: own country code (`+33`, `0033`, `011 33`, `33`, with or without `(0)`), own trunk prefix, or nothing. Digits of
another country code, or a longer run of digits, are someone else's number and stay.

In HTML a link that would dial (`tel:`, `callto:`, `sip:`, `sms:`, wa.me …) loses its target; a number that runs across
tags leaves the tags in place. In header fields encoded-words are read (RFC 2047), also where a number is cut by
the end of one; only the words touched are encoded again.

Standards: E.164, RFC 3966 (tel), RFC 2047, RFC 2231 (5). Time is linear in the text; every repetition is bounded.
Known limits: a number without its area code, written in words, or drawn in a picture is not seen. An extension behind
the number stays. Quoted-printable and base64 are decoded by the caller.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

from smtp_hooks.words import Word, encode_word, read_words

Change = tuple[int, int, str]
"""`[start, end)` in characters, and what takes its place."""

# Between two digits: white space of all kinds, invisible marks, dashes, dots, brackets, slashes.
_BETWEEN = (
    r"\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
    r".\u00b7\u2022\u2024\u2027\u30fb\uff0e()\[\]\uff08\uff09/\\\u2044\u2215\uff0f_~"
)
_TEXT_GAP = rf"[{_BETWEEN}]{{0,5}}+(?>(?:(?<=\n)>[> ]{{0,8}}+)?)"

# The same in HTML: tags, character references, and what a URL makes of blanks.
_HTML_BETWEEN = (
    rf"(?:[{_BETWEEN}]|<[^<>]{{0,600}}+>|&(?:[a-z]{{2,8}}|#[0-9a-fA-FxX]{{1,8}});"
    r"|%(?:20|2[89DEF]|C2%A0|E2%80%[89][0-9A-F]))"
)
_HTML_GAP = rf"(?>{_HTML_BETWEEN}{{0,12}})"
_PLUS = r"(?:\+|\uff0b|%2B|&plus;|&\#43;|&\#x2b;|(?<!\d)(?:00|011|0011|810))"
_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_JOINER = "\u2060"
_LOOK_BACK = 160  # characters before the national digits that may hold country code and brackets
_OTHERS = r"(?:\+|\uff0b|%2B|(?<!\d)00)(?:\d|[" + _BETWEEN + r"]){1,14}\Z"
_DIALS = re.compile(
    r"""=\s*["']?\s*((?:(?:tel|callto|sms|mms|sips?|skype|facetime(?:-audio)?|viber|whatsapp|xmpp|im)(?::|%3A)"""
    r"""|https?://(?:wa\.me|api\.whatsapp\.com|signal\.me|t\.me|viber\.click)/)[^\s"'<>]{0,60}?)\Z""",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"&#(?:0*(\d{2,7})|[xX]0*([0-9a-fA-F]{2,6}));")
_HREF = re.compile(r"""(?:\r\n|\s)href\s{0,9}=\s{0,9}(["']?)\Z""", re.IGNORECASE)
_VALUE_END = {'"': re.compile('[^"<>]*"'), "'": re.compile("[^'<>]*'"), "": re.compile(r"[^\s<>\"']*(?=[\s>])")}
_TAG = re.compile(r"<[^<>]*+>")


@lru_cache(maxsize=1)
def _to_ascii() -> dict[int, str]:
    """Digits of all scripts (Unicode general category Nd) → ASCII digits."""
    digits = (chr(code) for code in range(0x80, 0x20000))  # the planes that have some
    return {ord(c): str(unicodedata.decimal(c)) for c in digits if unicodedata.category(c) == "Nd"}


@lru_cache(maxsize=1)
def _foreign_digit() -> re.Pattern[str]:
    return re.compile("[" + "".join(map(chr, _to_ascii())) + "]")


def _in_ascii(text: str) -> str:
    """The text, as long as before, with the digits of all scripts as ASCII ones."""
    if text.isascii() or not _foreign_digit().search(text):
        return text
    return text.translate(_to_ascii())


def _unreferenced(text: str) -> str:
    """The HTML, as long as before, with references to digits as the digit and marks that are not seen."""
    if "&#" not in text:
        return text
    return _REFERENCE.sub(_dereference, text)


def _dereference(match: re.Match[str]) -> str:
    code = int(match[1]) if match[1] else int(match[2], 16)
    character = chr(code) if code <= 0x10FFFF else ""
    if not character.isdecimal():
        return match[0]
    return str(unicodedata.decimal(character)) + _JOINER * (len(match[0]) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """National digits of a number, its country code, and the trunk prefix that is dialled within the country."""

    national: str
    code: str
    trunk: str


# Patterns are made when they are first needed, once for a number or a country.
@lru_cache(maxsize=8192)
def _text(national: str) -> re.Pattern[str]:
    return re.compile(_TEXT_GAP.join(national) + r"(?!\d)")


@lru_cache(maxsize=8192)
def _html(national: str) -> re.Pattern[str]:
    return re.compile(_HTML_GAP.join(national) + r"(?!\d)")


@lru_cache(maxsize=256)
def _own_code(code: str, trunk: str) -> re.Pattern[str]:
    gap = _HTML_GAP  # wider than that of text, and harmless there
    until_bracket = rf"(?>(?:(?!\(\s?\d){_HTML_BETWEEN}){{0,8}})"
    bracket = rf"(?>(?:\(\s?{trunk or 0}\s?\){gap})?)"
    return re.compile(rf"(?:{_PLUS}{gap}|(?<![\d;#])){gap.join(code)}(?:[)\]])?{until_bracket}{bracket}\Z", re.I)


@lru_cache(maxsize=256)
def _other_code(code: str, trunk: str) -> re.Pattern[str]:
    gap = _HTML_GAP
    return re.compile(rf"{_PLUS}{gap}(?!{gap.join(code)})[1-9]\d{{0,2}}+{gap}(?:\(?{trunk or 0}\)?{gap})?\Z", re.I)


@lru_cache(maxsize=64)
def _trunk(trunk: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\d){trunk}{_HTML_GAP}\Z")


@lru_cache(maxsize=8192)
def _known(number: str) -> tuple[_Known, ...]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a telephone number in E.164") from error
    code = parsed.country_code or 0
    region = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region or "ZZ", None)
    trunk = (metadata.national_prefix or "") if metadata is not None else ""
    national = phonenumbers.national_significant_number(parsed)
    local = re.sub(r"\D", "", phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL))
    if trunk and local.startswith(trunk):
        local = local[len(trunk) :]
    return tuple(
        _Known(national=digits, code=str(code), trunk=trunk)
        for digits in sorted({national, local}, key=len, reverse=True)
    )


class Redactor:
    """Finds the given numbers (E.164: `+33199001234`) and puts `replacement` in their place.

    `replacement` is plain text of at most 60 characters; it is escaped where HTML or a header field needs that.
    `cards`: the numbers are to go out of attached vCards too. Raises ValueError for what is no E.164 number. Immutable
    once made; safe to share between messages.
    """

    __slots__ = ("_ascii_replacement", "_html_replacement", "_known", "_replacement", "cards")

    def __init__(self, numbers: Sequence[str], replacement: str, *, cards: bool = False) -> None:
        self.cards = cards
        self._replacement = " ".join(replacement.split())[:60]
        self._html_replacement = html.escape(self._replacement).encode("ascii", "xmlcharrefreplace").decode("ascii")
        folded = unicodedata.normalize("NFKD", self._replacement)
        self._ascii_replacement = folded.encode("ascii", "ignore").decode("ascii").strip() or "*"
        self._known = tuple(known for number in dict.fromkeys(numbers) for known in _known(number))

    def text_changes(self, text: str) -> list[Change]:
        """The changes that take the numbers out of plain text; sorted, without overlap."""
        plain = _in_ascii(text)
        found: list[Change] = []
        for known in self._known:
            last = 0
            for match in _text(known.national).finditer(plain):
                start = _start(plain, match.start(), known, last)
                if start is not None:
                    last = match.end()
                    found.append((start, match.end(), self._closed(text, start, match.end())))
        return _without_overlap(found)

    def html_changes(self, text: str) -> list[Change]:
        """The same for an HTML document, with attributes and links; tags stay in place."""
        plain = _in_ascii(_unreferenced(text))
        whole = self._html_spans(text, plain)
        pieces = [piece for change in whole for piece in self._pieces(text, change)]
        if any("<" in text[start:end] for start, end, _ in whole):  # a tag in a number may hold the number too
            inner = self._html_spans(text, _masked(plain, pieces))
            pieces = sorted([*pieces, *(piece for change in inner for piece in self._pieces(text, change))])
        return pieces

    def _html_spans(self, text: str, plain: str) -> list[Change]:
        """The numbers, each with the tags that it runs across; `plain` is the text as `_in_ascii` gives it."""
        found: list[Change] = []
        for known in self._known:
            last = 0
            for match in _html(known.national).finditer(plain):
                start, end = _start(plain, match.start(), known, last), match.end()
                while plain[end : end + 1] == _JOINER != text[end : end + 1]:  # the rest of a reference
                    end += 1
                if start is None or plain[end : end + 1].isdigit():
                    continue
                last = end
                link = _DIALS.search(plain, max(0, start - 100), start)
                if link is not None:
                    found.append(_without_target(plain, link.start(1), end))
                else:
                    found.append((start, end, ""))
        return _without_overlap(found)

    def header_value(self, value: bytes) -> bytes | None:
        """The value of an unstructured field (what follows the colon) without the numbers; None where it has none."""
        if not self.may_show(value):
            return None
        words = read_words(value)
        text = "".join(word.text for word in words)
        changes = self.text_changes(text)
        if not changes:
            return None
        out: list[bytes] = []
        at = 0
        for word in words:
            end = at + len(word.text)
            inside = [
                (max(start, at) - at, min(stop, end) - at, new if start >= at else "")
                for start, stop, new in changes
                if start < end and stop > at
            ]
            out.append(self._changed_word(word, inside) if inside and word.text else word.raw)
            at = end
        return b"".join(out)

    def shows(self, text: str) -> bool:
        """Whether a number is to be read in the text, taken as plain text or as HTML."""
        return bool(self.text_changes(text) or self.html_changes(text))

    def may_show(self, octets: bytes) -> bool:
        """A cheap question before the others: False only where no number can be in the octets, read as plain text or as
        an unstructured field."""
        if not octets.isascii() or b"=?" in octets:
            return True
        digits = octets.translate(None, _NOT_DIGITS)
        return any(known.national.encode("ascii") in digits for known in self._known)

    def _changed_word(self, word: Word, changes: Sequence[Change]) -> bytes:
        out: list[str] = []
        at = 0
        for start, end, new in changes:
            out += [word.text[at:start], new if word.charset else (self._ascii_replacement if new else "")]
            at = end
        text = "".join([*out, word.text[at:]])
        return encode_word(text) if word.charset else text.encode("utf-8", "surrogateescape")

    def _closed(self, text: str, start: int, end: int) -> str:
        """The replacement, with the bracket that the number had closed: `(+33) 1 99…` → `([hidden])`."""
        inside = text[start:end]
        unmatched = inside.count(")") > inside.count("(") and text[max(0, start - 1) : start] == "("
        return self._replacement + (")" if unmatched else "")

    def _pieces(self, text: str, change: Change) -> list[Change]:
        """One change for each stretch between tags, so that the tags stay."""
        start, end, new = change
        if new == "":
            inside = _TAG.sub("", text[start:end])
            unmatched = inside.count(")") > inside.count("(") and text[max(0, start - 1) : start] == "("
            new = self._html_replacement + (")" if unmatched else "")
        pieces: list[Change] = []
        at = start
        for tag in _TAG.finditer(text, start, end):
            if tag.start() > at:
                pieces.append((at, tag.start(), new if not pieces else ""))
            at = tag.end()
        if end > at:
            pieces.append((at, end, new if not pieces else ""))
        return pieces


def _masked(text: str, changes: Sequence[Change]) -> str:
    """The text, as long as before, with marks that are not seen where the changes are."""
    out: list[str] = []
    at = 0
    for start, end, _ in changes:
        out += [text[at:start], _JOINER * (end - start)]
        at = end
    return "".join([*out, text[at:]])


def _without_target(text: str, start: int, end: int) -> Change:
    """The change that takes a link's target away, `text[start:]` being its value: the whole attribute, so that what is
    left neither looks nor acts like a link; `#` in place of the number where the attribute is not a plain one."""
    attribute = _HREF.search(text, max(0, start - 40), start)
    if attribute is not None:
        close = _VALUE_END[attribute[1]].match(text, end, end + 300)
        if close is not None:
            at = attribute.start()
            return at, close.end(), "\r\n" if text.startswith("\r\n", at) else " "
    return start, end, "#"


def _start(text: str, at: int, known: _Known, last: int) -> int | None:
    """Where the number whose national digits begin at `at` begins, or None where it is not the known one. `last`: the
    end of the known number before it, whose digits say nothing of this one."""
    base = max(last, at - _LOOK_BACK)
    before = text[base:at]
    own = _own_code(known.code, known.trunk).search(before)
    if own is not None:
        return base + own.start()
    if _other_code(known.code, known.trunk).search(before):
        return None
    trunk = _trunk(known.trunk).search(before) if known.trunk else None
    if trunk is not None:
        return base + trunk.start()
    if before[-1:].isdigit() or re.search(_OTHERS, before[-40:]):
        return None
    return at if len(known.national) >= 7 else None


def _without_overlap(changes: list[Change]) -> list[Change]:
    """Sorted; of two that overlap the first, made as long as both."""
    out: list[Change] = []
    for start, end, new in sorted(changes, key=lambda c: (c[0], -c[1])):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]), out[-1][2])
        else:
            out.append((start, end, new))
    return out
