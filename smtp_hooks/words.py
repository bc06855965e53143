"""Encoded-words in header fields: a value taken apart into what is as it reads, and what is encoded.

Standards: RFC 2047 (2 syntax, 6.2 white space between adjacent encoded-words is not shown), RFC 2231 (5, language).
Limits: a word of an unknown charset or broken encoding is taken as it stands.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from smtp_hooks.charsets import codec_for

_ENCODED = re.compile(rb"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([BbQq])\?([^?\s]*)\?=")
_BLANK_LINE = re.compile(rb"\r\n[ \t]+(?=\r\n|\Z)")
_GAP = re.compile(rb"[ \t]*(?:\r\n[ \t]+)*[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of a value: its octets, what a reader sees of them, and the codec where it is an encoded-word."""

    raw: bytes
    text: str
    charset: str = ""


def read_words(value: bytes) -> list[Word]:
    """The value in stretches; their `raw` joined is the value again."""
    if b"=?" not in value:
        return [Word(value, value.decode("utf-8", "surrogateescape"))]
    words: list[Word] = []
    at = 0
    for match in _ENCODED.finditer(value):
        text, codec = _decode(match)
        if text is None:
            continue
        between = value[at : match.start()]
        if between:
            hidden = bool(words and words[-1].charset) and at > 0 and bool(_GAP.match(between))
            words.append(Word(between, "" if hidden else between.decode("utf-8", "surrogateescape")))
        words.append(Word(match[0], text, codec))
        at = match.end()
    if at < len(value):
        words.append(Word(value[at:], value[at:].decode("utf-8", "surrogateescape")))
    return words


def _decode(match: re.Match[bytes]) -> tuple[str | None, str]:
    codec = codec_for(match[1].decode("latin-1"))
    if codec is None:
        return None, ""
    try:
        if match[2] in b"Bb":
            octets = binascii.a2b_base64(match[3] + b"=" * (-len(match[3]) % 4))
        else:
            octets = binascii.a2b_qp(match[3], header=True)
        return octets.decode(codec), codec
    except (binascii.Error, UnicodeDecodeError):
        return None, ""


def without(words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> bytes:
    """The value without these spans of what a reader sees (characters of the words' texts, joined). Words that none of
    them touches stay as they are; no line of blanks alone is left behind."""
    out: list[bytes] = []
    at = 0
    for word in words:
        end = at + len(word.text)
        inside = [(max(start, at) - at, min(stop, end) - at) for start, stop in spans if start < end and stop > at]
        out.append(_cut(word, inside) if inside and word.text else word.raw)
        at = end
    return _BLANK_LINE.sub(b"", b"".join(out))


def _cut(word: Word, spans: Sequence[tuple[int, int]]) -> bytes:
    kept: list[str] = []
    at = 0
    for start, end in spans:
        kept.append(word.text[at:start])
        at = end
    text = "".join([*kept, word.text[at:]])
    return encode_word(text) if word.charset else text.encode("utf-8", "surrogateescape")


def encode_word(text: str) -> bytes:
    """Encoded-words of at most 75 octets in UTF-8, folded; nothing for no text (RFC 2047, 2)."""
    pieces: list[bytes] = []
    piece = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > 45:
            pieces.append(piece)
            piece = b""
        piece += octets
    if piece:
        pieces.append(piece)
    return b"\r\n ".join(b"=?utf-8?B?" + binascii.b2a_base64(p, newline=False) + b"?=" for p in pieces)
