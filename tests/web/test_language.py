"""The switch of languages: a form and a cookie, on every page; and what runs from right to left."""

from __future__ import annotations

import json

import httpx
import pytest
from playwright.async_api import Browser, expect
from web_gateway import Gateway, MakeGateway

from mailgate.calls.model import Channel, Kind
from mailgate.languages import LANGUAGES
from mailgate.web.texts import load

TEXTS = load()


async def switch(client: httpx.AsyncClient, language: str, to: str) -> httpx.Response:
    return await client.post("/language", data={"language": language, "to": to}, headers={"Accept-Language": "en"})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_was_chosen_stays(gateway: Gateway, language: str) -> None:
    token = await gateway.open()
    answer = await switch(gateway.client, language, f"/a/{token}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}")
    said = TEXTS[language]
    for path in (f"/a/{token}", f"/a/{token}/never", "/my", "/nowhere"):
        page = (await gateway.client.get(path, headers={"Accept-Language": "de-AT,fr"})).text
        assert f'<html lang="{language}" dir="{said.direction}">' in page, path
        if path != "/nowhere":
            assert f'<input type="hidden" name="to" value="{path}">' in page
            assert f'lang="{language}" dir="{said.direction}" aria-current="true">{said.say("name")}</button>' in page
    # the country still comes from the browser
    assert (
        '<option value="AT" selected>'
        in (await gateway.client.get(f"/a/{token}", headers={"Accept-Language": "de-AT,fr"})).text
    )


async def test_it_is_spoken_by_the_live_stream_too(gateway: Gateway) -> None:
    token = await gateway.open()
    await switch(gateway.client, "es", f"/a/{token}")
    await gateway.offers.accept(token, Channel(Kind.TEL, "+33199005678"))
    async with gateway.client.stream("GET", f"/a/{token}/events", headers={"Accept-Language": "en"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                assert json.loads(line.removeprefix("data:"))["title"] == TEXTS["es"].say("state.placing.title")
                break


async def test_looking_sets_no_cookie_and_the_cookie_is_kept_from_scripts(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(public_url="https://example.org/calls")
    token = await gateway.open()
    for path in (f"/a/{token}", "/my", "/language"):
        assert "set-cookie" not in (await gateway.client.get(path)).headers
    answer = await switch(gateway.client, "nl", f"/calls/a/{token}")
    assert answer.headers["location"] == f"/calls/a/{token}"
    kept = answer.headers["set-cookie"].lower()
    assert kept.startswith("mailgate_language=nl;")
    assert {"httponly", "secure", "samesite=lax", "path=/calls/"} <= set(kept.split("; "))


@pytest.mark.parametrize(
    "to",
    [
        "",
        "https://evil.example/a/x",
        "//evil.example/a/x",
        "/\\evil.example",
        "/a/../../x",
        "/a/x?y",
        "/a/x\r\nX: y",
        "/static/x",
        "/my/in/x/y/z/w",
        "javascript:x",
    ],
)
async def test_it_leads_nowhere_else(gateway: Gateway, to: str) -> None:
    answer = await switch(gateway.client, "de", to)
    assert (answer.status_code, answer.headers["location"]) == (303, "/my")


@pytest.mark.parametrize("language", ["", "xx", "EN", "en;x", "e" * 5000])
async def test_a_language_that_there_is_not_changes_nothing(gateway: Gateway, language: str) -> None:
    answer = await switch(gateway.client, language, "/my")
    assert answer.status_code == 303 and "set-cookie" not in answer.headers
    page = await gateway.client.get("/my", headers={"Cookie": f"mailgate_language={language[:20]}"})
    assert '<html lang="en"' in page.text


@pytest.mark.parametrize("scripts", [True, False])
async def test_in_a_browser(gateway: Gateway, chromium: Browser, scripts: bool) -> None:
    """Chosen on the page by keyboard; what was typed already is there again where there are scripts."""
    token = await gateway.open()
    context = await chromium.new_context(locale="en-GB", java_script_enabled=scripts)
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{token}")
    await page.locator("#number").fill("01 99 00 56")
    await page.get_by_text("Language: English").press("Enter")
    await page.get_by_role("button", name="Italiano").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace Le propone una telefonata")
    await expect(page.locator("#number")).to_have_value("01 99 00 56" if scripts else "")
    await page.goto(f"{gateway.url}/my")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Le Sue offerte di telefonate")
    assert gateway.history(token) == []
    await context.close()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_numbers_read_from_left_to_right_everywhere(gateway: Gateway, chromium: Browser, language: str) -> None:
    """On the screen each character of the gateway's number stands to the right of the one before it."""
    token = await gateway.open()
    context = await chromium.new_context(locale=language)
    page = await context.new_page()
    for state in ("offer", "placing"):
        if state == "placing":
            await gateway.press(token)
        await page.goto(f"{gateway.url}/a/{token}")
        found = await page.evaluate(
            """() => {
              const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
              const found = [];
              for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.data.indexOf("+33\\u00a01");
                if (at < 0 || !node.parentElement.checkVisibility() || node.parentElement.closest("select")) continue;
                const lefts = [];
                for (let i = at; i < at + 17; i++) {
                  const range = document.createRange();
                  range.setStart(node, i);
                  range.setEnd(node, i + 1);
                  lefts.push(range.getBoundingClientRect().left);
                }
                found.push(lefts);
              }
              return found;
            }"""
        )
        assert len(found) >= (2 if state == "offer" else 1)
        assert all(lefts == sorted(lefts) for lefts in found), state
    await context.close()
