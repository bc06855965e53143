"""Ordinary calls to Ben at extension 202, which fail; and what the caller hears, found in the sound itself."""

from __future__ import annotations

import asyncio
import time
import wave
from array import array
from itertools import accumulate
from operator import mul
from pathlib import Path

from e2e_world import reset
from lab.audio import EXPANDED
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


def samples_of(path: Path) -> array[int]:
    with wave.open(str(path)) as source:
        assert (source.getframerate(), source.getnchannels(), source.getsampwidth()) == (8000, 1, 2)
        return array("h", source.readframes(source.getnframes()))


def found_in(heard: bytes, spoken: array[int], pattern: int = 1200) -> int | None:
    """Where in what was heard (mu-law octets) a sound file begins, known by its loudest stretch; None where nowhere."""
    loudest = max(range(0, len(spoken) - pattern, 400), key=lambda i: sum(map(abs, spoken[i : i + pattern])))
    wanted = [float(s) for s in spoken[loudest : loudest + pattern]]
    power, rough = sum(map(mul, wanted, wanted)), wanted[::8]
    sound = [float(EXPANDED[octet]) for octet in heard]
    sums = [0.0, *accumulate(map(mul, sound, sound))]
    for at in range(len(sound) - pattern):
        if not 0.6 < (sums[at + pattern] - sums[at]) / power < 1.6:
            continue  # not as loud as this
        if sum(map(mul, sound[at : at + pattern : 8], rough)) < 0.4 * power / 8:
            continue
        window = sound[at : at + pattern]
        if sum(map(mul, window, wanted)) > 0.8 * (power * sum(map(mul, window, window))) ** 0.5:
            return at - loudest
    return None


async def hears(call: Call, sound: Path, timeout_s: float = 30.0) -> float:
    """Waits until the call has been told this; the monotonic time at which it began, to within a frame."""
    looked = 0
    async with asyncio.timeout(timeout_s):
        spoken = samples_of(await there(sound))
        while True:
            heard, now = bytes(call.rtp.heard), time.monotonic()
            at = await asyncio.to_thread(found_in, heard[looked:], spoken)
            if at is not None:
                return now - (len(heard) - looked - at) / 8000
            looked = max(0, len(heard) - 1200)
            await asyncio.sleep(0.2)


async def there(sound: Path) -> Path:
    """The sound's file, once it is made."""
    path = sound.with_suffix(".wav")
    while not path.exists():
        await asyncio.sleep(0.05)
    return path
