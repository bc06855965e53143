"""What the walks through the demo look at: a telephone's display, the accept page, and whether a number can be read.

Every function here waits until something is as it must be, or says how it is instead (`Unexpected`).
"""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

from lab.world import off_loop

from demo_page.telephones import Display, Telephone

RINGS_WITHIN_S = 8.0
SPEAKS_WITHIN_S = 8.0
BRIDGED_WITHIN_S = 8.0
_CLEAR = 0.9
_HIDDEN = re.compile(rb"(?:\+?\s*33|0)[\s.()\-]*1[\s.()\-]*99[\s.()\-]*00[\s.()\-]*12[\s.()\-]*34")


class Unexpected(Exception):
    """Something is not as it must be; the text says what."""


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise Unexpected(otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer of the accept page."""

    status: int
    url: str
    text: str
    fields: dict[str, str]


def shows_adas_number(text: str | bytes) -> bool:
    return bool(_HIDDEN.search(text.encode() if isinstance(text, str) else text))


def share_of(telephone: Telephone, whom: str) -> float:
    """How much of what the telephone heard in the last half second is the tone of whoever is meant."""
    call = telephone.call
    assert call is not None
    hertz = telephone.voices[whom]
    return call.rtp.tones(hertz, seconds=0.5)[hertz]


def clear(who: str, whom: str, part: float) -> str:
    """That somebody hears somebody, in words. Raises Unexpected where it is not clear."""
    expect(part > _CLEAR, f"of what {who} hears only {part:.0%} is {whom}’s tone")
    return f"{who} hears {whom} ({part:.0%})"


async def until(telephone: Telephone, fits: Callable[[Display], bool], within_s: float) -> Display:
    """What the telephone shows as soon as it fits. Raises Unexpected with what it shows instead."""
    for _ in range(int(within_s / 0.05)):
        display = telephone.display()
        if fits(display):
            return display
        await asyncio.sleep(0.05)
    d = telephone.display()
    raise Unexpected(
        f"after {within_s:.0f} s {d.name}’s telephone is {d.state}"
        + (f" and hears {d.hears or 'nothing'}" if d.state == "talking" else "")
    )


async def until_page(link: str, words: str, within_s: float = 6.0) -> Page:
    """The page as soon as it holds the words."""
    page = await fetch(link)
    for _ in range(int(within_s / 0.1)):
        if words in page.text:
            return page
        await asyncio.sleep(0.1)
        page = await fetch(link)
    title = re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)
    raise Unexpected(f"after {within_s:.0f} s the page says {title[1].strip() if title else page.status!r}")


class _Fields(HTMLParser):
    """The hidden fields of the form that asks for a call."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._form: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self._form = values.get("id")
        if tag == "input" and self._form == "call" and values.get("type") == "hidden" and values.get("name"):
            self.found[str(values["name"])] = values.get("value") or ""


async def fetch(url: str, form: dict[str, str] | None = None) -> Page:
    """GET, or POST of a form; redirections are followed, as a browser does. `url` is the gateway's, on loopback."""

    def work() -> Page:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, data=data, headers={"Accept-Language": "en"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return _page(answer.status, answer.url, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _page(error.code, url, error.read())

    return await off_loop(work)


def _page(status: int, url: str, body: bytes) -> Page:
    text = body.decode()
    fields = _Fields()
    fields.feed(text)
    return Page(status=status, url=url, text=text, fields=fields.found)


def alert(text: str) -> str:
    found = re.search(r'class="(?:error|notice)".*?<span>(.*?)</span>', text, re.DOTALL)
    return found[1] if found else "no reason given"
