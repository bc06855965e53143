"""Every state of every page, one after another: for axe-core, for the layout, and for the pictures in docs/.

`walk` leads real gateways through their states; each `Shown` is a page to open, and what a person does on it then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from playwright.async_api import Page, expect
from web_gateway import BEN, MakeGateway, course
from web_shown import Shown, at_home, sign_in, typed
from web_states_more import later, passed_on, unverified

from mailgate.calls.model import Answered, Channel, Confirmed, Ended, Kind, Outcome, Ringing
from mailgate.errors import OutcomeUnknown
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.service import Rules
from mailgate.web.settings import TalkSettings


async def walk(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    """All states. A page is to be looked at before the next one is asked for: the offers move on."""
    async for shown in _offers(make_gateway):
        yield shown
    async for shown in _calls(make_gateway):
        yield shown
    async for shown in _ends(make_gateway):
        yield shown
    async for shown in _own(make_gateway):
        yield shown
    async for shown in later(make_gateway):
        yield shown
    async for shown in passed_on(make_gateway):
        yield shown
    async for shown in unverified(make_gateway):
        yield shown


async def _offers(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    gateway = await make_gateway(
        allow_sip=True,
        rules=Rules(uses=3, attempts=9, pin_digits=6),
        talk=TalkSettings(asterisk="127.0.0.1:9"),
        countries=("FR", "DE", "GB", "ES", "IT", "JP", "EG"),
    )
    gateway.account()

    def at(token: str, path: str = "") -> str:
        return f"{gateway.url}/a/{token}{path}"

    token = await gateway.open()
    yield Shown(name="offer", url=at(token))
    yield Shown(name="languages", url=at(token), do=lambda page: page.locator(".languages summary").click())
    yield Shown(name="wrong number", url=at(token), do=typed("#number", "01 99", "#call", "#number-error"))
    yield Shown(
        name="a country that is not called",
        url=at(token),
        do=typed("#number", "+55 11 96123-4567", "#call", "#number-error"),
    )
    yield Shown(name="SIP address", url=at(token), do=_sip)
    yield Shown(name="answers", url=at(token), do=_answers)
    yield Shown(name="microphone", url=at(token), do=_microphone)
    yield Shown(name="talking is not possible", url=at(token), do=_talk_in_vain)
    known = await gateway.open(offeree=Channel(Kind.TEL, BEN), destination_name="Support")
    yield Shown(name="number known", url=at(known))
    yield Shown(name="wrong digits", url=at(known), do=typed("#digits", "1111", "#call", "#digits-error"))
    yield Shown(name="page too old", url=at(token), do=_without_nonce, pictured=False)
    await gateway.own.set_do_not_disturb(gateway.account(account_id="b", addresses=("b@example.org",)), True)
    quiet = await gateway.open(account_id="b")
    yield Shown(name="do not disturb", url=at(quiet), do=typed("#number", "+33 1 99 00 56 78", "#call", ".notice"))
    await gateway.answer(token, "reply", text="Tomorrow at ten?")
    yield Shown(name="answered", url=at(token), pictured=False)
    await gateway.answer(token, "decline", reason="not-now")
    yield Shown(name="declined", url=at(token))
    for path, name in (("/never", "never again"), ("/never?sent=1", "the code")):
        yield Shown(name=name, url=at(token, path))
    yield Shown(
        name="wrong address", url=at(token, "/never"), do=typed("#address-field", "ben", "#address", "#never-error")
    )
    yield Shown(
        name="wrong code", url=at(token, "/never?sent=1"), do=typed("#code-field", "1", "#code", "#never-error")
    )
    await gateway.answer(token, "never", address="ben@example.net")
    [code] = [notice.values["code"] for notice in gateway.notices() if "code" in notice.values]
    await gateway.answer(token, "never/code", code=code)
    yield Shown(name="no more offers", url=at(token, "/never"))
    yield Shown(name="suppressed", url=at(token))


async def _calls(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    """As whoever has pressed sees it: the browser that looks here is no other one where the link is good for all."""
    gateway = await make_gateway(rules=Rules(uses=3, attempts=9, forwarding=Forwarding.BEARER))
    token = await gateway.open()
    attempt_id = await gateway.accepted(token)
    url = f"{gateway.url}/a/{token}"
    yield Shown(name="placing", url=url)
    events = course(attempt_id, gateway.clock())
    names = ("ringing", "press 1", "the other one rings", "the other one has answered", "connected", "completed")
    for event, name in zip(events, names, strict=True):
        await gateway.offers.on_call_event(event)
        yield Shown(name=name, url=url)
    here = await gateway.open()
    await gateway.offers.accept(here, Channel(Kind.BROWSER, "0" * 32))
    yield Shown(name="talking from a page", url=f"{gateway.url}/a/{here}", pictured=False)
    attempt_id = await gateway.placed(2)
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_UNREACHABLE))
    yield Shown(name="the browser did not come through", url=f"{gateway.url}/a/{here}")
    gateway.calls.answer = OutcomeUnknown("gone")
    lost = await gateway.open()
    await gateway.offers.accept(lost, Channel(Kind.TEL, BEN))
    await gateway.offers.close()  # the order has been sent, and its answer is lost
    yield Shown(name="unsettled", url=f"{gateway.url}/a/{lost}")


async def _ends(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    gateway = await make_gateway(rules=Rules(uses=99, attempts=99, forwarding=Forwarding.BEARER))
    pictured = {Outcome.OFFEREE_BUSY, Outcome.NOT_ME, Outcome.DESTINATION_NO_ANSWER, Outcome.LOST}
    for outcome in sorted(Outcome, key=lambda o: o is Outcome.NOT_ME):  # after it, that number is called no more
        token = await gateway.open()
        attempt_id = await gateway.accepted(token)
        for event in (Ringing(attempt_id=attempt_id, leg=1), Answered(attempt_id=attempt_id, leg=1)):
            await gateway.offers.on_call_event(event)
        if outcome.value.startswith("destination"):
            await gateway.offers.on_call_event(Confirmed(attempt_id=attempt_id, leg=1))
        if outcome is Outcome.REVOKED:
            await gateway.offers.revoke(gateway.offers.offer_id_of(token))
        await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=outcome, bridged_s=83))
        yield Shown(name=outcome.value, url=f"{gateway.url}/a/{token}", pictured=outcome in pictured)
    once = await make_gateway(rules=Rules(uses=1, attempts=1, forwarding=Forwarding.BEARER))
    for outcome, name in ((Outcome.COMPLETED, "used up"), (Outcome.DESTINATION_BUSY, "tried in vain")):
        token = await once.open()
        await once.ends(token, outcome, bridged_s=7384)
        yield Shown(name=name, url=f"{once.url}/a/{token}")
    token = await once.open()
    await once.offers.revoke(once.offers.offer_id_of(token))
    yield Shown(name="taken back", url=f"{once.url}/a/{token}")
    token = await once.open()
    once.clock.at += 400 * 86400
    yield Shown(name="expired", url=f"{once.url}/a/{token}")
    yield Shown(name="a link that is not complete", url=f"{once.url}/a/x")


async def _own(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    gateway = await make_gateway(rules=Rules(uses=3))
    gateway.account()
    token = await gateway.open()
    await gateway.answer(token, "reply", text="I would rather talk next week. Is Tuesday good for you?")
    await gateway.answer(await gateway.open(offeree_address="eve@example.com"), "decline", reason="by-mail")
    await gateway.ends(await gateway.open(), Outcome.COMPLETED, bridged_s=83)
    await gateway.ends(await gateway.open(), Outcome.DESTINATION_BUSY)
    await sign_in(gateway)
    home = f"{gateway.url}/my"
    yield Shown(name="own offers, sign in", url=home)
    yield Shown(
        name="own offers, a wrong address",
        url=home,
        do=typed("#address-field", "x", "#ask", "#ask-error"),
        pictured=False,
    )
    yield Shown(name="own offers, link sent", url=home, do=typed("#address-field", "ada@example.org", "#ask", ".proof"))
    yield Shown(name="own offers, the link", url=f"{home}/in/{'x' * 32}")
    yield Shown(name="own offers", url=home, do=at_home(gateway))
    wrong = typed("#hours", "at noon", "#hours-form", "#hours-error")
    yield Shown(name="own offers, wrong hours", url=home, do=at_home(gateway, do=wrong), pictured=False)
    yield Shown(name="programs", url=f"{gateway.url}/api/v1/docs", small=False)


# --- what a person does ---------------------------------------------------------------------------------------------


async def _sip(page: Page) -> None:
    await page.locator("details:has(#call-sip) summary").click()
    await page.locator("#sip").fill("?")
    await page.locator("#call-sip button").click()
    await expect(page.locator("#sip-error")).to_be_visible()


async def _answers(page: Page) -> None:
    await page.locator("details:has(#reply) summary").click()
    await page.locator("details:has(#decline) summary").click()
    await page.locator("#decline button").click()
    await expect(page.locator("#decline-error")).to_be_visible()
    await page.locator("details:has(#reply) summary").click()


async def _without_nonce(page: Page) -> None:
    await page.locator("input[name=nonce]").first.evaluate("e => { e.value = '' }")
    await page.locator("#number").fill("+33 1 99 00 56 78")
    await page.locator("#call button").click()
    await expect(page.locator(".notice")).to_be_visible()


async def _microphone(page: Page) -> None:
    await page.locator("#talk-open").click()
    await expect(page.locator("#talk-start")).to_be_visible(timeout=10_000)


async def _talk_in_vain(page: Page) -> None:
    await page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError') } }"
    )
    await page.locator("#talk-open").click()
    await expect(page.locator("#talk-close")).to_be_visible(timeout=10_000)
