"""From an offer's view to HTML: the accept page, its live panel, and plain pages. Pure after it is built.

Templates and words are read and compiled once. What depends only on language and country (the list of countries is
the longest part of the page) is made once and kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mailgate import when
from mailgate.languages import LANGUAGES
from mailgate.offers.answer import Reason
from mailgate.offers.hours import zone_of
from mailgate.offers.view import View
from mailgate.web import assets, countries, texts
from mailgate.web.brand import files_of as brand_files
from mailgate.web.guard import security_headers
from mailgate.web.nonce import Nonces
from mailgate.web.settings import WebSettings
from mailgate.web.sheet import Sheet, gap
from mailgate.web.story import Story, tell
from mailgate.web.texts import Texts

log = logging.getLogger(__name__)

TALK_SCRIPT = "talk.js"
_KEPT = 256
"""Rendered pieces that are kept, by language and country; 15 kB each at the most."""
_REASONS = tuple(reason.value for reason in Reason)
_LONGEST_HEADER = 200
"""Characters of Accept-Language that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What stands in the form: what was typed, in which country, and what was wrong with it.

    `wrong` names the field that `refusal` (a text under `refused.`) is about; `notice` is a text under `notice.`.
    `digits`: the number was asked for by four of its digits, and not typed whole; `by_sip`: that form was sent.
    `answer` is `decline` or `reply` where that form was sent: with `reason` and the words `said`.
    """

    region: str
    number: str = ""
    digits: bool = False
    sip: str = ""
    by_sip: bool = False
    wrong: str = ""
    refusal: str = ""
    notice: str = ""
    answer: str = ""
    reason: str = ""
    said: str = ""
    answer_notice: str = ""

    def noticing(self, notice: str) -> Form:
        return replace(self, notice=notice)

    def refusing(self, field: str, refusal: str) -> Form:
        return replace(self, wrong=field, refusal=refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: their language, the country their browser names, and the browser itself (mailgate.web.browser)."""

    texts: Texts
    region: str
    browser: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """What the page about "never again" shows, or the one about whose an offer is (`room`): the first step, the second
    (`sent`), or that it is `done`.

    `wrong` is `address`, `code` or `again` (the page is too old, or not ours).
    """

    room: str = "never"
    address: str = ""
    sent: bool = False
    done: bool = False
    wrong: str = ""

    def saying(self, wrong: str) -> Never:
        return replace(self, wrong=wrong)


def answer_mark(view: View) -> str:
    """What the nonces of the answers' forms name: a text pressed twice is taken once."""
    return f"answer {view.replies}"


def slot_mark(view: View) -> str:
    """What the nonces of a slot's forms name: a time pressed twice is taken once."""
    return f"slot {view.slot_sequence}"


class Pages:
    """Renders with one set of templates, words and keys."""

    def __init__(
        self,
        settings: WebSettings,
        nonces: Nonces,
        now: Callable[[], float],
        bar: Callable[[View, str], str] = lambda view, browser: "",
        *,
        later: bool = False,
    ) -> None:
        """`bar(view, browser)` says why that browser may not take the offer up, "" where it may.
        `later`: whether a time can be chosen (mailgate.web.later)."""
        self.later = later
        self._settings = settings
        self._bar = bar
        self._nonces = nonces
        self._now = now
        self._base = settings.base_path
        self.languages = texts.load()
        self._zone = ZoneInfo(settings.time_zone)
        self.regions = frozenset(settings.countries or countries.EVERY_REGION)
        shapes = countries.shapes(self.regions)
        self._examples = {region: shape[0] for region, shape in shapes.items()}
        self._gateway = countries.spaced(settings.gateway_number)
        brand = brand_files(
            organisation=settings.organisation,
            number=settings.gateway_number,
            accent=settings.accent,
            logo=settings.logo,
        )
        self.assets = assets.load({"numbers.json": json.dumps(shapes, separators=(",", ":")).encode(), **brand})
        # The bundled script is made by scripts/build-page; a package without it serves pages that have others call.
        self.talks = settings.talk is not None and TALK_SCRIPT in self.assets.names
        if settings.talk is not None and not self.talks:
            log.warning("calls from the page are off: %s was not built", TALK_SCRIPT, extra={"action": "no_talk"})
        self.headers: Mapping[str, str] = {}
        if self.talks:
            headers = security_headers(settings.frame_ancestors, talk_origin=settings.origin)
            self.headers = {name: headers[name] for name in ("Content-Security-Policy", "Permissions-Policy")}
        environment = Environment(
            loader=PackageLoader("templates", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["asset"] = {
            name: f"{settings.base_path}/static/{hashed}" for name, hashed in self.assets.names.items()
        }
        environment.globals["organisation"] = settings.organisation
        environment.globals["logo"] = f"logo.{settings.logo.suffix}" if settings.logo else ""
        environment.globals["languages"] = [self.languages[language] for language in LANGUAGES]
        environment.globals["base"] = settings.base_path
        self._environment = environment
        self._offer = environment.get_template("offer.html")
        self._panel = environment.get_template("panel.html")
        self._plain = environment.get_template("plain.html")
        self._never = environment.get_template("never.html")
        self._countries = lru_cache(maxsize=_KEPT)(self._countries_of)
        self._names = lru_cache(maxsize=_KEPT)(countries.names)
        self._dates = lru_cache(maxsize=4 * _KEPT)(self._date_of)
        self._readers = lru_cache(maxsize=4 * _KEPT)(self._reader_of)
        self._sheets = lru_cache(maxsize=_KEPT)(self._sheet_of)

    def reader(self, accept_language: str, otherwise: str = "en") -> Reader:
        """The reader by the browser's languages; `otherwise` is the offer's language."""
        return self._readers(accept_language[:_LONGEST_HEADER], otherwise)

    def path(self, token: str) -> str:
        """The page's own address on this host."""
        return f"{self._base}/a/{token}"

    def offer(self, token: str, view: View, reader: Reader, form: Form | None = None) -> bytes:
        """The whole page of an offer as it stands, with what was typed in `form`."""
        story = tell(view, self._now())
        values = self._values(token, view, reader, story)
        barred = self._bar(view, reader.browser)
        plain = story.phase == "offer" and not view.on_line and not story.replied and not barred
        if form is None and plain and story.may_decline and story.may_reply:
            sheet = self._sheets(reader.texts.language, reader.region, story.title, bool(view.pin), bool(view.tail))
            return sheet.fill(values)
        shown = form or Form(region=reader.region)
        return self._offer.render(self._context(reader, story, shown, values, barred)).encode()

    def news(self, token: str, view: View, reader: Reader, *, more: bool, seen: str) -> tuple[str, str]:
        """The same as one event of the live stream: its id, and JSON for page.js.

        `more`: whether another event may follow; `seen`: the id of what the page shows already, not sent again.
        """
        story = tell(view, self._now())
        watch = _watch(story)
        if story.key == seen:
            return story.key, json.dumps({"key": story.key, "watch": watch, "more": more})
        values = self._values(token, view, reader, story)
        barred = self._bar(view, reader.browser)
        context = self._context(reader, story, Form(region=reader.region), values, barred)
        title = context["title"]
        text = "" if story.phase == "offer" else context["say"](story.text)
        news = {
            "key": story.key,
            "watch": watch,
            "more": more,
            "title": title,
            "say": f"{title}. {text}".removesuffix(". "),
            "panel": self._panel.render(context),
        }
        return story.key, json.dumps(news)

    def never(self, token: str, view: View, reader: Reader, shown: Never) -> str:
        """The page on which offers to an address are ended."""
        story = tell(view, self._now())
        values = self._values(token, view, reader, story)
        step = "done" if shown.done else "code" if shown.sent else "address"
        return self._never.render(
            {
                **values,
                "texts": reader.texts,
                "here": f"{values['path']}/{shown.room}",
                "say": self._say(reader, story, values),
                "shown": shown,
                "step": step,
            }
        )

    def render(self, name: str, reader: Reader, values: Mapping[str, Any]) -> str:
        """Another page by its template; `say(text, …)` in it fills a text in with what is given beside its name."""
        given = {"here": "", **values, "texts": reader.texts, "say": reader.texts.say}
        return self._environment.get_template(name).render(given)

    def moment(self, at: float, reader: Reader) -> str:
        """Date and time, to the minute, as people write them in the reader's language."""
        when = datetime.fromtimestamp(at, self._zone)
        language = reader.texts.language
        return f"{format_date(when, 'medium', language)}, {format_time(when, 'short', self._zone, language)}"

    def gateway(self) -> str:
        """The gateway's own number, as people write it."""
        return self._gateway

    def form(self, reader: Reader, form: Form) -> dict[str, Any]:
        """What a template is given for the fields of a telephone number."""
        return {
            "form": form,
            "refusal": self._refusal(reader.texts.say, reader, form),
            "countries": self._countries(reader.texts.language, form.region),
            "countries_shown": len(self.regions) > 1,
            "example": self._examples.get(form.region, ""),
        }

    def slot(self, view: View, reader: Reader) -> str:
        """The time that was chosen, in words, in the time zone that it was chosen in."""
        if view.slot_at is None:
            return ""
        return when.moment(view.slot_at, zone_of(view.slot_zone) or self._zone, reader.texts.language)

    def duration(self, reader: Reader, seconds: int) -> str:
        return _duration(reader.texts, seconds)

    def plain(self, kind: str, reader: Reader) -> str:
        """A page of a title and a sentence: `not_found`, `gone`, `too_large`, `method`, `failure`."""
        return self._plain.render(
            texts=reader.texts,
            here="",
            title=reader.texts.say(f"plain.{kind}_title"),
            text=reader.texts.say(f"plain.{kind}_text"),
        )

    # --- what the templates are given ---------------------------------------------------------------------------

    def _values(self, token: str, view: View, reader: Reader, story: Story) -> dict[str, str]:
        """What differs from offer to offer and from look to look."""
        make = self._nonces.maker(token)
        return {
            "offeror": view.offeror_name,
            "destination": view.destination_name,
            "date": self._dates(int(view.expires_at // 3600), reader.texts.language),
            "path": self.path(token),
            "nonce": make(view.attempts) if story.form else "",
            "pen": make(answer_mark(view)),
            "key": story.key,
            "pin": _grouped(view.pin),
            "keys": view.pin,
            "tail": view.tail,
            "slot": self.slot(view, reader),
            "slotpen": self._nonces.make(token, slot_mark(view)) if story.slot else "",
        }

    def _context(
        self, reader: Reader, story: Story, form: Form, values: Mapping[str, str], barred: str = ""
    ) -> dict[str, Any]:
        say = self._say(reader, story, values)
        return {
            **values,
            "texts": reader.texts,
            "here": values["path"],
            "story": story,
            "say": say,
            "title": say(story.title),
            "watch": _watch(story),
            "form": form,
            "barred": barred,
            "reasons": _REASONS,
            "refusal": self._refusal(say, reader, form),
            "countries": self._countries(reader.texts.language, form.region),
            "countries_shown": len(self.regions) > 1,
            "example": self._examples.get(form.region, ""),
            "allow_sip": self._settings.allow_sip,
            "talks": self.talks,
            "later": self.later,
            "gateway": self._gateway,
            "gateway_number": self._settings.gateway_number,
            "clock": _clock(story.talked_s or 0),
        }

    def _say(self, reader: Reader, story: Story, values: Mapping[str, str]) -> Callable[[str], str]:
        filled = {
            **values,
            "gateway": self._gateway,
            "organisation": self._settings.organisation,
            "duration": _duration(reader.texts, story.talked_s or 0),
        }
        return lambda name: reader.texts.say(name, **filled)

    def _sheet_of(self, language: str, region: str, title: str, has_pin: bool, has_tail: bool) -> Sheet:
        """The page of an offer that is open, for one kind of reader: the page that is asked for most, by far."""
        reader = Reader(texts=self.languages[language], region=region)
        story = Story(
            key=gap("key"), phase="offer", title=title, text="offer.lead", form=True, may_decline=True, may_reply=True
        )
        values = {name: gap(name) for name in ("offeror", "destination", "date", "path", "nonce", "pen", "key")}
        values |= {name: gap(name) if has_pin else "" for name in ("pin", "keys")}
        values |= {"tail": gap("tail") if has_tail else "", "slot": "", "slotpen": ""}
        return Sheet(self._offer.render(self._context(reader, story, Form(region=reader.region), values)))

    def _reader_of(self, accept_language: str, otherwise: str) -> Reader:
        return Reader(
            texts=texts.choose(self.languages, accept_language, otherwise),
            region=countries.region_of(accept_language, self.regions, self._settings.default_region),
        )

    @staticmethod
    def _refusal(say: Callable[[str], str], reader: Reader, form: Form) -> str:
        if not form.wrong:
            return ""
        names = (f"refused.{form.wrong}-{form.refusal}", f"refused.{form.refusal}", "refused.other")
        return say(next(name for name in names if reader.texts.knows(name)))

    def _countries_of(self, language: str, region: str) -> Markup:
        return Markup("").join(
            Markup('<option value="{}"{}>{}</option>').format(
                each, Markup(" selected") if each == region else "", label
            )
            for each, label in self._names(language, self.regions)
        )

    def _date_of(self, hour: int, language: str) -> str:
        """The date of an hour since 1970, in words."""
        return format_date(datetime.fromtimestamp(hour * 3600, self._zone), format="long", locale=language)


def _watch(story: Story) -> str:
    """What page.js is to expect: a call under way, a press elsewhere, or nothing more."""
    return "call" if story.phase == "call" else "open" if story.form else "no"


def _grouped(pin: str) -> str:
    """Digits in threes, as people say them."""
    return " ".join(pin[i : i + 3] for i in range(0, len(pin), 3))


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _duration(words: Texts, seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if minutes:
        return words.say("live.duration_m", minutes=minutes, seconds=rest)
    return words.say("live.duration_s", seconds=rest)
