"""What the offer looks like in a mail: the block for text/plain, the block for text/html, the icon.

The person's name, a URL and, by policy, the way in by telephone → `Addition`. Words come from
`templates/mail/phrases.toml`, shape from the Jinja2 templates beside it; both can be an admin's own. The name comes
from outside and is hostile until cleaned: no control or formatting characters, no line ends, nothing that a mail
program would turn into a link, no telephone number.

The plain block has the URL on a line of its own and no line that a mail program would wrap into it. The HTML block is
one balanced `<div>` in ASCII, a table cell as button (Outlook draws no padding on links), with inline styles only.

Standards: RFC 3676 (no line of the block is quoted, stuffed or flowed), RFC 2392 (cid), HTML.
Size of the whole addition in English: 0.2 KiB of text, 3.3 KiB of HTML, 1.2 KiB for the icon with its MIME fields; the
way in by telephone adds 50 octets of text and 0.1 KiB of HTML.
SpamAssassin counts an image in less than 3.2 KiB of HTML as "image only" (1.4 to 2.8 points), so that a block of half
the size would cost more: what fills it serves dark mode, Outlook, print, and whoever reads the source.
"""

from __future__ import annotations

import html
import re
import tomllib
import unicodedata
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import jinja2

import templates
from smtp_hooks.mime.model import Addition, Icon

IconKind = Literal["inline", "remote", "none"]
SHIPPED = Path(templates.__file__).parent
_URL, _SOURCE = "\x01url\x02", "\x01source\x02"  # control characters: no name has them once it is cleaned
_NAME_LENGTH = 60
_WIDTH = 76  # characters of a line of the plain block; the URL may be longer
_LINKLIKE = re.compile(r"://|\bwww\.|[<>]", re.IGNORECASE)
_NUMBERLIKE = re.compile(r"[+(]?\d(?:[\s().\-/]{0,3}\d){4,}")
_PIN = "\x01pin-of-10\x02"  # as wide as the longest PIN, so that no line grows beyond the width by it
_MARK = re.compile(f"({_URL}|{_SOURCE}|{_PIN})")
_BLANK = "\x03"  # in a number, which is not broken into two lines
# Characters that join or order others, and are needed in names of some scripts (ZWNJ, ZWJ).
_KEPT_FORMATS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialIn:
    """The way in by telephone: the gateway's `number` in E.164, how it is `shown`, and the offer's PIN (digits)."""

    number: str
    shown: str
    pin: str = field(default="", repr=False)


class TemplateError(Exception):
    """A mail template or its phrases cannot be used; the text names file and reason."""


def languages(folder: Path = SHIPPED) -> tuple[str, ...]:
    """The languages that there are phrases for."""
    return tuple(_phrases(folder))


def hidden(language: str, folder: Path = SHIPPED) -> str:
    """What stands where a number was."""
    return _words(folder, language)["hidden"]


def render(
    *,
    language: str,
    offeror_name: str,
    url: str,
    icon: IconKind = "inline",
    content_id: str = "",
    icon_url: str = "",
    dial_in: DialIn | None = None,
    folder: Path = SHIPPED,
) -> Addition:
    """The block for one recipient.

    `language` is a tag such as `de-AT`; English where there are no phrases for it. `content_id` is needed for an
    inline icon, `icon_url` for a remote one; with `dial_in` both blocks name number and PIN. Raises `TemplateError`;
    ValueError for a URL with anything but visible ASCII in it.
    """
    if not url.isascii() or not url.isprintable() or any(c in url for c in " <>\"'"):
        raise ValueError("the URL of an offer is visible ASCII")
    source = {"inline": f"cid:{content_id}", "remote": icon_url, "none": ""}[icon]
    way, pin = (replace(dial_in, pin=""), dial_in.pin) if dial_in else (None, "")
    text, markup = _rendered(folder, language, offeror_name, icon, way)
    said = {_URL: url, _PIN: pin}
    written = {_URL: url.replace("&", "&amp;"), _SOURCE: html.escape(source), _PIN: pin}
    return Addition(
        text="".join([said.get(piece, piece) for piece in text]),
        html="".join([written.get(piece, piece) for piece in markup]),
        icon=Icon(content=_png(folder), filename="call.png", content_id=content_id) if icon == "inline" else None,
    )


@lru_cache(maxsize=4096)
def _rendered(
    folder: Path, language: str, offeror_name: str, icon: IconKind, way: DialIn | None
) -> tuple[list[str], list[str]]:
    """Both blocks of one person, cut at the marks where URL, icon and PIN go: they differ from message to message."""
    words = _words(folder, language)
    name = clean_name(offeror_name)
    said = {key: phrase.replace("{name}", name) for key, phrase in words.items()}
    text, markup = _templates(folder)
    dial = _wrap(said["dial"].format(number=way.shown.replace(" ", _BLANK), pin=_PIN)) if way else ""
    plain = text.render(offer=_wrap(said["offer"]), what=_wrap(said["what"]), url=_URL, dial=dial)
    sentence = said["offer"].rstrip(":： \xa0") + _stop(words["offer"])
    icon_src = "" if icon == "none" else _SOURCE
    page = markup.render(said, url=_URL, icon_src=icon_src, offer_sentence=sentence, dial_in=way, pin=_PIN)
    plain = plain.strip("\n").replace(_BLANK, " ") + "\n"
    page = page.strip("\n").encode("ascii", "xmlcharrefreplace").decode("ascii") + "\n"
    return _MARK.split(plain), _MARK.split(page)


def _words(folder: Path, language: str) -> dict[str, str]:
    phrases = _phrases(folder)
    return phrases.get(language.lower()) or phrases.get(language.lower().split("-")[0]) or phrases["en"]


def clean_name(name: str) -> str:
    """A name that can be shown to a stranger: one line, at most 60 characters, no markup, address, link or number."""
    composed = unicodedata.normalize("NFC", name)
    visible = "".join(
        c
        if unicodedata.category(c)[0] not in "CZ" or c in _KEPT_FORMATS
        else ("" if c > "\u00ff" and not c.isspace() else " ")
        for c in composed
    )
    plain = _NUMBERLIKE.sub(" ", _LINKLIKE.sub(" ", visible))
    short = " ".join(plain.split())[:_NAME_LENGTH].strip()
    return short if any(c.isalnum() for c in short) else "?"


def _stop(phrase: str) -> str:
    return "。" if "。" in phrase or any("\u3040" <= c <= "\u30ff" for c in phrase) else "."


def _wrap(sentence: str) -> str:
    """Lines of at most 76 characters that end in no blank; CJK text has no blanks and is cut where it has to be."""
    lines: list[str] = []
    for word in sentence.split(" "):
        wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)
        if lines and len(lines[-1]) + 1 + wide <= _WIDTH:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return "\n".join(lines)


@lru_cache(maxsize=8)
def _phrases(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / "mail" / "phrases.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: {error}") from error
    needed = {"direction", "offer", "button", "what", "dial", "icon", "hidden"}
    for language, words in found.items():
        if not isinstance(words, dict) or set(words) != needed or not all(isinstance(w, str) for w in words.values()):
            raise TemplateError(f"{path}: [{language}] needs exactly {', '.join(sorted(needed))}")
    if "en" not in found:
        raise TemplateError(f"{path}: [en] is missing")
    return found


@lru_cache(maxsize=8)
def _templates(folder: Path) -> tuple[jinja2.Template, jinja2.Template]:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder / "mail"),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: bool(name and ".html" in name),
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template("offer.txt.j2"), environment.get_template("offer.html.j2")
    except jinja2.TemplateError as error:
        raise TemplateError(f"{folder / 'mail'}: {error}") from error


@lru_cache(maxsize=8)
def _png(folder: Path) -> bytes:
    return (folder / "icons" / "call.png").read_bytes()
