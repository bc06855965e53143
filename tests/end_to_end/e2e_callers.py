"""Ordinary calls to Ben at extension 202, which fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

from e2e_world import reset
from lab.phone import Call, Reject
from lab.world import ADA_NUMBER, BEN, VOICES, World

DIALPLAN = """
[mailgate-from-trunk](+)
exten => 202,1,Gosub(mailgate-try,s,1(PJSIP/ben,3,202))
 same => n,Hangup(${HANGUPCAUSE})
[office]
exten => 202,1,Goto(mailgate-from-trunk,202,1)
"""


def office(folder: Path, **wishes: object) -> World:
    """A world in which Ben has a telephone on extension 202."""
    world = World(folder, dialplan=DIALPLAN)
    world.configuration["failed_calls"] = {"word_every_s": 3, **wishes}
    return world


def busy(world: World) -> World:
    """As new, with Ben on another call."""
    reset(world)
    world.phones["ben"].plan = {"ben": Reject(code=486)}
    return world


def calls(world: World, caller: str = ADA_NUMBER) -> Call:
    """Somebody calls Ben from the telephone network."""
    return world.network.dial("202", caller=caller, hertz=VOICES["ada"])


async def holds(call: Call) -> Call:
    """The call once it was taken, to be held."""
    await asyncio.wait_for(call.up.wait(), 10)
    assert call.state == "up", call.state
    call.rtp.kept = 8000 * 300
    return call


async def link_in_mail(world: World, before: int, to: str = BEN) -> tuple[str, bytes]:
    """The link of the next message, and the message."""
    raw = (await world.wait_for_mail(to, before + 1))[-1]
    [link] = world.links(raw)
    return link, raw
