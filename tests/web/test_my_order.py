"""The offer's page and /my/call: whose list it is, what a press does, and what is said where nobody can be called."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from playwright.async_api import Browser
from test_my import key_of, plain, signed_in
from test_states import DESK, NARROWEST, layout, violations
from web_gateway import ADA, EVE, Gateway

from mailgate.accounts.model import Destination
from mailgate.calls.model import Channel, Ended, Kind, Outcome
from mailgate.offers.table import State

ENGLISH = {"Accept-Language": "en"}
SIP, TEL = Channel(Kind.SIP, "ada"), Channel(Kind.TEL, ADA)
SUPPORT = Channel(Kind.TEL, EVE)


def has_list(gateway: Gateway, **changes: object) -> None:
    """Ada has a SIP telephone and a number, in that order."""
    own = Destination(name="default", display_name="Ada Lovelace", channels=(SIP, TEL), verified=frozenset({SIP, TEL}))
    gateway.account(destinations=(replace(own, **changes),))  # type: ignore[arg-type]


async def offered(gateway: Gateway, to: str = "ada@example.org") -> str:
    """Somebody else offers a call; the token."""
    return await gateway.open(
        account_id="z", offeror_name="Eve", destination_name="Eve", destination=(SUPPORT,), offeree_address=to
    )


async def press(gateway: Gateway, token: str) -> httpx.Response:
    page = await gateway.client.get(f"/my/call/{token}", headers=ENGLISH)
    return await gateway.client.post(f"/my/call/{token}", data={"key": key_of(page)}, headers=ENGLISH)


async def test_a_press_calls_the_first_that_can_be_had_and_falls_back_on_the_next(gateway: Gateway) -> None:
    has_list(gateway)
    await signed_in(gateway)
    token = await offered(gateway)
    assert f'href="/my/call/{token}"' in (await gateway.client.get(f"/a/{token}")).text
    answer = await press(gateway, token)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}")
    first = await gateway.placed(1)
    assert (gateway.calls.orders[0].leg1, gateway.calls.orders[0].leg2) == (SIP, SUPPORT)
    await gateway.offers.on_call_event(Ended(attempt_id=first, outcome=Outcome.OFFEREE_NO_ANSWER))
    second = await gateway.placed(2)
    assert second != first and gateway.calls.orders[1].leg1 == TEL
    shown = plain(await gateway.client.get(f"/a/{token}", headers=ENGLISH))
    assert "Nobody was reached that way, so another one is tried." in shown
    await gateway.offers.on_call_event(Ended(attempt_id=second, outcome=Outcome.OFFEREE_NO_ANSWER))
    assert gateway.offers.look(token).state is State.OPEN and gateway.attempts(token) == 2
    assert gateway.history(token) == ["accepted", "call-ended", "call-ended"]


async def test_what_cannot_be_had_is_passed_over(gateway: Gateway) -> None:
    has_list(gateway)
    await signed_in(gateway)
    gateway.calls.gone = {SIP}
    token = await offered(gateway)
    assert (await press(gateway, token)).status_code == 303
    attempt_id = await gateway.placed(1)
    assert gateway.calls.orders[0].leg1 == TEL
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER))
    assert len(gateway.calls.orders) == 1


@pytest.mark.parametrize(
    ("gone", "says"),
    [({SIP, TEL}, "None of your telephones can be reached just now"), ({SUPPORT}, "Eve cannot be reached just now")],
)
async def test_nobody_is_called_where_one_side_cannot_be_reached(
    gateway: Gateway, gone: set[Channel], says: str
) -> None:
    has_list(gateway)
    await signed_in(gateway)
    gateway.calls.gone = gone
    token = await offered(gateway)
    answer = await press(gateway, token)
    assert answer.status_code == 409 and says in plain(answer)
    assert not gateway.calls.orders and gateway.offers.look(token).may_accept
    assert ADA[3:] not in answer.text and EVE[3:] not in answer.text and "sip:" not in answer.text


async def test_only_the_recipient_s_session_has_it(gateway: Gateway) -> None:
    has_list(gateway)
    token = await offered(gateway)
    nobody = await gateway.client.get(f"/my/call/{token}")
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/my")
    assert (await gateway.client.post(f"/my/call/{token}", data={"key": "0" * 32})).status_code == 303
    await signed_in(gateway)
    other = await offered(gateway, to="carla@example.net")
    assert "/my/call/" not in (await gateway.client.get(f"/a/{other}")).text
    assert (await gateway.client.get(f"/my/call/{other}")).status_code == 404
    assert (await gateway.client.post(f"/my/call/{other}", data={"key": "x"})).status_code == 404
    assert (await gateway.client.get("/my/call/nonsense")).status_code == 404
    assert not gateway.calls.orders


async def test_a_form_of_another_s_making_calls_nobody(gateway: Gateway) -> None:
    has_list(gateway)
    await signed_in(gateway)
    token = await offered(gateway)
    page = await gateway.client.get(f"/my/call/{token}")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for data, headers in (({}, {}), ({"key": "0" * 32}, {}), ({"key": key_of(page)}, foreign)):
        answer = await gateway.client.post(f"/my/call/{token}", data=data, headers=headers)
        assert answer.status_code == 403
    await gateway.client.get(f"/my/call/{token}")
    assert not gateway.calls.orders and gateway.history(token) == []


async def test_channels_that_are_not_verified_are_no_list(gateway: Gateway) -> None:
    has_list(gateway, verified=frozenset())
    await signed_in(gateway)
    token = await offered(gateway)
    assert "/my/call/" not in (await gateway.client.get(f"/a/{token}")).text
    answer = await press(gateway, token)
    assert answer.status_code == 409 and not gateway.calls.orders


@pytest.mark.parametrize("size", [NARROWEST, DESK])
async def test_the_page_can_be_read_by_everybody(
    gateway: Gateway, chromium: Browser, axe: str, size: dict[str, int]
) -> None:
    has_list(gateway)
    await signed_in(gateway)
    gateway.calls.gone = {SIP, TEL}
    token = await offered(gateway)
    context = await chromium.new_context(viewport=size, locale="en")  # type: ignore[arg-type]
    session = gateway.client.cookies["mailgate_session"]
    await context.add_cookies([{"name": "mailgate_session", "value": session, "url": f"{gateway.url}/my"}])
    page = await context.new_page()
    await page.goto(f"{gateway.url}/my/call/{token}")
    await page.click("main button")
    assert "None of your telephones" in await page.inner_text("main")
    assert await violations(page, axe) == []
    assert await layout(page) == []
    await context.close()
