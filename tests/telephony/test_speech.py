"""Sentences become sound files that Asterisk plays, and never anything else."""

from __future__ import annotations

import asyncio
import io
import logging
import math
import sys
import time
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.cast import OFFEREE, Calls
from lab.phone import Answer, Phone

from mailgate.calls.model import Answered, CallOrder, Outcome
from mailgate.calls.sound import telephone_wav
from mailgate.calls.speech import LONGEST_TEXT, Speech, SpeechSettings, clean
from mailgate.errors import ConfigError

Make = Callable[..., CallOrder]


def sine(hertz: float, rate: int, seconds: float = 0.5, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sink:
        sink.setparams((channels, 2, rate, 0, "NONE", ""))
        samples = [int(12_000 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(int(rate * seconds))]
        sink.writeframes(array("h", [s for s in samples for _ in range(channels)]).tobytes())
    return out.getvalue()


def samples_of(data: bytes) -> array[int]:
    with wave.open(io.BytesIO(data)) as source:
        assert (source.getframerate(), source.getnchannels(), source.getsampwidth()) == (8000, 1, 2)
        return array("h", source.readframes(source.getnframes()))


def level(samples: array[int]) -> float:
    middle = samples[400:-400]
    return math.sqrt(sum(s * s for s in middle) / len(middle))


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_in_the_telephones_band_comes_through_at_its_pitch(rate: int, channels: int) -> None:
    samples = samples_of(telephone_wav(sine(1000, rate, channels=channels)))
    assert len(samples) == pytest.approx(4000, abs=2)
    expected = array("h", (int(12_000 * math.sin(2 * math.pi * 1000 * i / 8000)) for i in range(len(samples))))
    error = array("h", (a - b for a, b in zip(samples, expected, strict=True)))
    assert level(error) < 0.02 * level(expected)


@pytest.mark.parametrize("hertz", [5500, 7000, 10_000])
def test_what_lies_above_it_does_not_fold_back(hertz: int) -> None:
    assert level(samples_of(telephone_wav(sine(hertz, 22_050)))) < 0.01 * 12_000


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"no sound at all", sine(440, 4000), sine(440, 8000, 61)]
)
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"WAV|16 bit"):
        telephone_wav(data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ada Lovelace offers you a call.", "Ada Lovelace offers you a call."),
        ("  Zoë\n\tMüller  ", "Zoë Müller"),
        ("<speak>Ada</speak>", "speak Ada /speak"),
        ("[[h@l'oU]] Ada", "h@l'oU Ada"),
        ("Ada\x00\x1b[2J\u202e", "Ada 2J"),
        ("-f /etc/passwd", "-f /etc/passwd"),
        ("\x07", ""),
    ],
)
def test_a_text_is_words_only(text: str, said: str) -> None:
    assert clean(text) == said


def test_a_long_text_ends_with_a_whole_word() -> None:
    said = clean("word " * 1000)
    assert len(said) <= LONGEST_TEXT
    assert set(said.split()) == {"word"}


async def test_a_sentence_is_made_once_and_kept(tmp_path: Path) -> None:
    speech = Speech(SpeechSettings(folder=tmp_path / "speech"))
    text = "Ada Lovelace offers you a call. Press 1 to accept."
    paths = await asyncio.gather(*(speech.render(text, "en") for _ in range(5)))
    assert len(set(paths)) == 1
    path = paths[0]
    assert path is not None
    samples = samples_of(path.with_suffix(".wav").read_bytes())
    assert 1 < len(samples) / 8000 < 10
    assert level(samples) > 300
    assert sorted(p.name for p in path.parent.iterdir()) == [f"{path.name}.wav"]
    assert path.with_suffix(".wav").stat().st_mode & 0o444 == 0o444
    asked_at = time.monotonic()
    assert await speech.render(text, "en") == path
    assert time.monotonic() - asked_at < 0.05
    other = await speech.render(text, "fr")
    assert other not in (path, None)


async def test_a_text_is_never_an_argument(tmp_path: Path) -> None:
    """The program is given the text as it stands, on its standard input, and nothing of it elsewhere."""
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, pathlib\n"
        "pathlib.Path(sys.argv[2]).write_text(repr((sys.argv[3:], sys.stdin.read())))\n"
        f"pathlib.Path(sys.argv[1]).write_bytes(bytes.fromhex({sine(440, 8000).hex()!r}))\n"
    )
    seen = tmp_path / "seen"
    command = (sys.executable, str(script), "{output}", str(seen), "{language}")
    text = "-w /tmp/x; $(touch /tmp/y) `z` && {output} --help"
    path = await Speech(SpeechSettings(folder=tmp_path / "s", command=command)).render(text, "pt-br")
    assert path is not None
    assert seen.read_text() == repr((["pt-br"], "-w /tmp/x; $(touch /tmp/y) z && output --help"))


@pytest.mark.parametrize(
    "command",
    [
        ("/no/such/program", "{output}"),
        (sys.executable, "-c", "raise SystemExit(3)", "{output}"),
        (sys.executable, "-c", "pass", "{output}"),
        (sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('no sound')", "{output}"),
        (sys.executable, "-c", "import time; time.sleep(60)", "{output}"),
    ],
    ids=["missing", "fails", "writes nothing", "writes nonsense", "hangs"],
)
async def test_without_a_working_program_there_is_no_sound_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: tuple[str, ...]
) -> None:
    speech = Speech(SpeechSettings(folder=tmp_path / "speech", command=command, timeout_s=0.5))
    with caplog.at_level(logging.ERROR):
        assert await speech.render("Ada offers you a call.", "en") is None
        assert await speech.render("Ada offers you another call.", "en") is None
    assert len(caplog.records) == 1
    assert list((tmp_path / "speech").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "language"), [("", "en"), ("<>", "en"), ("Ada", "en;x"), ("Ada", "../en"), ("Ada", "")]
)
async def test_what_cannot_be_said_is_refused(tmp_path: Path, text: str, language: str) -> None:
    with pytest.raises(ValueError, match=r"say|language"):
        await Speech(SpeechSettings(folder=tmp_path)).render(text, language)


@pytest.mark.parametrize("folder", ["relative", "/with space", "/a,b", "/a/../b"])
def test_a_folder_that_asterisk_could_not_be_told_of_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError):
        SpeechSettings(folder=Path(folder))


async def test_the_offeree_hears_the_announcement_and_may_interrupt_it(
    calls: Calls, pstn: Phone, order: Make, tmp_path: Path
) -> None:
    """A file of our own is played to leg 1, told by its pitch; where it is missing, the built-in one is."""
    announcement = tmp_path / "tone"
    announcement.with_suffix(".wav").write_bytes(telephone_wav(sine(1500, 22_050, seconds=3)))
    pstn.plan = {OFFEREE: Answer()}
    made = order(announcement=str(announcement))
    await calls.edge.originate(made)
    await calls.seen(made.attempt_id, Answered)
    call = await pstn.call(OFFEREE)
    await asyncio.sleep(2)
    assert call.rtp.tones(1500)[1500] > 0.9
    call.rtp.press("2")
    pressed_at = time.monotonic()
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.DECLINED_BY_KEY
    assert time.monotonic() - pressed_at < 1.2

    missing = order(announcement=str(tmp_path / "missing"))
    await calls.edge.originate(missing)
    await calls.seen(missing.attempt_id, Answered)
    call = await pstn.call(OFFEREE, since=1)
    await asyncio.sleep(1.3)
    # The built-in announcement came instead: in these tests a beep, where there is silence otherwise.
    assert len({octet & 0x7F for octet in call.rtp.heard[-4000:]}) > 20
    assert (await calls.ended(missing.attempt_id)).outcome is Outcome.NO_KEY
