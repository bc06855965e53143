"""Which language a short text is in, for the voice that speaks it. Pure.

By script where a script tells; else by the small words that every sentence has, and by letters that few languages use
(templates/speech/small_words.toml). A text that tells nothing ("OK", a name) is in the language that was expected.
Rules, not statistics: what is wanted is a voice that can be followed, and ten words are enough for that.
Known limits: sixteen languages in Latin letters; where Norwegian and Danish look alike either may come out; a text in
two languages is spoken in the one that has more of it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from importlib.resources import files

_SCRIPTS = (
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("HANGUL", "ko"),
    ("CJK", "cmn"),
    ("CYRILLIC", "ru"),
    ("GREEK", "el"),
    ("ARABIC", "ar"),
    ("HEBREW", "he"),
    ("DEVANAGARI", "hi"),
    ("BENGALI", "bn"),
    ("TAMIL", "ta"),
    ("THAI", "th"),
)
_TELLING = tomllib.loads(files("templates").joinpath("speech", "small_words.toml").read_text(encoding="utf-8"))
_KNOWN = {language: frozenset(words.split()) for language, words in _TELLING["words"].items()}
_WORD = re.compile(r"[^\W\d_]+")
_LOOKED_AT = 600  # characters


def find(text: str, otherwise: str) -> str:
    """The language of a text as a tag that speech programs know (`de`, `cmn`); `otherwise` where nothing tells."""
    text = unicodedata.normalize("NFC", text[:_LOOKED_AT]).lower()
    if script := _by_script(text):
        return script
    expected = otherwise.partition("-")[0].lower()
    words = _WORD.findall(text)
    points = {language: float(sum(word in known for word in words)) for language, known in _KNOWN.items()}
    for language, letters in _TELLING["letters"].items():
        points[language] += 0.5 * min(3, sum(text.count(letter) for letter in letters))
    points[expected] = points.get(expected, 0.0) + 0.25  # of two that fit alike
    best = max(points, key=lambda language: points[language])
    return otherwise if points[best] - points[expected] < 1 else best


def _by_script(text: str) -> str:
    """The language of a script that is not Latin, where most letters are of it; Japanese by its own."""
    counts: dict[str, int] = {}
    letters = [c for c in text if c.isalpha()]
    for letter in letters:
        name = unicodedata.name(letter, "")
        for prefix, language in _SCRIPTS:
            if name.startswith(prefix):
                counts[language] = counts.get(language, 0) + 1
    if not counts or 2 * sum(counts.values()) < len(letters):
        return ""
    if counts.get("ja"):
        return "ja"
    return "uk" if "ru" in counts and set(text) & set("іїєґ") else max(counts, key=lambda language: counts[language])
