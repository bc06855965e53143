"""The main job from end to end without a page: `scripts/demo --once`, first scene.

A letter goes by SMTP through Postfix and mailgate into the mailbox; its link is opened and pressed as a browser does
it; two SIP telephones ring, answer, press 1 and are bridged by Asterisk; each hears the other's tone. Every step
checks what it claims and raises where it is not so.
"""

from __future__ import annotations

import asyncio
import re
from email import message_from_bytes, policy

from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, SHOWN_NUMBER, World

from demo_page.app import SUBJECT, TEXT
from demo_page.checks import (
    BRIDGED_WITHIN_S,
    RINGS_WITHIN_S,
    SPEAKS_WITHIN_S,
    alert,
    clear,
    expect,
    fetch,
    share_of,
    shows_adas_number,
    until,
    until_page,
)
from demo_page.hub import Hub, spaced
from demo_page.steps import Steps
from demo_page.telephones import Telephone


async def walk(world: World, hub: Hub, steps: Steps, *, number: str = BEN_NUMBER) -> None:
    """All steps of the first scene; Ben types `number`. Raises StepFailed."""
    message = await _letter(world, hub, steps)
    link = _look_at(world, message, steps)
    await _accept(world, hub, link, number, steps)
    await _talk(hub, link, steps)
    await _end(world, hub, link, steps)


async def _letter(world: World, hub: Hub, steps: Steps) -> bytes:
    with steps.step("Ada hands her letter to Postfix by SMTP") as note:
        await hub.send(subject=SUBJECT, text=TEXT, rich=True)
        note(f"with {spaced(ADA_NUMBER)} in it")
    with steps.step("It comes through mailgate into Ben’s mailbox") as note:
        [message] = await world.wait_for_mail(BEN)
        note(f"{len(message):,} octets")
        return message


def _look_at(world: World, message: bytes, steps: Steps) -> str:
    parsed = message_from_bytes(message, policy=policy.default)
    with steps.step("It carries the offer: icon and link") as note:
        links = world.links(message)
        expect(len(links) == 1, f"{len(links)} different links where one was expected")
        plain, rich = parsed.get_body(("plain",)), parsed.get_body(("html",))
        for name, part in (("text", plain), ("HTML", rich)):
            expect(part is not None and links[0] in part.get_content(), f"no link in the {name} part")
        images = [p for p in parsed.walk() if p.get_content_type() == "image/png" and p["Content-ID"]]
        expect(len(images) == 1, f"{len(images)} icons where one was expected")
        cid = str(images[0]["Content-ID"]).strip("<> ")
        expect(rich is not None and f"cid:{cid}" in rich.get_content(), "the HTML does not show the icon")
        note(re.sub(r"/a/(.{6}).*", r"/a/\1…", links[0]))
    with steps.step("Ada’s number is gone from it"):
        contents = [part.get_content() for part in parsed.walk() if part.get_content_maintype() == "text"]
        for text in (message, *(content.encode() for content in contents)):
            expect(not shows_adas_number(text), "the number can still be read in the message")
    with steps.step("Its DKIM signature verifies") as note:
        expect(world.dkim_valid(message), "the signature does not verify")
        note(re.sub(r"\s+", " ", str(parsed["DKIM-Signature"]))[:46] + "…")
    return links[0]


async def _accept(world: World, hub: Hub, link: str, number: str, steps: Steps) -> None:
    with steps.step("Ben opens the page: it says who offers a call, and nothing rings") as note:
        page = await fetch(link)
        expect(page.status == 200 and "Ada Lovelace" in page.text, f"the page answered {page.status}")
        expect("nonce" in page.fields, "there is no form on the page")
        await asyncio.sleep(0.3)
        expect(not world.network.calls, "a telephone rings although nobody pressed anything")
        note("GET 200")
    with steps.step("Ben gives his number and presses the button") as note:
        answer = await fetch(f"{link}/call", {**page.fields, "region": "FR", "number": spaced(number)})
        expect(answer.status == 200, f"the page answered {answer.status}: {alert(answer.text)}")
        note("POST 303")


async def _talk(hub: Hub, link: str, steps: Steps) -> None:
    ben, ada = hub.telephones["ben"], hub.telephones["ada"]
    ada.by_itself = False
    with steps.step("Leg 1: Ben’s telephone rings") as note:
        note(await _rings(ben))
    with steps.step("Ben answers and hears who offers the call"):
        ben.answer()
        await until(ben, lambda d: d.hears == "a voice", SPEAKS_WITHIN_S)
        expect(ada.call is None, "Ada’s telephone rings before Ben pressed a key")
    with steps.step("Ben presses 1 (RFC 4733); leg 2: Ada’s telephone rings") as note:
        ben.press("1")
        note(await _rings(ada))
    with steps.step("Ada answers and hears who is on the line"):
        ada.answer()
        await until(ada, lambda d: d.hears == "a voice", SPEAKS_WITHIN_S)
    with steps.step("Ada presses 1, and Asterisk bridges the two; the page says so"):
        ada.press("1")
        await until(ben, lambda d: d.hears == "Ada", BRIDGED_WITHIN_S)
        await until(ada, lambda d: d.hears == "Ben", BRIDGED_WITHIN_S)
        await until_page(link, "You are connected")
    with steps.step("They talk: each hears the other’s tone, and nothing else") as note:
        await asyncio.sleep(1.0)
        note(", ".join(clear(who.name, whom, share_of(who, whom)) for who, whom in ((ben, "Ada"), (ada, "Ben"))))


async def _rings(telephone: Telephone) -> str:
    """That it rings and shows the gateway's number alone, in words."""
    display = await until(telephone, lambda d: d.state == "ringing", RINGS_WITHIN_S)
    expect(display.caller == SHOWN_NUMBER, f"it shows {display.caller}")
    return f"it shows {spaced(SHOWN_NUMBER)}"


async def _end(world: World, hub: Hub, link: str, steps: Steps) -> None:
    ben, ada = hub.telephones["ben"], hub.telephones["ada"]
    with steps.step("Ben hangs up; Ada’s leg ends, the page says how long they talked") as note:
        ben.hang_up()
        await until(ada, lambda d: d.state == "over", RINGS_WITHIN_S)
        page = await until_page(link, "The call has ended")
        talked = re.search(r"You talked for ([^.<]*)", page.text)
        note(talked[0] if talked else "")
    with steps.step("No SIP message that Ben’s telephone got holds Ada’s number"):
        call = ben.call
        expect(call is not None, "Ben’s call is not known")
        assert call is not None
        for message in world.network.heard_of(call.call_id):
            expect(not shows_adas_number(message), "the number stands in a SIP message")
    with steps.step("One call was made, to the two of them") as note:
        called = [c.number for c in world.network.calls]
        expect(called == [BEN_NUMBER, ADA_NUMBER], f"these were called: {called}")
        note(f"account {ADA}")
