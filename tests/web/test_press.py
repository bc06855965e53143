"""The press: exactly one call from any number of presses, and none from what no person sent."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest
from web_gateway import ADA, Gateway, MakeGateway, nonce_of

from mailgate.calls.model import Channel, Kind, Outcome
from mailgate.errors import CallFailed
from mailgate.offers.service import Rules
from mailgate.web.request import MOST_OCTETS

ENGLISH = {"Accept-Language": "en"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_press_calls_the_number_typed(gateway: Gateway) -> None:
    token = await gateway.open()
    answer = await gateway.press(token, number="01 99 00 56 78", region="FR")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}")
    await gateway.placed()
    [order] = gateway.calls.orders
    assert (order.leg1, order.leg2) == (Channel(Kind.TEL, "+33199005678"), Channel(Kind.TEL, ADA))
    assert gateway.history(token) == ["accepted"]


async def test_an_international_number_needs_no_country(gateway: Gateway) -> None:
    await gateway.press(await gateway.open(), number="+49 (0) 30 901820", region="FR")
    await gateway.placed()
    assert gateway.calls.orders[0].leg1.address == "+4930901820"


async def test_fifty_presses_at_once_make_one_call(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(uses=50, attempts=50))
    token = await gateway.open()
    fields = await gateway.fields(token)
    answers = await asyncio.gather(*(gateway.client.post(f"/a/{token}/call", data=fields) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {303}
    await gateway.offers.close()
    assert len(gateway.calls.orders) == 1
    assert gateway.attempts(token) == 1


async def test_fifty_presses_at_once_make_one_call_even_if_it_fails_at_once(make_gateway: MakeGateway) -> None:
    """The first attempt is over before most of the others are read: the page nonce was good for that one only."""
    gateway = await make_gateway(rules=Rules(uses=50, attempts=50))
    gateway.calls.answer = CallFailed("no trunk")
    token = await gateway.open()
    fields = await gateway.fields(token)
    answers = await asyncio.gather(*(gateway.client.post(f"/a/{token}/call", data=fields) for _ in range(50)))
    assert {answer.status_code for answer in answers} <= {303, 200}
    await gateway.offers.close()
    assert len(gateway.calls.orders) == 1
    assert gateway.attempts(token) == 1


async def test_the_same_press_sent_again_after_the_call_makes_no_other(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token)
    await gateway.client.post(f"/a/{token}/call", data=fields)
    await gateway.placed()
    again = await gateway.client.post(f"/a/{token}/call", data=fields)
    assert again.status_code == 303
    gateway.clock.at += 1
    await gateway.ends(await gateway.open(), Outcome.COMPLETED)
    replayed = await gateway.client.post(f"/a/{token}/call", data=fields)
    assert replayed.status_code == 303
    assert gateway.attempts(token) == 1


async def test_a_second_tab_leads_to_the_call_under_way(gateway: Gateway) -> None:
    token = await gateway.open()
    first, second = await gateway.fields(token), await gateway.fields(token, number="01 99 00 99 99")
    assert (await gateway.client.post(f"/a/{token}/call", data=first)).status_code == 303
    answer = await gateway.client.post(f"/a/{token}/call", data=second, follow_redirects=True)
    assert "We are calling you" in answer.text
    await gateway.placed()
    assert len(gateway.calls.orders) == 1


async def test_the_next_attempt_needs_the_new_page(gateway: Gateway) -> None:
    token = await gateway.open()
    old = await gateway.fields(token)
    await gateway.ends(token, Outcome.OFFEREE_BUSY)
    stale = await gateway.client.post(f"/a/{token}/call", data=old, headers=ENGLISH)
    assert stale.status_code == 200
    assert "press once more" in stale.text
    assert gateway.attempts(token) == 1
    fields = old | {"nonce": nonce_of(stale.text)}
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 303
    assert gateway.attempts(token) == 2


@pytest.mark.parametrize("nonce", [None, "", "x", "0.aaaaaa.bbbbbbbbbbbb"])
async def test_without_the_pages_nonce_there_is_no_call(gateway: Gateway, nonce: str | None) -> None:
    token = await gateway.open()
    typed = {"number": "01 99 00 56 78", "region": "FR"} | ({} if nonce is None else {"nonce": nonce})
    answer = await gateway.client.post(f"/a/{token}/call", data=typed, headers=ENGLISH)
    assert answer.status_code == 403
    assert "nobody was called" in answer.text
    assert 'value="01 99 00 56 78"' in answer.text
    assert gateway.attempts(token) == 0
    fields = typed | {"nonce": nonce_of(answer.text)}
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 303


async def test_another_offers_nonce_is_of_no_use(gateway: Gateway) -> None:
    token, other = await gateway.open(), await gateway.open()
    answer = await gateway.client.post(f"/a/{token}/call", data=await gateway.fields(other))
    assert answer.status_code == 403
    assert gateway.attempts(token) == 0


async def test_a_tab_left_open_too_long_keeps_what_was_typed(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token, number="030 901820", region="DE")
    gateway.clock.at += gateway.settings.nonce_ttl_s + 60
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    assert answer.status_code == 200
    assert "press once more" in answer.text
    assert 'value="030 901820"' in answer.text
    assert '<option value="DE" selected>' in answer.text
    assert gateway.attempts(token) == 0
    fields["nonce"] = nonce_of(answer.text)
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 303


async def test_a_field_that_no_person_sees_stays_empty(gateway: Gateway) -> None:
    token = await gateway.open()
    answer = await gateway.press(token, subject="01 99 00 56 78")
    assert answer.status_code == 403
    assert gateway.attempts(token) == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("", "Please enter the number"),
        ("   ", "Please enter the number"),
        ("hello", "does not look like a telephone number"),
        ("1234", "too short"),
        ("+53 7 8333333", "numbers of that country"),
        ("+881 6 12345678", "numbers of that kind"),
        ("112", "emergency"),
        ("0899 123456", "special charges"),
        (ADA, "the same telephone twice"),
        ("\0\r\n", "does not look like a telephone number"),
        ('"><script>', "does not look like a telephone number"),
    ],
)
async def test_a_number_that_cannot_be_called(gateway: Gateway, number: str, words: str) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token, number=number)
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'aria-describedby="number-hint number-error"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<script>" not in answer.text
    assert gateway.attempts(token) == 0


async def test_a_suppressed_number_is_not_called(gateway: Gateway) -> None:
    token = await gateway.open()
    await gateway.ends(token, Outcome.NOT_ME)
    answer = await gateway.press(token)
    assert answer.status_code == 422
    assert gateway.attempts(token) == 1


@pytest.mark.parametrize("typed", ["sip:ben@sip.example:5070", "SIP:ben@sip.example:5070", " ben@sip.example:5070 "])
async def test_a_sip_address_where_allowed(make_gateway: MakeGateway, typed: str) -> None:
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    fields = await gateway.fields(token, sip=typed)
    del fields["number"]
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 303
    await gateway.placed()
    assert gateway.calls.orders[0].leg1 == Channel(Kind.SIP, "ben@sip.example:5070")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Please enter the SIP address"),
        ("sips:ben@sip.example", "does not look like a SIP address"),
        ("sip:ben@sip.example;transport=ws", "does not look like a SIP address"),
        ("sip:ben@elsewhere.example", "cannot call that SIP address"),
        ("ben", "cannot call that SIP address"),
        ("sip:33199005678@sip.example", "cannot call that SIP address"),
    ],
)
async def test_a_sip_address_that_cannot_be_called(make_gateway: MakeGateway, typed: str, words: str) -> None:
    gateway = await make_gateway(allow_sip=True)
    token = await gateway.open()
    fields = await gateway.fields(token, sip=typed)
    del fields["number"]
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    assert answer.status_code == 422
    assert words in answer.text
    assert "<details open>" in answer.text
    assert 'aria-describedby="sip-hint sip-error"' in answer.text
    assert gateway.attempts(token) == 0


async def test_no_sip_address_where_not_allowed(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token, sip="ben@sip.example", number="")
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 422
    fields = await gateway.fields(token, number="sip:ben@sip.example")
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 422
    assert gateway.attempts(token) == 0


async def test_a_large_body_is_refused(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token, number="1" * MOST_OCTETS)
    assert (await gateway.client.post(f"/a/{token}/call", data=fields)).status_code == 413

    async def without_a_length() -> object:
        for _ in range(40):
            yield b"number=" + b"1" * 1000

    assert (await gateway.client.post(f"/a/{token}/call", content=without_a_length())).status_code == 413
    assert gateway.attempts(token) == 0


async def test_bodies_of_other_kinds_make_no_call(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token)
    for content, kind in (
        (urlencode(fields).encode(), "text/plain"),
        (b"\xff\xfe=%", FORM["Content-Type"]),
        (b"&".join(b"a=1" for _ in range(100)), FORM["Content-Type"]),
        (b"", FORM["Content-Type"]),
    ):
        answer = await gateway.client.post(f"/a/{token}/call", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 403
    assert (await gateway.client.post(f"/a/{token}/call", json=fields)).status_code == 403
    assert (await gateway.client.post(f"/a/{token}/call", files={"number": b"1"})).status_code == 403
    assert gateway.attempts(token) == 0


async def test_a_press_between_look_and_revocation_is_answered(gateway: Gateway) -> None:
    token = await gateway.open()
    fields = await gateway.fields(token)
    press = asyncio.create_task(gateway.client.post(f"/a/{token}/call", data=fields))
    await gateway.offers.revoke(gateway.offers.offer_id_of(token))
    assert (await press).status_code in {303, 410}
    assert (await gateway.client.get(f"/a/{token}")).status_code in {200, 410}
