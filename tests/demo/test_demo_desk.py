"""The demo's second scene: on Ben's screen stands what his application prints; what is music to a caller."""

from __future__ import annotations

import io
import wave
from array import array
from itertools import pairwise

import pytest
from demo_page.desk import taken_apart
from demo_page.telephones import musical
from lab.audio import Rtp, compress

from mailgate.calls.music import music

URL = "http://127.0.0.1:1/a/x"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (f"offer 2 A call | now | {URL}", {"number": "2", "title": "A call", "text": "now", "url": URL}),
        (f"offer 3 A | B | C | {URL}", {"number": "3", "title": "A | B", "text": "C", "url": URL}),
        ("offer 4 of something newer", {"kind": "offer", "text": "4 of something newer"}),
        ("changed 1 used (completed)", {"kind": "changed", "text": "1 used (completed)"}),
        ("away", {"kind": "away", "text": ""}),
    ],
)
def test_a_line_is_taken_apart(line: str, parts: dict[str, str]) -> None:
    shown = taken_apart(7, line)
    assert {name: shown[name] for name in parts} == parts
    assert ("url" in shown) == ("url" in parts)
    assert shown["id"] == 7


def heard(samples: array[int]) -> Rtp:
    rtp = Rtp(0)
    rtp.heard += bytes(compress(sample) for sample in samples)
    return rtp


def test_the_music_of_who_holds_is_music_throughout() -> None:
    with wave.open(io.BytesIO(music(12))) as file:
        tune = array("h", file.readframes(file.getnframes()))
    for begin, end in pairwise(range(4000, len(tune) - 4000, 2400)):
        assert musical(heard(tune[begin:end])), f"at {begin / 8000} s"


def test_a_tone_beside_the_scale_and_silence_are_no_music() -> None:
    assert not musical(heard(array("h", bytes(4800))))
    cycle = [(9000 * (1 if n % 13 < 6 else -1)) for n in range(2400)]  # 615 Hz, between D♯ and E
    assert not musical(heard(array("h", cycle)))
