"""What a caller hears while waiting, where the administrator names no class of musiconhold.conf: quiet broken chords,
made here, so that there is music on every Asterisk and nobody's rights are in it. Pure.

Out comes a WAV file as Asterisk plays it: 8 kHz, mono, 16 bit, of whole seconds, soft at both ends.
"""

from __future__ import annotations

import math
from array import array

from mailgate.calls.sound import RATE, wav

# C major, A minor, F major, G major: two octaves around middle C, in MIDI numbers.
_CHORDS = (
    (48, 55, 60, 64, 67, 64, 60, 55),
    (45, 52, 57, 60, 64, 60, 57, 52),
    (41, 48, 53, 57, 60, 57, 53, 48),
    (43, 50, 55, 59, 62, 59, 55, 50),
)
_NOTE_S = 0.3125
_LOUDNESS = 2600  # of 32767: well below speech
_FADE_S = 0.5


def music(seconds: int) -> bytes:
    """A WAV file of that length."""
    total = seconds * RATE
    out = array("d", bytes(8 * total))
    note = int(_NOTE_S * RATE)
    for step, start in enumerate(range(0, total, note)):
        pitch = _CHORDS[step // 8 % 4][step % 8]
        hertz = 440.0 * 2 ** ((pitch - 69) / 12)
        # A struck string: the note sounds on into the next ones, and dies away.
        for i in range(min(4 * note, total - start)):
            fall = math.exp(-3.0 * i / (2 * note)) * min(1.0, i / 80)
            turn = 2 * math.pi * hertz * i / RATE
            out[start + i] += _LOUDNESS * fall * (math.sin(turn) + 0.3 * math.sin(2 * turn))
    fade = int(_FADE_S * RATE)
    for i in range(min(fade, total)):
        out[i] *= i / fade
        out[-1 - i] *= i / fade
    return wav(array("h", (max(-32768, min(32767, round(sample))) for sample in out)))
