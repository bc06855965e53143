"""A code told on the telephone: a real Asterisk calls, and what is heard there is the code, twice.

Each digit is a tone of its own here, so that the test reads by ear what was said.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import struct
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.audio import share
from lab.cast import ADA, GATEWAY, Calls
from lab.phone import Answer, Phone, Reject

from mailgate.calls.model import Channel
from mailgate.errors import CallFailed
from mailgate.networks.telephone import TelephoneNetwork
from mailgate.offers.notice import Delivery, Kind, Notice

TONES = {str(digit): 500 + 150 * digit for digit in range(10)}
SENTENCE_HZ = 350
LINE = 300  # samples looked at at once
NOTICE = Notice(
    notice_id="verify.1",
    kind=Kind.SPOKEN_CODE,
    address=f"tel:{ADA}",
    language="en",
    created_at=0.0,
    expires_at=1e10,
    values={"code": "407712", "account": "Ada"},
)


def beep(path: Path, hertz: int) -> Path:
    """A tone of a fifth of a second and a pause, as Asterisk plays it."""
    samples = [int(9000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(1600)] + [0] * 800
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    path.with_suffix(".wav").chmod(0o644)
    return path


def read(samples: list[int]) -> str:
    """What was told: a letter for each stretch of one tone, S for the sentence."""
    told, last = "", ""
    for at in range(0, len(samples) - LINE, LINE):
        piece = samples[at : at + LINE]
        found = ""
        if max(map(abs, piece)) > 1000:
            names = {"S": SENTENCE_HZ} | TONES
            found = max(names, key=lambda name: share(piece, names[name]))
        if found != last and found and last == "":
            told += found
        last = found
    return told


@pytest.fixture
def network(calls: Calls) -> Iterator[TelephoneNetwork]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))  # a path as long as that of a gateway's sounds
    folder.chmod(0o755)

    async def render(text: str, language: str) -> Path:
        hertz = TONES.get(text, SENTENCE_HZ)
        return await asyncio.to_thread(beep, folder / f"{hertz:032}", hertz)

    yield TelephoneNetwork(calls.edge.say, render)
    shutil.rmtree(folder)


async def test_the_code_is_heard_twice(calls: Calls, pstn: Phone, network: TelephoneNetwork) -> None:
    pstn.plan = {ADA: Answer()}
    assert await network.deliver(NOTICE) is Delivery.DELIVERED
    call = await pstn.call(ADA)
    assert GATEWAY in call.caller_id
    await asyncio.wait_for(call.up.wait(), 3)
    await asyncio.wait_for(call.over.wait(), 20)  # Asterisk hangs up when it has said it
    assert read(call.rtp.samples()) == "S407712S407712"


async def test_a_destination_that_cannot_be_dialled_is_said_so(network: TelephoneNetwork, calls: Calls) -> None:
    with pytest.raises(CallFailed):
        await calls.edge.say(Channel.parse("browser:" + "0" * 32), ["digits/1"])
    with pytest.raises(CallFailed):
        await calls.edge.say(Channel.parse(f"tel:{ADA}"), ["../../etc/passwd"])


async def test_a_busy_telephone_is_rung_once(calls: Calls, pstn: Phone, network: TelephoneNetwork) -> None:
    pstn.plan = {ADA: Reject(code=486, after=0.0)}
    assert await network.deliver(NOTICE) is Delivery.DELIVERED
    await pstn.call(ADA)
    await asyncio.sleep(0.5)
    assert len([call for call in pstn.calls if call.number == ADA]) == 1
