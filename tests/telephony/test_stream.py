"""What AMI messages say of attempts, without Asterisk; the real stream is read in test_calls.py."""

from __future__ import annotations

import pytest

from mailgate.calls.model import Answered, Bridged, CallEvent, Confirmed, Ended, Outcome, Ringing
from mailgate.calls.stream import LetGo, Stream, rank

ID = "0123456789abcdef0123456789abcdef"
OTHER = "1795302494.10"  # how Asterisk names calls of its own


def phase(name: str, channel: str = "PJSIP/trunk-1") -> dict[str, str]:
    return {"event": "UserEvent", "userevent": "Mailgate", "attempt": ID, "phase": name, "channel": channel}


ENTER = {"event": "BridgeEnter", "linkedid": ID, "uniqueid": ID, "bridgenumchannels": "2", "timestamp": "12.5"}
LEFT = {"event": "HangupRequest", "linkedid": ID, "uniqueid": ID}


def test_the_bridge_counts_once_and_only_after_the_dialplan_has_said_so() -> None:
    stream = Stream()
    assert stream.read(ENTER, 0.0) is None
    assert stream.read(phase("bridged"), 0.0) is None
    assert stream.read(ENTER | {"bridgenumchannels": "1"}, 0.0) is None
    assert stream.read(ENTER, 0.0) == Bridged(attempt_id=ID, bridged_at=12.5)
    assert stream.read(ENTER, 0.0) is None


@pytest.mark.parametrize(
    ("said", "bridged"),
    [
        (phase("ringing2") | {"ask": "0"}, True),
        (phase("ringing2") | {"ask": "1"}, False),
        (phase("ringing2"), False),
        (phase("confirmed2"), True),
        (phase("answered2"), False),
    ],
)
def test_leg_2_is_bridged_once_it_need_not_press_a_key_or_has(said: dict[str, str], bridged: bool) -> None:
    """Dial makes a bridge for a moment also where both have hung up while leg 2 was asked."""
    stream = Stream()
    assert stream.read(said, 0.0) is not None
    assert isinstance(stream.read(ENTER, 0.0), Bridged) == bridged


def test_a_leg_2_that_was_not_reached_is_in_no_bridge() -> None:
    stream = Stream()
    stream.read(phase("ringing2") | {"ask": "0"}, 0.0)
    stream.read(phase("failed2-BUSY-17"), 0.0)
    assert stream.read(ENTER, 0.0) is None


def test_without_a_time_in_the_event_the_clock_counts() -> None:
    stream = Stream()
    stream.read(phase("bridged"), 0.0)
    assert stream.read(ENTER | {"timestamp": ""}, 99.0) == Bridged(attempt_id=ID, bridged_at=99.0)


def test_leg_2_is_let_go_when_leg_1_leaves_while_it_is_asked() -> None:
    stream = Stream()
    assert stream.read(LEFT, 0.0) is None
    stream.read(phase("answered2", "PJSIP/bob-2"), 0.0)
    assert stream.read(LEFT | {"uniqueid": OTHER}, 0.0) is None
    assert stream.read(LEFT, 0.0) == LetGo(channel="PJSIP/bob-2")
    assert stream.read(LEFT, 0.0) is None
    stream.read(phase("answered2"), 0.0)
    stream.read(phase("confirmed2"), 0.0)
    assert stream.read(LEFT, 0.0) is None


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"event": "Newstate", "linkedid": OTHER, "uniqueid": OTHER, "channelstatedesc": "Ringing"},
        {"event": "Newstate", "linkedid": ID, "uniqueid": OTHER, "channelstatedesc": "Ringing"},
        {"event": "Newstate", "linkedid": ID, "uniqueid": ID, "channelstatedesc": "Up"},
        phase("answered1") | {"userevent": "SomebodyElses"},
        phase("answered1") | {"attempt": ID.upper()},
        phase("refused1-9"),
        {"event": "Hangup", "linkedid": ID, "uniqueid": ID, "cause": "16"},
    ],
)
def test_what_says_nothing_of_an_attempt_is_passed_over(message: dict[str, str]) -> None:
    assert Stream().read(message, 0.0) is None


def test_an_end_is_told_whatever_its_record_looks_like() -> None:
    end = {"event": "UserEvent", "userevent": "Mailgate", "attempt": ID}
    busy = Stream().read(end | {"record": "ended|12|placed|0|17|"}, 0.0)
    assert busy == Ended(attempt_id=ID, outcome=Outcome.OFFEREE_BUSY, cause=17)
    assert Stream().read(end | {"record": "nonsense"}, 0.0) == Ended(attempt_id=ID, outcome=Outcome.LOST)


def test_a_call_only_goes_forward() -> None:
    life: list[CallEvent] = [
        Ringing(attempt_id=ID, leg=1),
        Answered(attempt_id=ID, leg=1),
        Confirmed(attempt_id=ID, leg=1),
        Ringing(attempt_id=ID, leg=2),
        Answered(attempt_id=ID, leg=2),
        Confirmed(attempt_id=ID, leg=2),
        Bridged(attempt_id=ID, bridged_at=1.0),
        Ended(attempt_id=ID, outcome=Outcome.COMPLETED),
    ]
    assert [rank(event) for event in life] == list(range(1, 9))
