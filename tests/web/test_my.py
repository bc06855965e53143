"""The offeror's own pages: signed in by link and proof, one's own offers and nobody else's, forms of one's own only."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import httpx
import pytest
from playwright.async_api import Browser, expect
from test_states import DESK, NARROWEST, layout, violations
from web_gateway import ADA, BEN, EVE, Gateway, MakeGateway

from mailgate.calls.model import Channel, Kind, Outcome
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.own import LINK_S, MOST_LINKS, PROOF_TRIES, SESSION_S
from mailgate.offers.service import Rules
from mailgate.offers.table import State

ENGLISH = {"Accept-Language": "en"}


async def ask(gateway: Gateway, address: str = "ada@example.org") -> str:
    """Ask for a link; the path that was mailed, empty where none was."""
    before = {n.notice_id for n in gateway.notices()}
    answer = await gateway.client.post("/my/link", data={"address": address, "subject": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, "/my?asked=1")
    mailed = [n for n in gateway.notices() if n.notice_id not in before]
    assert all(n.kind is NoticeKind.SIGN_IN and n.address == address.lower() for n in mailed)
    return f"/my/in/{mailed[0].values['secret']}" if mailed else ""


async def signed_in(gateway: Gateway) -> httpx.Response:
    """Sign in, in the browser that asked; the list."""
    link = await ask(gateway)
    assert (await gateway.client.post(link, data={})).status_code == 303
    return await gateway.client.get("/my", headers=ENGLISH)


def key_of(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([0-9a-f]{32})"', page.text)
    assert found is not None, page.text
    return found[1]


def plain(page: httpx.Response) -> str:
    """The words that a page shows."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


async def test_signing_in_with_the_browser_that_asked(gateway: Gateway) -> None:
    gateway.account()
    link = await ask(gateway, "Ada@Example.org")
    shown = await gateway.client.get("/my?asked=1", headers=ENGLISH)
    assert gateway.client.cookies["mailgate_proof"] in shown.text
    assert 'name="proof"' not in (await gateway.client.get(link)).text
    answer = await gateway.client.post(link, data={})
    assert (answer.status_code, answer.headers["location"]) == (303, "/my")
    [cookie] = [c for c in answer.headers.get_list("set-cookie") if c.startswith("mailgate_session=")]
    for attribute in ("HttpOnly", "SameSite=lax", "Path=/my", f"Max-Age={int(SESSION_S)}"):
        assert attribute in cookie
    assert "Secure" not in cookie, "this gateway is on plain HTTP"
    assert "Ada Lovelace · ada@example.org" in plain(await gateway.client.get("/my"))


async def test_the_cookie_is_secure_behind_tls_and_bound_to_our_path(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(public_url="https://example.org/calls")
    gateway.account()
    answer = await gateway.client.post("/my/link", data={"address": "ada@example.org"})
    assert answer.headers["location"] == "/calls/my?asked=1"
    assert "Secure" in answer.headers["set-cookie"] and "Path=/calls/my" in answer.headers["set-cookie"]


async def test_a_mail_scanner_that_presses_the_button_does_nothing(gateway: Gateway) -> None:
    """It has the link, and neither the asking browser's cookie nor the number that was shown there."""
    gateway.account()
    link = await ask(gateway)
    async with httpx.AsyncClient(base_url=gateway.url) as scanner:
        for _ in range(10):
            page = await scanner.get(link)
            assert page.status_code == 200 and 'name="proof"' in page.text
            await scanner.head(link)
            assert (await scanner.post(link, data={})).status_code == 422
            assert (await scanner.post(link, data={"proof": "test"})).status_code == 422
        assert "set-cookie" not in page.headers and not scanner.cookies
    assert (await gateway.client.post(link, data={})).status_code == 303, "the link is as good as new"


async def test_the_link_opened_elsewhere_takes_the_number_that_was_shown(gateway: Gateway) -> None:
    gateway.account()
    link = await ask(gateway)
    proof = gateway.client.cookies["mailgate_proof"]
    async with httpx.AsyncClient(base_url=gateway.url) as phone:
        assert (await phone.post(link, data={"proof": f" {proof} "})).status_code == 303
        assert "ada@example.org" in (await phone.get("/my")).text


async def test_a_link_is_good_once_and_for_a_while(gateway: Gateway) -> None:
    gateway.account()
    link = await ask(gateway)
    proof = gateway.client.cookies["mailgate_proof"]
    assert (await gateway.client.post(link, data={"proof": proof})).status_code == 303
    assert (await gateway.client.post(link, data={"proof": proof})).status_code == 422
    late = await ask(gateway)
    proof = gateway.client.cookies["mailgate_proof"]
    gateway.clock.at += LINK_S
    assert (await gateway.client.post(late, data={"proof": proof})).status_code == 422


async def test_the_number_is_guessed_a_few_times_only(gateway: Gateway) -> None:
    gateway.account()
    link = await ask(gateway)
    proof = gateway.client.cookies["mailgate_proof"]
    for n in range(1, PROOF_TRIES + 1):
        wrong = f"{(int(proof) + n) % 1_000_000:06}"
        assert (await gateway.client.post(link, data={"proof": wrong})).status_code == 422
    assert (await gateway.client.post(link, data={"proof": proof})).status_code == 422


async def test_another_askers_number_does_not_fit(gateway: Gateway) -> None:
    """Somebody asks in Ada's name; Ada, who has asked too, opens the wrong one of two links."""
    gateway.account()
    mine = await ask(gateway)
    proof = gateway.client.cookies["mailgate_proof"]
    async with httpx.AsyncClient(base_url=gateway.url) as eve:
        while eve.cookies.get("mailgate_proof", proof) == proof:
            await eve.post("/my/link", data={"address": "ada@example.org"})
        assert (await eve.post(mine, data={})).status_code == 422
    assert (await gateway.client.post(mine, data={})).status_code == 303


async def test_an_address_of_no_account_gets_the_same_answer_and_no_mail(gateway: Gateway) -> None:
    gateway.account()
    assert await ask(gateway, "eve@example.org") == ""
    shown = await gateway.client.get("/my?asked=1", headers=ENGLISH)
    assert gateway.client.cookies["mailgate_proof"] in shown.text
    assert (await gateway.client.post("/my/link", data={"address": "ada"})).status_code == 422
    trapped = await gateway.client.post("/my/link", data={"address": "ada@example.org", "subject": "x"})
    assert trapped.status_code == 422 and gateway.notices() == []


async def test_links_are_mailed_seldom(gateway: Gateway) -> None:
    gateway.account()
    links = [await ask(gateway) for _ in range(MOST_LINKS + 2)]
    assert sum(link != "" for link in links) == MOST_LINKS
    gateway.clock.at += 3601
    assert await ask(gateway) != ""


async def test_a_session_ends_by_time_and_by_signing_out(gateway: Gateway) -> None:
    gateway.account()
    page = await signed_in(gateway)
    session = gateway.client.cookies["mailgate_session"]
    assert (await gateway.client.post("/my/out", data={"key": key_of(page)})).status_code == 303
    assert "mailgate_session" not in gateway.client.cookies
    stolen = {"Cookie": f"mailgate_session={session}"}
    assert "ada@example.org" not in (await gateway.client.get("/my", headers=stolen)).text
    assert "ada@example.org" in (await signed_in(gateway)).text
    gateway.clock.at += SESSION_S
    assert "ada@example.org" not in (await gateway.client.get("/my")).text


async def test_the_list_tells_what_became_of_each_offer(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(uses=1, attempts=5))
    gateway.account()
    for name in ("sent", "declined", "answered", "missed", "called", "tried", "revoked", "looked"):
        token = await gateway.open(offeree_address=f"{name}@example.net")
        match name:
            case "declined":
                await gateway.answer(token, "decline", reason="by-mail", text="<b>No</b> voice.\r\nSorry.")
            case "answered":
                await gateway.answer(token, "reply", text="Tomorrow?")
            case "missed":
                await gateway.ends(token, Outcome.DESTINATION_NO_ANSWER)
            case "called":
                await gateway.ends(token, Outcome.COMPLETED, bridged_s=83)
            case "tried":
                await gateway.ends(token, Outcome.NO_KEY)
            case "revoked":
                await gateway.offers.revoke(gateway.offers.offer_id_of(token))
            case "looked":
                await gateway.client.get(f"/a/{token}")
        gateway.clock.at += 60
    await gateway.open(account_id="b", offeree_address="secret@example.net")
    page = await signed_in(gateway)
    shown = {
        re.findall(r"<h2[^>]*>(.*?)@", part)[0]: plain(
            httpx.Response(200, text=f"<p {part.partition('</article>')[0]}")
        )
        for part in page.text.split('<article class="card mine"')[1:]
    }
    assert list(shown) == ["looked", "revoked", "tried", "called", "missed", "answered", "declined", "sent"]
    assert " Declined " in shown["declined"] and "would rather write <b>No</b> voice. Sorry." in shown["declined"]
    assert "<b>No</b>" not in page.text
    assert " Sent " in shown["answered"] and "Tomorrow?" in shown["answered"]
    assert "did not get through to Ada Lovelace" in shown["missed"]
    assert " Called " in shown["called"] and "You talked for 1 min 23 s" in shown["called"]
    assert "their own telephone was not reached" in shown["tried"]
    assert " Taken back " in shown["revoked"] and "Take the offer back" not in shown["revoked"]
    unread, read = (
        re.sub(r"[0-9]+:[0-9]+:[0-9]+|\S+@\S+|\bo[0-9]+\b|\S*\d\S*", "", shown[n]) for n in ("sent", "looked")
    )
    assert unread == read, "no reading receipts"
    for number in (ADA, BEN, EVE, "99 00 12 34"):
        assert number not in page.text


async def test_taking_back(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    page = await signed_in(gateway)
    fields = {"key": key_of(page), "offer": gateway.offers.offer_id_of(token)}
    for _ in range(2):
        assert (await gateway.client.post("/my/revoke", data=fields)).status_code == 303
    assert gateway.offers.look(token).state is State.REVOKED
    assert gateway.history(token) == ["revoked"]


async def test_leading_the_call_elsewhere(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    page = await signed_in(gateway)
    assert '<option value="support">Support</option>' in page.text
    fields = {"key": key_of(page), "offer": gateway.offers.offer_id_of(token)}
    assert (await gateway.client.post("/my/redirect", data=fields)).status_code == 404, "as served: nowhere"
    assert (await gateway.client.post("/my/redirect", data=fields | {"destination": "support"})).status_code == 303
    assert "offers you a call with Support" in (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    await gateway.press(token)
    await gateway.placed()
    assert gateway.calls.orders[0].leg2 == Channel(Kind.TEL, EVE)
    before = gateway.offers.look(token)
    assert (await gateway.client.post("/my/redirect", data=fields | {"destination": "default"})).status_code == 303
    assert gateway.offers.look(token) == before, "not while a call is under way"


async def test_anothers_offer_is_left_alone(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open(account_id="b")
    fields = {"key": key_of(await signed_in(gateway)), "offer": gateway.offers.offer_id_of(token)}
    for path, more in (("revoke", {}), ("redirect", {"destination": "support"})):
        assert (await gateway.client.post(f"/my/{path}", data=fields | more)).status_code == 404
    assert gateway.history(token) == []


async def test_do_not_disturb(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    page = await signed_in(gateway)
    for quiet, words, status in (("on", "You are not disturbed", 409), ("off", "You can be reached", 303)):
        await gateway.client.post("/my/quiet", data={"key": key_of(page), "quiet": quiet})
        assert words in (await gateway.client.get("/my", headers=ENGLISH)).text
        assert (await gateway.press(token)).status_code == status
    assert gateway.attempts(token) == 1


@pytest.mark.parametrize("path", ["revoke", "redirect", "quiet", "out"])
async def test_a_form_of_somebody_elses_making_does_nothing(gateway: Gateway, path: str) -> None:
    account = gateway.account()
    token = await gateway.open()
    page = await signed_in(gateway)
    fields = {"offer": gateway.offers.offer_id_of(token), "destination": "support", "quiet": "on"}
    for key in ("", "x", "é", "0" * 32):
        assert (await gateway.client.post(f"/my/{path}", data=fields | {"key": key})).status_code == 403
    good = fields | {"key": key_of(page)}
    for site in ("cross-site", "same-site"):
        answer = await gateway.client.post(f"/my/{path}", data=good, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    async with httpx.AsyncClient(base_url=gateway.url) as stranger:
        assert (await stranger.post(f"/my/{path}", data=good)).headers["location"] == "/my"
        assert (await stranger.get(f"/my/{path}")).headers["location"] == "/my"
    assert gateway.history(token) == []
    assert gateway.offers.look(token).may_accept
    session = gateway.client.cookies["mailgate_session"]
    assert replace(account, created_at=0.0) == gateway.own.account(session), "unchanged, and still signed in"


async def test_the_store_holds_no_secret_of_a_session(gateway: Gateway) -> None:
    gateway.account()
    link = await ask(gateway)
    await gateway.client.post(link, data={})
    secret, session = link.removeprefix("/my/in/"), gateway.client.cookies["mailgate_session"]
    content = b"".join(p.read_bytes() for p in gateway.store.path.parent.iterdir() if p.is_file())
    assert b"sign-in" in content and secret.encode() not in content and session.encode() not in content


@pytest.mark.parametrize("language", ["en", "de", "ja"])
async def test_in_a_browser_everybody_can_use_it(gateway: Gateway, chromium: Browser, axe: str, language: str) -> None:
    gateway.account()
    for number in range(3):
        token = await gateway.open(offeree_address=f"ben.with.a.long.name.{number}@a-long-domain.example.net")
        await gateway.answer(token, "decline", reason="by-mail", text="I hear badly. " * 20)
        await gateway.answer(token, "reply", text="Supercalifragilisticexpialidocious" * 5)
    context = await chromium.new_context(viewport=NARROWEST, locale=language, reduced_motion="reduce")
    page = await context.new_page()

    async def fine(what: str) -> None:
        for viewport, colours in ((NARROWEST, "light"), (DESK, "dark")):
            await page.set_viewport_size(viewport)
            await page.emulate_media(color_scheme=colours)
            assert await violations(page, axe) == [], (what, colours)
            assert await layout(page) == []

    await page.goto(f"{gateway.url}/my")
    await page.locator("#ask button").click()
    await expect(page.locator("#ask-error")).to_be_visible()
    await fine("ask")
    await page.locator("#address-field").fill("ada@example.org")
    await page.locator("#ask button").click()
    await expect(page.locator(".proof")).to_be_visible()
    await fine("asked")
    await page.goto(f"{gateway.url}/my/in/{'x' * 32}")
    await page.locator("#door button").click()
    await expect(page.locator("#proof-error")).to_be_visible()
    await fine("door")
    secret = gateway.notices()[-1].values["secret"]
    await page.goto(f"{gateway.url}/my/in/{secret}")
    await page.locator("#door button").click()
    await expect(page.locator(".mine")).to_have_count(3)
    for summary in await page.locator(".mine summary").all():
        await summary.click()
    await fine("list")
    await page.locator("#quiet-form button").click()
    await page.locator("#out button").click()
    await expect(page.locator("#ask")).to_be_visible()
    await context.close()
