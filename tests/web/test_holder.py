"""Offers that are passed on: whose they are to take up, what the page says to others, and the code that helps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from web_gateway import ADA, EVE, Gateway, MakeGateway, nonce_of

from mailgate.accounts.model import Destination
from mailgate.calls.model import Channel, Ended, Kind, Outcome
from mailgate.offers.codes import CODE_TRIES
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.service import Rules
from mailgate.offers.table import State
from mailgate.web.texts import load

ENGLISH = {"Accept-Language": "en"}
OTHER = "01 99 00 77 77"


@pytest.fixture
async def eve(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Another browser."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
        yield client


async def press(client: httpx.AsyncClient, token: str, number: str = "01 99 00 56 78") -> httpx.Response:
    page = (await client.get(f"/a/{token}")).text
    fields = {"nonce": nonce_of(page), "subject": "", "region": "FR", "number": number}
    return await client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)


async def prove(client: httpx.AsyncClient, token: str, what: str, **typed: str) -> httpx.Response:
    """What a person sends by the forms of the page about the holder: `holder` or `holder/code`."""
    page = (await client.get(f"/a/{token}/holder")).text
    fields = {"nonce": nonce_of(page, "/holder"), "subject": "", **typed}
    return await client.post(f"/a/{token}/{what}", data=fields, headers=ENGLISH)


async def taken(gateway: Gateway) -> str:
    """An offer that was taken up from the gateway's usual client, and is open again."""
    token = await gateway.open()
    assert (await press(gateway.client, token)).status_code == 303
    await busy(gateway)
    return token


async def busy(gateway: Gateway) -> None:
    attempt_id = await gateway.placed(len(gateway.calls.orders) or 1)
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_BUSY))


async def test_looking_sets_no_cookie_and_a_press_sets_one_that_scripts_cannot_read(gateway: Gateway) -> None:
    token = await gateway.open()
    assert "set-cookie" not in (await gateway.client.get(f"/a/{token}")).headers
    cookie = (await press(gateway.client, token)).headers["set-cookie"].lower()
    assert cookie.startswith("mailgate_browser=") and "httponly" in cookie and "samesite=lax" in cookie
    assert "path=/a" in cookie


async def test_who_took_it_up_may_try_again_with_any_telephone(gateway: Gateway) -> None:
    token = await taken(gateway)
    assert (await press(gateway.client, token, OTHER)).status_code == 303
    await gateway.placed(2)
    assert gateway.calls.orders[1].leg1.address == "+33199007777"


@pytest.mark.parametrize("language", sorted(load()))
async def test_another_browser_is_told_so_and_how_to_go_on(
    gateway: Gateway, eve: httpx.AsyncClient, language: str
) -> None:
    token = await taken(gateway)
    page = (await eve.get(f"/a/{token}", headers={"Accept-Language": language})).text
    texts = load()[language]
    assert texts.say("barred.stranger") in page.replace("&#39;", "'")
    assert f'href="/a/{token}/holder"' in page
    mine = (await gateway.client.get(f"/a/{token}", headers={"Accept-Language": language})).text
    assert texts.say("barred.stranger_title") not in mine


async def test_another_browser_with_another_telephone_rings_nobody(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    answer = await press(eve, token, OTHER)
    assert answer.status_code == 409
    assert "nobody was called" in answer.text and f'href="/a/{token}/holder"' in answer.text
    assert gateway.attempts(token) == 1


async def test_another_browser_with_the_same_telephone_may(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    assert (await press(eve, token, "+33 1 99 00 56 78")).status_code == 303
    assert gateway.attempts(token) == 2


async def test_a_mailed_code_lets_another_browser_in(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    answer = await prove(eve, token, "holder", address=" Ben@Example.net ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}/holder?sent=1")
    [notice] = gateway.notices()
    assert (notice.kind, notice.address) == (NoticeKind.HOLDER_CODE, "ben@example.net")
    wrong = await prove(eve, token, "holder/code", code="000000")
    assert wrong.status_code == 422 and "set-cookie" not in wrong.headers
    done = await prove(eve, token, "holder/code", code=notice.values["code"])
    assert (done.status_code, done.headers["location"]) == (303, f"/a/{token}")
    assert gateway.history(token)[-1] == "proven"
    assert (await press(eve, token, OTHER)).status_code == 303
    await gateway.placed(2)
    again = await prove_directly(eve, token, notice.values["code"])
    assert again.status_code in (403, 422)  # good once


async def prove_directly(client: httpx.AsyncClient, token: str, code: str) -> httpx.Response:
    page = (await client.get(f"/a/{token}/never")).text
    fields = {"nonce": nonce_of(page, "/never"), "subject": "", "code": code}
    return await client.post(f"/a/{token}/holder/code", data=fields, headers=ENGLISH)


async def test_the_code_is_mailed_to_nobody_else_and_the_answer_does_not_tell(
    gateway: Gateway, eve: httpx.AsyncClient
) -> None:
    token = await taken(gateway)
    for address in ("eve@example.com", "ben@example.net"):
        answer = await prove(eve, token, "holder", address=address)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}/holder?sent=1")
    assert [notice.address for notice in gateway.notices()] == ["ben@example.net"]


async def test_codes_are_not_guessed_and_not_poured_out(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    for _ in range(3):
        await prove(eve, token, "holder", address="ben@example.net")
    [notice] = gateway.notices()
    right = notice.values["code"]
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(CODE_TRIES):
        assert (await prove(eve, token, "holder/code", code=wrong)).status_code == 422
    assert (await prove(eve, token, "holder/code", code=right)).status_code == 422
    gateway.clock.at += 3600
    await prove(eve, token, "holder", address="ben@example.net")
    assert len(gateway.notices()) == 2


async def test_forms_as_served_mail_nothing(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    assert (await prove(eve, token, "holder")).status_code == 422
    assert (await prove(eve, token, "holder", address="ben@example.net", subject="x")).status_code == 403
    assert (await eve.post(f"/a/{token}/holder", data={"address": "ben@example.net"})).status_code == 403
    assert gateway.notices() == []


async def test_a_forged_cookie_is_no_cookie(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await taken(gateway)
    mine = gateway.client.cookies["mailgate_browser"]
    text, _, signature = mine.partition(".")
    for forged in (f"{'0' * 32}.{signature}", text, mine[:-1], "x" * 300):
        answer = await eve.get(f"/a/{token}", headers=ENGLISH | {"Cookie": f"mailgate_browser={forged}"})
        assert "taken up from another browser" in answer.text
    answer = await eve.get(f"/a/{token}", headers=ENGLISH | {"Cookie": f"mailgate_browser={mine}"})
    assert "taken up from another browser" not in answer.text


async def test_two_browsers_at_once_make_one_call_and_one_holder(gateway: Gateway, eve: httpx.AsyncClient) -> None:
    token = await gateway.open()
    await asyncio.gather(press(gateway.client, token), press(eve, token, OTHER), return_exceptions=True)
    await busy(gateway)
    assert gateway.attempts(token) == 1
    answers = [(await client.get(f"/a/{token}", headers=ENGLISH)).text for client in (gateway.client, eve)]
    assert sum("taken up from another browser" in text for text in answers) == 1


async def test_verify_shows_no_form_and_no_pin_before_the_code(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6, forwarding=Forwarding.VERIFY))
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert 'id="number"' not in page and 'class="pin"' not in page and 'id="reply"' in page
    assert gateway.offers.look(token).pin not in page.replace(" ", "")
    await prove(gateway.client, token, "holder", address="ben@example.net")
    [notice] = gateway.notices()
    await prove(gateway.client, token, "holder/code", code=notice.values["code"])
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert 'id="number"' in page and 'class="pin"' in page
    assert (await gateway.client.get(f"/a/{token}/holder")).status_code == 303  # nothing to prove any more
    assert (await press(gateway.client, token)).status_code == 303


async def test_verify_takes_no_press_without_the_code(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(forwarding=Forwarding.VERIFY))
    token = await gateway.open()
    nonce = gateway.app.state.nonces.make(token, 0)
    fields = {"nonce": nonce, "subject": "", "region": "FR", "number": OTHER}
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    assert answer.status_code == 409 and "mail a code" in answer.text
    assert gateway.attempts(token) == 0


async def test_the_bearer_may(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(forwarding=Forwarding.BEARER))
    token = await taken(gateway)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as eve:
        assert "another browser" not in (await eve.get(f"/a/{token}", headers=ENGLISH)).text
        assert (await press(eve, token, OTHER)).status_code == 303


async def test_a_destination_that_is_not_verified_does_not_ring(gateway: Gateway) -> None:
    unknown = Destination(name="default", display_name="Ada Lovelace", channels=(Channel(Kind.TEL, ADA),))
    account = gateway.account(destinations=(unknown,))
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "Ada Lovelace cannot be called yet" in page and 'id="number"' not in page and 'id="reply"' in page
    nonce = gateway.app.state.nonces.make(token, 0)
    fields = {"nonce": nonce, "subject": "", "region": "FR", "number": OTHER}
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    assert answer.status_code == 409 and gateway.attempts(token) == 0
    [waiting] = gateway.own.verifying.waiting(account)
    assert await gateway.own.verifying.ask(account, waiting.mark)
    [notice] = gateway.notices()
    assert (notice.kind, notice.address) == (NoticeKind.SPOKEN_CODE, f"tel:{ADA}")
    assert await gateway.own.verifying.confirm(account, waiting.mark, notice.values["code"])
    await gateway.offers.tick()
    assert (await press(gateway.client, token)).status_code == 303
    await gateway.placed()
    assert gateway.offers.look(token).state is State.PLACING


async def test_only_the_verified_channels_of_a_destination_ring(gateway: Gateway) -> None:
    known, unknown = Channel(Kind.TEL, ADA), Channel(Kind.TEL, EVE)
    both = Destination(name="default", display_name="Ada", channels=(unknown, known), verified=frozenset({known}))
    gateway.account(destinations=(both,))
    token = await gateway.open(destination=(unknown, known))
    await press(gateway.client, token)
    await gateway.placed()
    assert gateway.calls.orders[0].leg2 == known
    changed = replace(both, verified=frozenset())
    assert not changed.is_verified
