"""Ben's desk, for the second scene: a telephone at an extension of Asterisk's, and `mailgate listen` on his screen.

    World(folder, dialplan=DIALPLAN, …) … desk = Desk(world); await desk.open(); …; await desk.close()

The application is a process of its own, with a key that `mailgate account device add` has made; what it prints is what
is shown. Known limits: one device; what it printed long ago is dropped from the picture.
"""

from __future__ import annotations

import re
from typing import Any

from lab.application import Application
from lab.world import BEN, BEN_NUMBER, World, off_loop

EXTENSION = "202"
NAME = "Ben Babbage"
RINGS_S = 20
# What an administrator writes for a telephone whose missed calls are to become offers (docs/failed-calls.md).
DIALPLAN = f"""
[mailgate-from-trunk](+)
exten => {EXTENSION},1,Gosub(mailgate-try,s,1(PJSIP/ben,{RINGS_S},{EXTENSION}))
 same => n,Hangup(${{HANGUPCAUSE}})
"""

_SIGNS_IN_WITHIN_S = 60.0
_SHOWN_LINES = 40
_OFFER = re.compile(r"(?P<number>\d+) (?P<title>.*) \| (?P<text>.*) \| (?P<url>https?://\S+)")
_CHANGED = re.compile(r"changed \d+ (\S+)")


class Desk:
    """What stands on it: the application, once it is open."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.application: Application | None = None

    async def open(self) -> str:
        """Give Ben an account, his extension and a device; what the application says when it has signed in.

        Raises RuntimeError with a command's complaint, AssertionError with what the application printed instead."""
        gateway = self.world.gateway
        await off_loop(
            gateway.account_add, BEN, NAME, "--sip", "ben", "--extension", EXTENSION, "--mode", "never"
        )  # he only listens: his own letters carry no offers
        key = (await off_loop(gateway.run, "account", "device", "add", BEN, "--name", "laptop")).stdout.strip()
        words = (gateway.url, "--name", "laptop", "--channel", BEN_NUMBER, "--no-notify")
        self.application = await Application.start(*words, key=key)
        return (await self.application.prints("^signed-in (.*)", _SIGNS_IN_WITHIN_S))[1]

    async def types(self, line: str) -> None:
        """A line of Ben's keyboard. Raises ValueError for more than one, OSError where nobody listens any more."""
        if not line.isprintable():
            raise ValueError("one line at a time")
        if self.application is None:
            raise OSError("the application is not running yet")
        await self.application.types(line)

    async def close(self) -> None:
        if self.application is not None:
            await self.application.end()
            self.application = None

    def picture(self) -> dict[str, Any]:
        """`lines`: what stands on the screen, oldest first; `runs`: whether the application has signed in; `state`: of
        the offer that was last heard of."""
        lines = self.application.lines if self.application is not None else []
        first = max(0, len(lines) - _SHOWN_LINES)
        return {
            "state": next((m[1] for line in reversed(lines) if (m := _CHANGED.match(line))), ""),
            "runs": any(line.startswith("signed-in ") for line in lines),
            "lines": [taken_apart(first + n, line) for n, line in enumerate(lines[first:])],
        }


def taken_apart(number: int, line: str) -> dict[str, Any]:
    """What the application has printed, taken apart as docs/listening.md says: first what it is."""
    kind, _, text = line.partition(" ")
    shown: dict[str, Any] = {"id": number, "kind": kind, "text": text}
    if kind == "offer" and (parts := _OFFER.fullmatch(text)):
        shown |= parts.groupdict()
    return shown
