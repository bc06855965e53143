"""What each party hears, and how calls end that nobody talks in: who is called, the last half minute, machines."""

from __future__ import annotations

import asyncio
import io
import math
import time
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.cast import ADA, OFFEREE, Calls
from lab.phone import Answer, Call, Phone, Reject

from mailgate.calls import recording
from mailgate.calls.model import Answered, Bridged, CallOrder, Confirmed, Outcome, Ringing
from mailgate.calls.sound import telephone_wav
from mailgate.calls.speech import Speech, SpeechSettings

Make = Callable[..., CallOrder]
ONE = Answer(press=((0.2, "1"),))


def tone(hertz: float, seconds: float, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sink:
        sink.setparams((1, 2, rate, 0, "NONE", ""))
        samples = (int(8000 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(int(rate * seconds)))
        sink.writeframes(array("h", samples).tobytes())
    return out.getvalue()


async def first_heard(call: Call, hertz: int, within_s: float = 5.0, share: float = 0.5) -> float:
    """When a tone is heard, in monotonic seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if call.rtp.tones(hertz, seconds=0.15)[hertz] > share:
            return time.monotonic()
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {hertz} Hz within {within_s} s")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A folder that Asterisk can read."""
    tmp_path.chmod(0o755)
    return tmp_path


# --- who is called ---------------------------------------------------------------------------------------------


async def test_the_offeree_hears_who_is_called_and_then_that_it_rings(
    calls: Calls, pstn: Phone, order: Make, sounds: Path
) -> None:
    (sounds / "calling.wav").write_bytes(tone(1200, 0.8))
    pstn.plan = {OFFEREE: ONE, ADA: Answer(after=2.5)}
    made = order(calling=str(sounds / "calling"))
    await calls.edge.originate(made)
    first = await pstn.call(OFFEREE)
    await calls.seen(made.attempt_id, Confirmed)
    said_at = await first_heard(first, 1200)
    assert [call.number for call in pstn.calls] == [OFFEREE]
    second = await pstn.call(ADA)
    assert 0.3 < second.invited_at - said_at < 1.5
    assert await first_heard(first, 440, share=0.3) > second.invited_at
    await calls.edge.hang_up(made.attempt_id)
    await calls.ended(made.attempt_id)


async def test_who_hangs_up_while_it_is_said_has_left(calls: Calls, pstn: Phone, order: Make, sounds: Path) -> None:
    (sounds / "calling.wav").write_bytes(tone(1200, 3))
    pstn.plan = {OFFEREE: Answer(press=((0.2, "1"),), hang_up=0.8), ADA: ONE}
    made = order(calling=str(sounds / "calling"))
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_LEFT
    assert [call.number for call in pstn.calls] == [OFFEREE]


async def test_a_recorded_name_is_heard_between_the_spoken_words(
    calls: Calls, pstn: Phone, order: Make, sounds: Path
) -> None:
    """The recording is made to fit, joined with the words around it once, and played as one sound."""
    assert recording.keep(sounds, "ada", tone(1500, 0.6, rate=22_050)) == pytest.approx(0.6, abs=0.01)
    name = recording.find(sounds, "ada")
    assert name is not None
    speech = Speech(SpeechSettings(folder=sounds))
    said = await speech.render_around("Thank you. We are calling ", name, ".", "en")
    words = await speech.render("Thank you. We are calling ", "en")
    assert said is not None and words is not None
    whole = said.with_suffix(".wav").read_bytes()
    parts = [words.with_suffix(".wav").read_bytes(), name.read_bytes()]
    assert recording.seconds(whole) == pytest.approx(sum(map(recording.seconds, parts)), abs=0.01)
    assert await speech.render_around("Thank you. We are calling ", name, ".", "en") == said
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order(calling=str(said))
    await calls.edge.originate(made)
    first = await pstn.call(OFFEREE)
    await first_heard(first, 1500)
    assert len(pstn.calls) == 1
    await calls.edge.hang_up(made.attempt_id)
    await calls.ended(made.attempt_id)


def test_a_recording_is_of_a_name_and_can_be_taken_back(sounds: Path) -> None:
    assert recording.find(sounds, "ada") is None
    for data, complaint in ((tone(440, 6), "6.0 seconds"), (tone(440, 0.1), "0.1 seconds"), (b"MP3", "WAV")):
        with pytest.raises(ValueError, match=complaint):
            recording.keep(sounds, "ada", data)
    with pytest.raises(ValueError, match="account"):
        recording.keep(sounds, "../ada", tone(440, 1))
    recording.keep(sounds, "ada", tone(440, 1))
    assert recording.remove(sounds, "ada")
    assert not recording.remove(sounds, "ada")
    with pytest.raises(ValueError, match="8 kHz"):
        recording.joined([telephone_wav(tone(440, 1)), tone(440, 1, rate=16_000)])


# --- the longest call --------------------------------------------------------------------------------------------


async def test_both_are_warned_before_the_longest_call_is_cut(calls: Calls, pstn: Phone, order: Make) -> None:
    """A call of four seconds: silence, a beep at both ends when one second is left, and the end."""
    pstn.hertz = 0
    pstn.plan = {OFFEREE: ONE, ADA: ONE}
    made = order(longest_s=4)
    await calls.edge.originate(made)
    bridged = await calls.seen(made.attempt_id, Bridged)
    assert isinstance(bridged, Bridged)
    legs = [await pstn.call(number) for number in (OFFEREE, ADA)]
    beeps: dict[str, float] = {}
    await asyncio.sleep(0.5)
    for leg in legs:
        leg.rtp.forget()
    while not all(leg.over.is_set() for leg in legs):
        await asyncio.sleep(0.05)
        for leg in legs:
            # mu-law's 0xff and 0x7f are silence
            loud = sum(octet not in (0xFF, 0x7F) for octet in leg.rtp.heard[-800:])
            if loud > 400:
                beeps.setdefault(leg.number, time.time() - bridged.bridged_at)
    ended = await calls.ended(made.attempt_id)
    assert ended.outcome is Outcome.COMPLETED
    assert 3.8 < ended.bridged_s < 4.8
    assert set(beeps) == {OFFEREE, ADA}
    assert all(2.7 < at < 3.8 for at in beeps.values())


# --- machines, and lines that are busy ---------------------------------------------------------------------------


async def test_a_voicemail_that_answers_swallows_no_call(calls: Calls, pstn: Phone, order: Make) -> None:
    """It speaks, beeps and records: for leg 1 nobody else is called, for leg 2 nobody is put through to it."""
    voicemail = Answer(after=0.3)  # speaks on and on, and presses nothing
    pstn.plan = {OFFEREE: voicemail, ADA: ONE}
    made = order()
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.NO_KEY
    assert [call.number for call in pstn.calls] == [OFFEREE]
    await asyncio.wait_for(pstn.calls[0].over.wait(), 2)

    pstn.plan = {OFFEREE: ONE, ADA: voicemail}
    pstn.hertz = 440
    made = order()
    await calls.edge.originate(made)
    first = await pstn.call(OFFEREE, since=1)
    pstn.hertz = 1000  # the machine's voice
    await calls.until(made.attempt_id, lambda event: event == Answered(attempt_id=made.attempt_id, leg=2))
    first.rtp.forget()
    await asyncio.sleep(0.6)
    assert first.rtp.tones(1000)[1000] < 0.01
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.DESTINATION_NO_KEY
    for call in pstn.calls:
        await asyncio.wait_for(call.over.wait(), 2)


async def test_both_lines_are_busy(calls: Calls, pstn: Phone, order: Make) -> None:
    """Only the offeree's is called, and that is what is told."""
    pstn.plan = {OFFEREE: Reject(code=486), ADA: Reject(code=486)}
    made = order()
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_BUSY
    assert [call.number for call in pstn.calls] == [OFFEREE]


@pytest.mark.parametrize("hang_up", [0.0, 0.05, 0.6])
async def test_who_hangs_up_at_once_is_not_called_again(calls: Calls, pstn: Phone, order: Make, hang_up: float) -> None:
    pstn.plan = {OFFEREE: Answer(hang_up=hang_up), ADA: ONE}
    made = order()
    await calls.edge.originate(made)
    assert (await calls.ended(made.attempt_id)).outcome is Outcome.OFFEREE_HUNG_UP
    await asyncio.sleep(0.3)
    assert [call.number for call in pstn.calls] == [OFFEREE]
    assert calls.of(made.attempt_id)[0] == Ringing(attempt_id=made.attempt_id, leg=1)
