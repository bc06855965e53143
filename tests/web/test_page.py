"""Looking at the page: what it shows in each state, what it never shows, and that looking changes nothing."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from itertools import product

import httpx
import pytest
from web_gateway import ADA, BEN, Gateway, MakeGateway, course

from mailgate.calls.model import Bridged, Channel, Ended, Kind, Outcome
from mailgate.errors import OutcomeUnknown
from mailgate.languages import LANGUAGES
from mailgate.offers.service import Rules
from mailgate.store import offers as rows_of
from mailgate.web.texts import load
from tokens.coupon import Purpose, mint
from tokens.keys import added

BEN_PREFIX = "01 99 00 57"
ENGLISH = {"Accept-Language": "en"}


class Forms(HTMLParser):
    """Every form of a page, as a scanner finds it: where it goes, the names and values of its fields, and what there
    is to choose from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.select = ""
        self.choices: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        match tag:
            case "form":
                self.found.append((given["action"] or "", {}))
            case "input" if given.get("type") in ("radio", "checkbox"):
                self.choices.setdefault(given["name"] or "", []).append(given["value"] or "")
                if "checked" in given:
                    self.found[-1][1][given["name"] or ""] = given["value"] or ""
            case "input":
                self.found[-1][1][given["name"] or ""] = given.get("value") or ""
            case "textarea":
                self.found[-1][1][given["name"] or ""] = ""
            case "button" if "name" in given:
                self.found[-1][1][given["name"] or ""] = given["value"] or ""
            case "select":
                self.select = given["name"] or ""
                self.found[-1][1][self.select] = ""
            case "option":
                self.choices.setdefault(self.select, []).append(given["value"] or "")
                if "selected" in given:
                    self.found[-1][1][self.select] = given["value"] or ""


async def test_looking_changes_nothing(make_gateway: MakeGateway) -> None:
    """What a mail scanner does: follows the link, asks for the events, posts every form, filled and as served."""
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    before = gateway.store.read(lambda rows: rows_of.recent(rows, gateway.sealer))
    for _ in range(25):
        assert (await gateway.client.get(f"/a/{token}")).status_code == 200
        assert (await gateway.client.head(f"/a/{token}")).status_code == 200
    await gateway.client.head(f"/a/{token}/events")
    await gateway.client.get(f"/a/{token}/call")
    await gateway.client.get(f"/a/{token}/later/call.ics")
    paths = ("", "/never", "/never?sent=1", "/later", "/later?any=1&zone=Asia/Tokyo")
    pages = [Forms((await gateway.client.get(f"/a/{token}{path}")).text) for path in paths]
    switches = [(action, fields) for page in pages for action, fields in page.found if "language" in fields]
    assert [(action, set(fields)) for action, fields in switches] == [("/language", {"to", "language"})] * len(pages)
    assert [set(fields) for page in pages for _, fields in page.found if "language" not in fields] == [
        {"nonce", "subject", "region", "number"},
        {"nonce", "subject", "sip"},
        {"nonce", "subject", "text"},
        {"nonce", "subject", "reason", "text"},
        {"nonce", "subject", "address"},
        {"nonce", "subject", "code"},
        {"zone", "day"},
        {"nonce", "subject", "zone", "day", "region", "number"},
        {"zone", "day", "any"},
        {"nonce", "subject", "zone", "day", "any", "region", "number"},
    ]
    times = pages[3].choices["at"]
    assert len(times) > 10 and pages[3].choices["mail"] == ["yes"]
    reasons = pages[0].choices["reason"]
    assert "not-now" in reasons
    for action, fields in (form for page in pages for form in page.found):
        typed = {name for name, value in fields.items() if not value}
        await gateway.client.post(action, data=fields)
        for reason, at in zip(reasons, times, strict=False):
            chosen = {"reason": reason} if "reason" in fields else {}
            await gateway.client.post(action, data=fields | dict.fromkeys(typed, "yes") | chosen)
            await gateway.client.post(action, data=fields | dict.fromkeys(typed, "+33199005678") | {"at": at})
            await gateway.client.post(action, data=fields | {"at": at, "mail": "yes"})
        for nonsense in (
            "test",
            "ben@example.net",
            "test@example.com",
            "1",
            "12345",
            "+12025550123",
            "https://example.com",
            "' OR 1=1",
            "é",
        ):
            await gateway.client.post(action, data=fields | dict.fromkeys(typed, nonsense))
            await gateway.client.post(action, data=dict.fromkeys(fields, nonsense))
    assert gateway.calls.orders == []
    assert gateway.attempts(token) == 0
    assert gateway.history(token) == []
    assert gateway.store.read(lambda rows: rows_of.recent(rows, gateway.sealer)) == before
    assert gateway.notices() == []
    assert not gateway.offers.answers.suppressed(token)


async def test_the_page_says_who_and_what(gateway: Gateway) -> None:
    page = (await gateway.client.get(f"/a/{await gateway.open()}", headers=ENGLISH)).text
    plain = page.replace("\N{NO-BREAK SPACE}", " ")
    for told in (
        "Ada Lovelace offers you a call",
        "Analytical Engines",
        "We call you from +33 1 99 00 00 01.",
        "press 1",
        "Neither of you sees the other’s number.",
        "You pay nothing beyond receiving a call.",
        'type="tel"',
        'autocomplete="tel"',
    ):
        assert told in plain, told
    assert 'name="sip"' not in page


async def test_another_destination_is_named(gateway: Gateway) -> None:
    token = await gateway.open(destination_name="Support")
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "Ada Lovelace offers you a call with Support" in page
    assert "We call Support and put you through." in page


async def test_names_are_text_and_not_markup(gateway: Gateway) -> None:
    name = "<img src=x onerror=alert(1)>{organisation}\"'"
    page = (await gateway.client.get(f"/a/{await gateway.open(offeror_name=name, destination_name=name)}")).text
    assert "<img src=x" not in page
    assert "{organisation}" in page


@pytest.mark.parametrize(
    ("accept", "offer_language", "words", "country"),
    [
        ("de-AT,de;q=0.9", "en", "Ihre Telefonnummer", '<option value="AT" selected>Österreich +43'),
        ("fr", "en", "Votre numéro de téléphone", '<option value="FR" selected>France +33'),
        ("xx-DE", "fr", "Votre numéro de téléphone", '<option value="DE" selected>Allemagne +49'),
        ("", "de", "Ihre Telefonnummer", '<option value="FR" selected>Frankreich +33'),
        ("zz", "ja", "あなたの電話番号", '<option value="FR" selected>フランス +33'),
        ("zz", "xx", "Your telephone number", '<option value="FR" selected>France +33'),
    ],
)
async def test_language_and_country(
    gateway: Gateway, accept: str, offer_language: str, words: str, country: str
) -> None:
    token = await gateway.open(language=offer_language)
    answer = await gateway.client.get(f"/a/{token}", headers={"Accept-Language": accept})
    assert words in answer.text
    assert country in answer.text
    assert answer.headers["vary"] == "Accept-Language, Cookie"


async def test_only_the_countries_on_offer(make_gateway: MakeGateway) -> None:
    some = await make_gateway(countries=("FR", "DE"))
    page = (await some.client.get(f"/a/{await some.open()}")).text
    assert set(re.findall(r'<option value="(..)"', page)) == {"FR", "DE"}
    one = await make_gateway(countries=("FR",))
    page = (await one.client.get(f"/a/{await one.open()}")).text
    assert '<select id="region"' not in page
    assert '<input type="hidden" id="region" name="region" value="FR">' in page


async def test_a_forged_or_mangled_token_is_not_found(gateway: Gateway) -> None:
    token = await gateway.open()
    stranger = mint(added(None, "k", b"x" * 32).newest, offer_id="1", purpose=Purpose.ACCEPT)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for bad in (stranger, flipped, token[:-1], token + "A", token.swapcase(), "x", "%00", "é" * 36, "." * 5000):
        for method, path in product(("GET", "HEAD", "POST"), ("", "/call", "/events")):
            answer = await gateway.client.request(method, f"/a/{bad}{path}", data={"number": BEN})
            wrong_method = (method == "POST") == (path != "/call")
            expected = 303 if (method, path) in {("GET", "/call"), ("HEAD", "/call")} else 405 if wrong_method else 404
            assert answer.status_code == expected, (bad, method, path)
            assert BEN not in answer.text
    assert gateway.calls.orders == []


async def test_a_token_for_revoking_is_no_token_for_accepting(gateway: Gateway) -> None:
    token = await gateway.open()
    revoke = mint(
        added(None, "k1", b"t" * 32).newest, offer_id=gateway.offers.offer_id_of(token), purpose=Purpose.REVOKE
    )
    assert (await gateway.client.get(f"/a/{revoke}")).status_code == 404


async def test_an_authentic_token_without_an_offer_is_gone(gateway: Gateway) -> None:
    token = mint(added(None, "k1", b"t" * 32).newest, offer_id="no such offer", purpose=Purpose.ACCEPT)
    assert (await gateway.client.get(f"/a/{token}")).status_code == 410
    assert (await gateway.client.post(f"/a/{token}/call", data={"number": BEN})).status_code == 410
    assert (await gateway.client.get(f"/a/{token}/events")).status_code == 410


async def test_what_has_ended_is_gone(gateway: Gateway) -> None:
    revoked, expired = await gateway.open(), await gateway.open()
    fields = {token: await gateway.fields(token) for token in (revoked, expired)}
    await gateway.offers.revoke(gateway.offers.offer_id_of(revoked))
    gateway.clock.at += 400 * 86400
    for token, words in ((revoked, "This offer has been taken back"), (expired, "This offer has expired")):
        page = await gateway.client.get(f"/a/{token}", headers=ENGLISH)
        assert page.status_code == 410
        assert words in page.text
        assert "<form id=" not in page.text
        pressed = await gateway.client.post(f"/a/{token}/call", data=fields[token], headers=ENGLISH)
        assert pressed.status_code == 410
        assert words in pressed.text
    await gateway.offers.tick()
    assert (await gateway.client.get(f"/a/{expired}")).status_code == 410
    assert gateway.calls.orders == []


async def test_the_call_is_shown_as_it_goes_without_scripts(gateway: Gateway) -> None:
    token = await gateway.open()
    attempt_id = await gateway.accepted(token)
    titles = []

    async def look() -> str:
        page = await gateway.client.get(f"/a/{token}", headers=ENGLISH)
        assert page.status_code == 200
        [title] = re.findall(r"<h1[^>]*>(.*?)</h1>", page.text)
        titles.append(title)
        return page.text

    page = await look()
    for event in course(attempt_id, gateway.clock()):
        assert '<noscript><meta http-equiv="refresh"' in page
        assert "<form id=" not in page
        await gateway.offers.on_call_event(event)
        gateway.clock.at += 83 if isinstance(event, Bridged) else 0
        page = await look()
        if isinstance(event, Bridged):
            assert ">1:23</time>" in page
    assert titles == [
        "We are calling you",
        "Your telephone is ringing",
        "Press 1 on your telephone",
        "We are calling Ada Lovelace",
        "Ada Lovelace has picked up",
        "You are connected",
        "The call has ended",
    ]
    assert "You talked for 1 min 23 s." in page
    assert "refresh" not in page


async def test_a_lost_answer_is_shown_as_such(gateway: Gateway) -> None:
    token = await gateway.open()
    gateway.calls.answer = OutcomeUnknown("cut")
    await gateway.accepted(token)
    await gateway.offers.close()
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "We lost sight of the call" in page
    assert "<form id=" not in page


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_every_outcome_in_words(gateway: Gateway, outcome: Outcome) -> None:
    token = await gateway.open()
    await gateway.ends(token, outcome, bridged_s=12.0 if outcome is Outcome.COMPLETED else 0.0)
    for language, texts in load().items():
        page = (await gateway.client.get(f"/a/{token}", headers={"Accept-Language": language})).text
        values = {"offeror": "Ada Lovelace", "destination": "Ada Lovelace"}
        assert texts.say(f"outcome.{outcome.value}.title", **values) in page
        assert "{" not in re.sub(r"<[^>]*>", "", page)
        assert "<form id=" in page, "the offer can be tried again"


async def test_after_the_last_attempt_there_is_no_form(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(attempts=1))
    token = await gateway.open()
    await gateway.ends(token, Outcome.OFFEREE_BUSY)
    page = await gateway.client.get(f"/a/{token}", headers=ENGLISH)
    assert page.status_code == 410
    assert "Your line was busy" in page.text
    assert "This offer cannot be tried again." in page.text
    assert "<form id=" not in page.text


async def test_who_comes_back_later_begins_anew(gateway: Gateway) -> None:
    token = await gateway.open()
    await gateway.ends(token, Outcome.OFFEREE_BUSY)
    gateway.clock.at += 2 * 3600
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "offers you a call" in page
    assert "Your line was busy" not in page


async def test_no_answer_holds_a_number_of_either_party(gateway: Gateway) -> None:
    """Every page, header and event of a whole life of an offer; the gateway's own number is the only one."""
    forms = (ADA, BEN, "0199001234", "0199005678", "99 00 12 34", "99 00 56 78", BEN_PREFIX, "9900", "99.00")
    shown: list[str] = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        shown.append(f"{response.status_code} {response.headers} {response.text}")

    gateway.client.event_hooks["response"] = [keep]
    token = await gateway.open()
    pressed = await gateway.press(token)
    assert pressed.status_code == 303
    attempt_id = await gateway.placed()
    events = asyncio.create_task(gateway.client.get(f"/a/{token}/events"))
    for event in course(attempt_id, gateway.clock()):
        await gateway.client.get(f"/a/{token}")
        await asyncio.sleep(0.02)
        await gateway.offers.on_call_event(event)
    await events
    for place, outcome in enumerate(Outcome):
        again = await gateway.open()
        await gateway.press(again, number=f"{BEN_PREFIX} {place:02}")
        attempt_id = await gateway.placed(place + 2)
        await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=outcome))
        await gateway.client.get(f"/a/{again}")
    gateway_number = "+33 1 99 00 00 01"
    everything = "\n".join(shown).replace("\N{NO-BREAK SPACE}", " ").replace("\\u00a0", " ").replace(gateway_number, "")
    assert "Ada Lovelace" in everything
    for form in forms:
        assert form not in everything, form


async def test_headers(gateway: Gateway) -> None:
    token = await gateway.open()
    page = await gateway.client.get(f"/a/{token}")
    for name, value in {
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex, nofollow",
        "cache-control": "no-store",
    }.items():
        assert page.headers[name] == value
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "server" not in page.headers
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|style=|https?://(?!example)", page.text)
    for path in (f"/a/{token}/events", "/nowhere", f"/a/{'x' * 36}"):
        answer = await gateway.client.head(path)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["referrer-policy"] == "no-referrer", path


async def test_who_may_show_the_page_in_a_frame(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(frame_ancestors="'self'")
    answer = await gateway.client.get(f"/a/{await gateway.open()}")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    gateway = await make_gateway(frame_ancestors="http://127.0.0.1:9")
    answer = await gateway.client.get(f"/a/{await gateway.open()}")
    assert "x-frame-options" not in answer.headers
    assert "frame-ancestors http://127.0.0.1:9" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_is_small(make_gateway: MakeGateway, language: str) -> None:
    gateway = await make_gateway(allow_sip=True)
    page = await gateway.client.get(f"/a/{await gateway.open()}", headers={"Accept-Language": language})
    assert len(page.content) < 30_000


async def test_static_files_are_named_by_content_and_kept(gateway: Gateway) -> None:
    page = (await gateway.client.get(f"/a/{await gateway.open()}")).text
    linked = re.findall(r'(?:src|href|data-numbers)="(/static/[^"]+)"', page)
    assert {name.rpartition(".")[2] for name in linked} == {"css", "js", "svg", "json", "vcf"}
    for path in linked:
        answer = await gateway.client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await gateway.client.get("/static/page.css")).status_code == 404
    assert (await gateway.client.get("/static/..%2f..%2fsetup.py")).status_code == 404


async def test_a_path_before_ours(make_gateway: MakeGateway) -> None:
    """Behind a proxy that takes /calls off, every link has it."""
    gateway = await make_gateway(public_url="https://example.org/calls/")
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    for attribute in ("href", "src", "action", "data-events", "data-page", "data-numbers"):
        for path in re.findall(rf'{attribute}="([^"]+)"', page):
            assert path.startswith("/calls/"), path
    assert (await gateway.press(token)).headers["location"] == f"/calls/a/{token}"


async def test_the_icon_for_messages_that_load_it_is_the_same_for_everybody(gateway: Gateway) -> None:
    answer = await gateway.client.get("/icon.png")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert (await gateway.client.get("/icon.png?for=ben")).content == answer.content
    assert "set-cookie" not in answer.headers


async def test_head_has_no_body(gateway: Gateway) -> None:
    for path in (f"/a/{await gateway.open()}", "/healthz", "/nowhere", "/a/x"):
        got, asked = await gateway.client.get(path), await gateway.client.head(path)
        assert asked.status_code == got.status_code
        assert asked.content == b""
        assert asked.headers["content-length"] == str(len(got.content))


async def test_plain_pages(gateway: Gateway) -> None:
    nowhere = await gateway.client.get("/nowhere", headers={"Accept-Language": "de"})
    assert nowhere.status_code == 404
    assert "Hier ist nichts" in nowhere.text
    for path in ("/docs", "/openapi.json", "/redoc", "/favicon.ico", "/"):
        assert (await gateway.client.get(path)).status_code == 404, path
    assert (await gateway.client.delete(f"/a/{await gateway.open()}")).status_code == 405
    assert (await gateway.client.get("/healthz")).text == "ok\n"


async def test_a_sip_offeree_is_told_the_same(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    await gateway.offers.accept(token, Channel(Kind.SIP, "ben@sip.example"))
    assert "sip.example" not in (await gateway.client.get(f"/a/{token}")).text
