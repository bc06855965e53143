"""The second scene from end to end without a page: `scripts/demo --once --scene 2`.

Ada's telephone calls Ben's, which is busy; Asterisk tells mailgate, Ada hears that Ben has been told, and holds. The
offer is on Ben's screen at once; he opens it in Chromium and talks from the page, and Ada's own call is joined. Every
step checks what it claims and raises where it is not so.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from lab.browser import chromium, with_voice
from lab.phone import Call
from lab.spoken import hears, said
from lab.talk import hertz_heard, press, visit
from lab.world import BEN_NUMBER, VOICES, World
from playwright.async_api import Page
from playwright.async_api import expect as shows

from demo_page.checks import BRIDGED_WITHIN_S, RINGS_WITHIN_S, Unexpected, expect, share_of, shows_adas_number, until
from demo_page.desk import EXTENSION, NAME
from demo_page.hub import Hub
from demo_page.steps import Steps
from mailgate.calls import announcements

_TOLD_WITHIN_S = 30.0
_TONE_WITHIN_HZ = 15.0
_CLEAR = 0.8
_TRIES = 15
_TALK_S = 2.0


@dataclass(slots=True, kw_only=True)
class _Seen:
    """Whatever has come before Ben's eyes."""

    texts: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)

    async def look(self, page: Page) -> None:
        self.texts.append(await page.content())


async def walk_waiting(world: World, hub: Hub, steps: Steps) -> None:
    """All steps of the second scene. Raises StepFailed."""
    seen = _Seen()
    with steps.step(f"Ben has extension {EXTENSION}, and `mailgate listen` runs on his screen") as note:
        note(await hub.desk.open())
    call = await _calls(world, hub, steps)
    link = await _pops_up(world, hub, steps)
    async with AsyncExitStack() as opened:
        with steps.step("Ben opens its page in Chromium: it says that Ada is on the line, and nothing rings"):
            browser = await opened.enter_async_context(chromium(*with_voice(VOICES["ben"], world.folder)))
            page = await visit(browser, link, seen.frames)
            heading = page.get_by_role("heading", level=1)
            await shows(heading).to_have_text("Ada Lovelace is on the line now")
            await seen.look(page)
        await _holds(world, hub, call, steps)
        await _joined(world, hub, page, call, steps)
        await _talk(hub, page, steps)
        await seen.look(page)
        await _end(hub, page, steps)
        await seen.look(page)
    _hidden(world, hub, call, seen, steps)


async def _calls(world: World, hub: Hub, steps: Steps) -> Call:
    ada, ben = hub.telephones["ada"], hub.telephones["ben"]
    device, ben.busy = world.phones["ben"], True
    with steps.step(f"Ada’s telephone calls {EXTENSION}; Ben’s telephone is busy") as note:
        before = len(device.calls)
        ada.dial()
        refused = await device.call(since=before)
        await asyncio.wait_for(refused.over.wait(), RINGS_WITHIN_S)
        expect(refused.state == "rejected 486", f"Ben’s telephone is {refused.state}")
        note("SIP 486")
    with steps.step("Asterisk tells mailgate, and Ada’s call is taken instead of ended") as note:
        await until(ada, lambda d: d.state == "talking", RINGS_WITHIN_S)
        assert ada.call is not None
        note(f"Call-ID {ada.call.call_id}")
        return ada.call


async def _pops_up(world: World, hub: Hub, steps: Steps) -> str:
    application = hub.desk.application
    assert application is not None
    with steps.step("The offer is on Ben’s screen: Ada tried to call") as note:
        offer = await application.prints(r"^offer \d+ (Ada Lovelace.*?) \| .* \| (\S+/a/\S+)$")
        shown_at = application.at[application.lines.index(offer.string)]
        busy_at = max(at for at, way, m in world.phones["ben"].wire if way == "out" and m.startswith("SIP/2.0 486"))
        note(f"{1000 * (shown_at - busy_at):.0f} ms after the busy signal")
        return offer[2]


async def _holds(world: World, hub: Hub, call: Call, steps: Steps) -> None:
    with steps.step("Ada hears that Ben has been told …") as note:
        words = announcements.hold_words("en", NAME)["told"]
        await hears(call, said(world.gateway.folder / "sounds", words, "en"), _TOLD_WITHIN_S)
        note(f"“{words.partition('.')[0]}.”")
    with steps.step("… and holds, with music"):
        await until(hub.telephones["ada"], lambda d: d.hears == "music", _TOLD_WITHIN_S)


async def _joined(world: World, hub: Hub, page: Page, call: Call, steps: Steps) -> None:
    ada = hub.telephones["ada"]
    with steps.step("Ben talks from the page (WebRTC); Ada’s very call is joined") as note:
        placed = len(world.network.calls)
        began = time.monotonic()
        await press(page)
        await shows(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=15_000)
        await until(ada, lambda d: d.hears == "Ben", BRIDGED_WITHIN_S)
        expect(ada.call is call and call.state == "up", f"Ada’s first call is {call.state}")
        expect(len(world.network.calls) == placed, "a telephone was called, although Ada is on the line")
        note(f"the same Call-ID; {time.monotonic() - began:.1f} s after Ben’s first press")


async def _talk(hub: Hub, page: Page, steps: Steps) -> None:
    ada = hub.telephones["ada"]
    with steps.step("They talk: each hears the other’s tone") as note:
        heard = part = 0.0
        for _ in range(_TRIES):  # a browser's sound needs a moment to run evenly, on a machine that does all of this
            heard, part = await hertz_heard(page), share_of(ada, "Ben")
            if abs(heard - VOICES["ada"]) < _TONE_WITHIN_HZ and part > _CLEAR:
                break
        else:
            raise Unexpected(f"of what Ada hears {part:.0%} is Ben’s tone, and the page plays {heard:.0f} Hz")
        await asyncio.sleep(_TALK_S)
        note(f"Ben hears Ada ({heard:.0f} Hz), Ada hears Ben ({part:.0%})")


async def _end(hub: Hub, page: Page, steps: Steps) -> None:
    with steps.step("Ben hangs up; Ada’s call ends, the page says how long they talked") as note:
        await page.get_by_role("button", name="Hang up").click()
        await until(hub.telephones["ada"], lambda d: d.state == "over", RINGS_WITHIN_S)
        await shows(page.get_by_role("heading", level=1)).to_have_text("The call has ended")
        talked = page.locator("p.lead").filter(has_text="You talked for")
        await shows(talked).to_be_visible()
        note(await talked.inner_text())


def _hidden(world: World, hub: Hub, call: Call, seen: _Seen, steps: Steps) -> None:
    with steps.step("Neither was shown the other’s number") as note:
        application = hub.desk.application
        assert application is not None
        rung = [message for _, way, message in world.phones["ben"].wire if way == "in"]
        for where, texts in (
            ("on Ben’s screen", application.lines),
            ("on the page", seen.texts),
            ("in what the page was sent", seen.frames),
            ("in what Ben’s telephone was sent", rung),
        ):
            expect(texts, f"nothing is known of what was {where}")
            expect(not any(map(shows_adas_number, texts)), f"Ada’s number stands {where}")
        answers = world.network.heard_of(call.call_id)
        expect(answers and not any(BEN_NUMBER[3:] in message for message in answers), "Ben’s number was sent to Ada")
        messages = len(answers) + len(rung) + len(seen.frames)
        note(f"looked for on screen and page and in {messages} SIP messages")
