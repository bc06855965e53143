"""Speech programs' WAV files made into what Asterisk plays: 8 kHz, mono, 16 bit. Pure.

Asterisk plays a file of any other rate as silence and says so only in its log. In goes a RIFF WAVE file of any rate
from 8 to 48 kHz, 16 bit, out comes one of 8 kHz, resampled by libsoxr: about 0.3 ms for each second of speech.
"""

from __future__ import annotations

import io
import wave
from array import array
from sys import byteorder

RATE = 8000
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
    # Imported here: with numpy it takes 20 MiB and a tenth of a second, which the first sentence can afford and every
    # command of `mailgate` cannot.
    import numpy
    import soxr

    there = soxr.resample(numpy.frombuffer(samples, dtype=numpy.int16), rate, RATE, quality="HQ")
    return array("h", there.astype(numpy.int16).tobytes())
