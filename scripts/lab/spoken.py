"""What was said on the line, found in the sound that a scripted telephone has heard.

    await hears(call, said(folder, words["told"], "en"))

A sound file is known by its loudest stretch. Known limits: pure Python, some tenths of a second for ten of sound; a
sound that is heard twice is found once.
"""

from __future__ import annotations

import asyncio
import time
import wave
from array import array
from itertools import accumulate
from operator import mul
from pathlib import Path

from lab.audio import EXPANDED
from lab.dialogue import Call
from mailgate.calls.speech import Speech, SpeechSettings


def said(sounds: Path, text: str, language: str) -> Path:
    """Where a gateway keeps the sound of a text; `sounds` is its folder for them."""
    return Speech(SpeechSettings(folder=sounds)).place(text, language)


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
