"""Speech programs' WAV files made into what Asterisk plays: 8 kHz, mono, 16 bit. Pure.

Asterisk plays a file of any other rate as silence and says so only in its log. In goes a RIFF WAVE file of any rate
from 8 to 48 kHz, 16 bit, out comes one of 8 kHz: a low-pass at 3.4 kHz (the telephone's band, ITU-T G.712) by a
windowed sinc, evaluated only where an output sample lies.
Known limits: plain Python, about 25 ms for each second of speech; callers keep it off the event loop.
"""

from __future__ import annotations

import io
import math
import wave
from array import array
from operator import mul
from sys import byteorder

RATE = 8000
_CUTOFF = 3400.0
_ZERO_CROSSINGS = 8  # on each side; enough for speech, 50 dB down in the stop band
LONGEST_S = 60.0


def telephone_wav(data: bytes) -> bytes:
    """The same sound as Asterisk wants it. Raises ValueError where the data is no such WAV file, or too long."""
    try:
        with wave.open(io.BytesIO(data)) as source:
            rate, channels, width = source.getframerate(), source.getnchannels(), source.getsampwidth()
            # A program that writes to a pipe leaves the length open: read what is there.
            raw = source.readframes(int(min(source.getnframes(), LONGEST_S * rate)))
            whole = source.getnframes() <= LONGEST_S * rate
    except (wave.Error, EOFError) as error:
        raise ValueError("not a WAV file") from error
    if width != 2 or not 8000 <= rate <= 48000 or channels not in (1, 2) or not whole:
        raise ValueError("not 16 bit, one or two channels, 8 to 48 kHz, of a minute at most")
    samples = array("h", raw[: len(raw) - len(raw) % (2 * channels)])
    if byteorder == "big":
        samples.byteswap()
    if channels == 2:
        samples = array("h", ((a + b) // 2 for a, b in zip(samples[::2], samples[1::2], strict=True)))
    return wav(samples if rate == RATE else _resample(samples, rate))


def wav(samples: array[int]) -> bytes:
    """A WAV file of samples at RATE."""
    if byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    out = io.BytesIO()
    with wave.open(out, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(RATE)
        sink.writeframes(samples.tobytes())
    return out.getvalue()


def _resample(samples: array[int], rate: int) -> array[int]:
    """Output sample n lies at input position n · rate / 8000; there are few distinct fractions, so few sets of taps."""
    divisor = math.gcd(rate, RATE)
    up, down = RATE // divisor, rate // divisor
    cutoff = _CUTOFF / rate  # in cycles for each input sample
    reach = math.ceil(_ZERO_CROSSINGS / (2 * cutoff))
    taps = [_taps(phase / up, cutoff, reach) for phase in range(up)]
    padded = array("h", bytes(2 * reach)) + samples + array("h", bytes(2 * (reach + 1)))
    out = array("h")
    for n in range(len(samples) * up // down):
        start, phase = divmod(n * down, up)
        value = sum(map(mul, taps[phase], padded[start : start + 2 * reach + 1]))
        out.append(max(-32768, min(32767, round(value))))
    return out


def _taps(fraction: float, cutoff: float, reach: int) -> list[float]:
    """A windowed sinc (Hann) centred `fraction` of a sample after the middle, its sum 1."""
    taps = []
    for i in range(-reach, reach + 1):
        x = i - fraction
        angle = 2 * math.pi * cutoff * x
        sinc = 1.0 if x == 0 else math.sin(angle) / angle
        taps.append(sinc * (0.5 + 0.5 * math.cos(math.pi * x / (reach + 1))))
    total = sum(taps)
    return [tap / total for tap in taps]
