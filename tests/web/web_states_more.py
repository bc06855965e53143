"""Later states of the walk: a call at another time, links that were passed on, telephones that do not ring yet."""

from __future__ import annotations

from collections.abc import AsyncIterator

from playwright.async_api import Page, expect
from test_holder import taken
from test_later import DAY, TEN, book, due_at
from web_gateway import ADA, EVE, MakeGateway
from web_shown import Do, Shown, at_home, sign_in, typed

from mailgate.accounts.model import Destination
from mailgate.calls.model import Answered, Channel, Ended, Kind, Outcome
from mailgate.offers.events import Passed
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.service import Rules
from mailgate.offers.slots import Missed
from mailgate.offers.slots import Rules as SlotRules


async def later(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    """Times that can be taken, one that is, and what comes of it."""
    # what is booked here beside the browser would be another one's, and be kept from it
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6, forwarding=Forwarding.BEARER))
    gateway.account(rings_first=True)
    token = await gateway.open()
    url = f"{gateway.url}/a/{token}"
    yield Shown(name="choose a time", url=f"{url}/later")
    yield Shown(name="any hour", url=f"{url}/later?any=1", pictured=False)
    yield Shown(name="no such zone", url=f"{url}/later?zone=x", pictured=False)
    yield Shown(name="no time chosen", url=f"{url}/later", do=_booked_in_vain("#later-error", choose=False))
    yield Shown(name="a time without a number", url=f"{url}/later", do=_booked_in_vain("#number-error"))
    await book(gateway, token)
    yield Shown(name="booked", url=url)
    yield Shown(name="booked, to cancel", url=url, do=lambda page: page.locator(".booked summary").click())
    yield Shown(name="another time", url=f"{url}/later")
    attempt_id = await due_at(gateway, token)
    yield Shown(name="the destination first", url=url)
    await gateway.offers.on_call_event(Answered(attempt_id=attempt_id, leg=1))
    yield Shown(name="your turn", url=url)
    await gateway.offers.on_call_event(Ended(attempt_id=attempt_id, outcome=Outcome.DESTINATION_NO_ANSWER))
    await book(gateway, token, TEN + DAY)
    gateway.clock.at = TEN + DAY
    await gateway.offers.apply(gateway.offers.offer_id_of(token), Passed(missed=Missed.LATE))
    yield Shown(name="missed", url=url)
    never = await make_gateway(slots=SlotRules(hours="Sun 1-2", zone="Europe/Paris", horizon_s=DAY / 2))
    yield Shown(name="no time is left", url=f"{never.url}/a/{await never.open()}/later")


async def passed_on(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    """What another browser sees than the one that took the offer up, and everybody before the code."""
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6))
    token = await taken(gateway)
    url = f"{gateway.url}/a/{token}"
    yield Shown(name="somebody else's", url=url)
    yield Shown(
        name="somebody else's telephone", url=url, do=typed("#number", "+33 1 99 00 77 77", "#call", "[role=alert]")
    )
    yield Shown(name="to prove whose it is", url=f"{url}/holder")
    yield Shown(
        name="a wrong address", url=f"{url}/holder", do=typed("#address-field", "ben", "#address", "#never-error")
    )
    yield Shown(name="the holder's code", url=f"{url}/holder?sent=1")
    yield Shown(name="a wrong code", url=f"{url}/holder?sent=1", do=typed("#code-field", "1", "#code", "#never-error"))
    proof = await make_gateway(rules=Rules(pin_digits=6, forwarding=Forwarding.VERIFY))
    yield Shown(name="not before the code", url=f"{proof.url}/a/{await proof.open()}")


async def unverified(make_gateway: MakeGateway) -> AsyncIterator[Shown]:
    """A destination whose telephones do not ring yet, and where its owner makes them ring."""
    gateway = await make_gateway()
    channels = (Channel(Kind.SIP, "ada@sip.example"), Channel(Kind.TEL, ADA), Channel(Kind.TEL, EVE))
    gateway.account(destinations=(Destination(name="default", display_name="Ada Lovelace", channels=channels),))
    yield Shown(name="not verified", url=f"{gateway.url}/a/{await gateway.open()}")
    home = f"{gateway.url}/my"
    await sign_in(gateway)
    yield Shown(name="telephones to verify", url=home, do=at_home(gateway))
    for told in ("sent", "often", "wrong", "done"):
        name = f"telephones to verify, {told}"
        yield Shown(name=name, url=home, do=at_home(gateway, f"?verify={told}"), pictured=told == "wrong")


def _booked_in_vain(then: str, *, choose: bool = True) -> Do:
    async def do(page: Page) -> None:
        if choose:
            await page.locator(".times label").first.click()
        await page.locator("#later button").click()
        await expect(page.locator(then)).to_be_visible()

    return do
