"""The press of who talks from the page: what it takes, what it gives, and what the page looks like for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from lab.browser import chromium as chromium_with
from lab.browser import with_voice
from playwright.async_api import Browser, expect
from test_browser import page_of
from test_states import DESK, NARROWEST, layout, violations
from web_gateway import ADA, Gateway, MakeGateway, nonce_of

from mailgate.calls.model import Answered, Ended, Kind, Outcome
from mailgate.offers.service import Rules
from mailgate.web.settings import TalkSettings
from mailgate.web.talk import TURN_TTL_S, ice_servers, proof_of

TALK = TalkSettings(asterisk="127.0.0.1:9")


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> Gateway:
    return await make_gateway(talk=TALK, rules=Rules(uses=3, pin_digits=6))


async def press(gateway: Gateway, token: str, **changes: str) -> httpx.Response:
    nonce = nonce_of((await gateway.client.get(f"/a/{token}")).text)
    fields = {"nonce": nonce, "proof": proof_of(nonce)} | changes
    return await gateway.client.post(f"/a/{token}/talk", data=fields)


async def test_a_press_gets_a_nonce_that_its_order_waits_for(gateway: Gateway) -> None:
    token = await gateway.open()
    answer = await press(gateway, token)
    assert answer.status_code == 200
    given: dict[str, Any] = answer.json()
    [order] = gateway.calls.orders  # there before the page is answered
    assert order.leg1.kind is Kind.BROWSER
    assert given == {
        "call": f"call{order.leg1.address}",
        "socket": f"/a/{token}/sip?call={order.leg1.address}",
        "ice": [],
    }
    assert re.fullmatch("[0-9a-f]{32}", order.leg1.address)
    assert gateway.offers.talking(token, order.leg1.address) == order.attempt_id
    assert gateway.offers.talking(token, "0" * 32) is None
    assert (await gateway.client.post(f"/a/{token}/talk", data={"nonce": "x"})).status_code == 409
    assert len(gateway.calls.orders) == 1


@pytest.mark.parametrize(
    "fields", [{"proof": ""}, {"proof": "0" * 64}, {"nonce": ""}, {"nonce": "x.y"}, {"proof": "é"}]
)
async def test_without_nonce_or_proof_nothing_happens(gateway: Gateway, fields: dict[str, str]) -> None:
    token = await gateway.open()
    answer = await press(gateway, token, **fields)
    assert answer.status_code == 403 and answer.json()["say"]
    assert not gateway.calls.orders and gateway.history(token) == []


async def test_the_page_as_served_holds_no_proof(gateway: Gateway) -> None:
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    assert proof_of(nonce_of(page)) not in page
    fields = dict(re.findall(r'<input[^>]* name="([a-z]+)"[^>]* value="([^"]*)"', page))
    for nonce in set(re.findall(r'name="nonce" value="([^"]+)"', page)):  # each form's own
        assert (await gateway.client.post(f"/a/{token}/talk", data=fields | {"nonce": nonce})).status_code in (403, 409)
    assert not gateway.calls.orders and gateway.history(token) == []


async def test_a_link_that_leads_nowhere(gateway: Gateway) -> None:
    token = await gateway.open()
    offer_id = gateway.offers.offer_id_of(token)
    assert (await gateway.client.post(f"/a/{token[:-1]}A/talk")).status_code in (404, 403)
    assert (await gateway.client.get(f"/a/{token}/talk")).status_code == 405
    await gateway.offers.revoke(offer_id)
    assert (await gateway.client.post(f"/a/{token}/talk")).status_code == 410


async def test_the_microphone_is_for_this_page_alone(gateway: Gateway, make_gateway: MakeGateway) -> None:
    token = await gateway.open()
    ours = (await gateway.client.get(f"/a/{token}")).headers
    assert "microphone=(self)" in ours["permissions-policy"]
    assert "connect-src 'self' ws://127.0.0.1;" in ours["content-security-policy"]
    assert len(ours.get_list("content-security-policy")) == 1
    assert "microphone=()" in (await gateway.client.get("/a/x")).headers["permissions-policy"]
    silent = await make_gateway()
    token = await silent.open()
    answer = await silent.client.get(f"/a/{token}")
    assert "microphone=()" in answer.headers["permissions-policy"]
    assert "talk-" not in answer.text and 'class="pin"' not in answer.text
    assert (await silent.client.post(f"/a/{token}/talk")).status_code == 404


async def test_without_scripts_the_page_does_not_offer_it(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token, java_script_enabled=False) as page:
        await expect(page.get_by_role("button", name="Talk from this page")).to_have_count(0)
        await expect(page.get_by_role("button", name="Call me now")).to_be_visible()
    async with page_of(chromium, gateway, token) as page:
        await expect(page.get_by_role("button", name="Talk from this page")).to_be_visible()


async def test_a_microphone_that_is_not_allowed(gateway: Gateway, chromium: Browser, axe: str) -> None:
    token = await gateway.open()
    async with page_of(chromium, gateway, token) as page:
        await page.get_by_role("button", name="Talk from this page").click()
        await expect(page.locator("#talk-say")).to_have_text(re.compile("not allowed|No microphone"))
        assert await violations(page, axe) == []
        assert await layout(page) == []
        await page.get_by_role("button", name="Not now").click()
        await expect(page.get_by_role("button", name="Talk from this page")).to_be_visible()
    assert not gateway.calls.orders


async def test_everybody_can_try_the_microphone(gateway: Gateway, axe: str, tmp_path: Path) -> None:
    token = await gateway.open()
    async with chromium_with(*with_voice(530, tmp_path)) as browser, page_of(browser, gateway, token) as page:
        await page.get_by_role("button", name="Talk from this page").click()
        await expect(page.get_by_role("button", name="Call Ada Lovelace now")).to_be_visible()
        await expect(page.locator("#talk-device option")).not_to_have_count(0)
        await page.wait_for_function("() => document.getElementById('talk-level').value > 0.3")
        for viewport, colours in ((NARROWEST, "light"), (DESK, "dark")):
            await page.set_viewport_size(viewport)
            await page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            assert await violations(page, axe) == []
            assert await layout(page) == []
    assert not gateway.calls.orders  # the test of a microphone calls nobody


async def test_the_pin_is_shown_and_the_number_is_not(gateway: Gateway) -> None:
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    digits = gateway.offers.look(token).pin
    assert f">{digits[:3]} {digits[3:]}<" in page
    assert "+33 1 99 00 00 01" in page.replace("\u00a0", " ")
    assert ADA[3:] not in page


async def test_the_story_of_a_call_from_the_page(gateway: Gateway) -> None:
    token = await gateway.open()
    await press(gateway, token)
    [order] = gateway.calls.orders
    assert "We are connecting you" in (await gateway.client.get(f"/a/{token}")).text
    await gateway.offers.on_call_event(Answered(attempt_id=order.attempt_id, leg=1))
    page = (await gateway.client.get(f"/a/{token}")).text
    assert "We are connecting you" in page and "Press 1" not in page and "Keep this page open" in page
    await gateway.offers.on_call_event(Ended(attempt_id=order.attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER))
    assert "Your browser did not come through" in (await gateway.client.get(f"/a/{token}")).text


def test_credentials_for_turn_are_good_for_a_while() -> None:
    settings = TalkSettings(
        asterisk="127.0.0.1:9", ice_servers=("stun:s.example:3478", "turn:t.example:3478"), turn_secret="shared"
    )
    stun, turn = ice_servers(settings, 1000.0)
    assert stun == {"urls": "stun:s.example:3478"}
    assert turn["username"] == str(1000 + TURN_TTL_S)
    digest = hmac.digest(b"shared", turn["username"].encode(), hashlib.sha1)
    assert base64.b64decode(turn["credential"]) == digest
    assert "shared" not in json.dumps(turn) + repr(settings)
