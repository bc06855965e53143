"""The number that the offeror gave: shown by its end, called for the right four digits, and guessed by nobody."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect
from web_gateway import BEN, Gateway, MakeGateway

from mailgate.calls.model import Channel, Kind
from mailgate.offers.known import TRIES, WITHIN_S, tail

ENGLISH = {"Accept-Language": "en"}
GIVEN = Channel(Kind.TEL, BEN)  # +33 1 99 00 56 78


async def press(gateway: Gateway, token: str, **typed: str) -> tuple[int, str]:
    fields = await gateway.fields(token, **({"number": ""} | typed))
    answer = await gateway.client.post(f"/a/{token}/call", data=fields, headers=ENGLISH)
    return answer.status_code, answer.text


async def test_the_page_shows_two_digits_and_holds_no_more(gateway: Gateway) -> None:
    token = await gateway.open(offeree=GIVEN)
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "Your number ends in 78. Which four digits come before?" in page
    assert "5678" not in page and "0056" not in page and BEN not in page
    without = (await gateway.client.get(f"/a/{await gateway.open()}", headers=ENGLISH)).text
    assert 'name="digits"' not in without


async def test_four_digits_are_enough(gateway: Gateway) -> None:
    token = await gateway.open(offeree=GIVEN)
    status, _ = await press(gateway, token, digits=" 00 56 ")
    assert status == 303
    await gateway.placed()
    assert gateway.calls.orders[0].leg1 == GIVEN


async def test_another_number_may_be_typed_whole(gateway: Gateway) -> None:
    token = await gateway.open(offeree=GIVEN)
    status, _ = await press(gateway, token, digits="1111", number="01 99 00 77 77")
    assert status == 303
    await gateway.placed()
    assert gateway.calls.orders[0].leg1 == Channel(Kind.TEL, "+33199007777")


@pytest.mark.parametrize(
    ("digits", "said"),
    [("", "Please enter the four digits."), ("0057", "Those are not"), ("005678", "Those are not"), ("é", "Those are")],
)
async def test_wrong_digits_call_nobody(gateway: Gateway, digits: str, said: str) -> None:
    token = await gateway.open(offeree=GIVEN)
    status, page = await press(gateway, token, digits=digits)
    assert status == 422 and said in page and 'id="digits-error"' in page
    assert gateway.calls.orders == []


async def test_guessing_comes_to_an_end_and_the_whole_number_still_does(gateway: Gateway) -> None:
    token, other = await gateway.open(offeree=GIVEN), await gateway.open(offeree=GIVEN)
    for guess in range(TRIES):
        assert "Those are not" in (await press(gateway, token, digits=f"{guess:04}"))[1]
    for digits in ("0056", "9999"):
        status, page = await press(gateway, token, digits=digits)
        assert status == 422 and "tried too often" in page
    assert gateway.calls.orders == []
    assert (await press(gateway, other, digits="0056"))[0] == 303  # another offer's tries are its own
    gateway.clock.at += WITHIN_S + 1
    assert (await press(gateway, token, number="01 99 00 56 78"))[0] == 303


async def test_nothing_counts_without_the_pages_nonce(gateway: Gateway) -> None:
    token = await gateway.open(offeree=GIVEN)
    for _ in range(2 * TRIES):
        answer = await gateway.client.post(f"/a/{token}/call", data={"digits": "1", "nonce": "x"})
        assert answer.status_code == 403
    assert (await press(gateway, token, digits="0056"))[0] == 303


async def test_digits_where_no_number_was_given(gateway: Gateway) -> None:
    token = await gateway.open()
    status, page = await press(gateway, token, digits="0056")
    assert status == 422 and "digits" in page
    assert gateway.calls.orders == []


async def test_a_known_number_that_may_not_be_dialled(make_gateway: MakeGateway) -> None:
    """The rules judge it like any other; what the page says names no digit of it."""
    gateway = await make_gateway()
    token = await gateway.open(offeree=Channel(Kind.TEL, "+8105055500042"))
    status, page = await press(gateway, token, digits="5000")
    assert status == 422 and 'id="number-error"' in page
    assert "5055" not in page and gateway.calls.orders == []


@pytest.mark.parametrize(
    ("channel", "end"),
    [
        (GIVEN, "78"),
        (Channel(Kind.TEL, "+4312345"), ""),  # four and two of seven: too much would be shown
        (Channel(Kind.SIP, "ben@sip.example"), ""),
        (None, ""),
    ],
)
def test_what_is_shown_of_a_number(channel: Channel | None, end: str) -> None:
    assert tail(channel) == end


@pytest.mark.parametrize("scripts", [True, False])
async def test_in_a_browser(gateway: Gateway, chromium: Browser, scripts: bool) -> None:
    token = await gateway.open(offeree=GIVEN)
    context = await chromium.new_context(locale="en-GB", java_script_enabled=scripts)
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{token}")
    await page.get_by_label("Which four digits").fill("1234")
    await page.get_by_role("button", name="Call me now").click()
    await expect(page.locator("#digits-error")).to_contain_text("not the four digits")
    await expect(page.get_by_label("Which four digits")).to_be_focused()
    await expect(page.get_by_label("Your telephone number")).to_be_hidden()
    await page.get_by_text("Use another number", exact=True).click()
    await expect(page.get_by_label("Your telephone number")).to_be_visible()
    await page.get_by_label("Which four digits").fill("0056")
    await page.get_by_role("button", name="Call me now").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("We are calling you")
    await gateway.placed()
    assert gateway.calls.orders[0].leg1 == GIVEN
    await context.close()
