"""What Asterisk records, in our words: every row of the tables, without Asterisk."""

from __future__ import annotations

import pytest

from mailgate.calls.model import Answered, Bridged, Confirmed, Ended, Outcome, Ringing
from mailgate.calls.outcomes import event_of_record, outcome_of_cause, outcome_of_dial, parse_record

ID = "0123456789abcdef0123456789abcdef"


def ended(record: str) -> Ended:
    event = event_of_record(ID, parse_record(record))
    assert isinstance(event, Ended)
    return event


@pytest.mark.parametrize(
    ("cause", "offeree", "destination"),
    [
        (17, Outcome.OFFEREE_BUSY, Outcome.DESTINATION_BUSY),
        (19, Outcome.OFFEREE_NO_ANSWER, Outcome.DESTINATION_NO_ANSWER),
        (21, Outcome.OFFEREE_REJECTED, Outcome.DESTINATION_REJECTED),
        (1, Outcome.OFFEREE_WRONG_NUMBER, Outcome.DESTINATION_WRONG_NUMBER),
        (22, Outcome.OFFEREE_WRONG_NUMBER, Outcome.DESTINATION_WRONG_NUMBER),
        (28, Outcome.OFFEREE_WRONG_NUMBER, Outcome.DESTINATION_WRONG_NUMBER),
        *(
            (cause, Outcome.OFFEREE_UNREACHABLE, Outcome.DESTINATION_UNREACHABLE)
            for cause in (0, 3, 18, 20, 23, 34, 38, 58, 127)
        ),
    ],
)
def test_a_cause_has_one_meaning(cause: int, offeree: Outcome, destination: Outcome) -> None:
    assert outcome_of_cause(1, cause) is offeree
    assert outcome_of_cause(2, cause) is destination


@pytest.mark.parametrize(
    ("status", "cause", "outcome"),
    [
        ("BUSY", 17, Outcome.DESTINATION_BUSY),
        ("BUSY", 0, Outcome.DESTINATION_UNREACHABLE),
        ("NOANSWER", 0, Outcome.DESTINATION_NO_ANSWER),
        ("NOANSWER", 19, Outcome.DESTINATION_NO_ANSWER),
        ("CANCEL", 0, Outcome.OFFEREE_LEFT),
        ("CHANUNAVAIL", 1, Outcome.DESTINATION_WRONG_NUMBER),
        ("CHANUNAVAIL", 21, Outcome.DESTINATION_REJECTED),
        ("CHANUNAVAIL", 3, Outcome.DESTINATION_UNREACHABLE),
        ("CONGESTION", 34, Outcome.DESTINATION_UNREACHABLE),
        ("", 0, Outcome.DESTINATION_UNREACHABLE),
    ],
)
def test_what_dial_says_of_leg_2(status: str, cause: int, outcome: Outcome) -> None:
    assert outcome_of_dial(status, cause) is outcome


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        ("placed|0", Outcome.OFFEREE_REJECTED),
        ("answered1|10", Outcome.OFFEREE_HUNG_UP),
        ("refused1-silence|10", Outcome.NO_KEY),
        ("refused1-9|10", Outcome.NOT_ME),
        ("refused1-2|10", Outcome.DECLINED_BY_KEY),
        ("refused1-hash|10", Outcome.DECLINED_BY_KEY),
        ("refused1-*|10", Outcome.DECLINED_BY_KEY),
        ("confirmed1|10", Outcome.OFFEREE_LEFT),
        ("ringing2|10", Outcome.OFFEREE_LEFT),
        ("failed2-BUSY-17|10", Outcome.DESTINATION_BUSY),
        ("failed2-NOANSWER-|10", Outcome.DESTINATION_NO_ANSWER),
        ("answered2|10", Outcome.OFFEREE_LEFT),
        ("left2|10", Outcome.DESTINATION_HUNG_UP),
        ("refused2-silence|10", Outcome.DESTINATION_NO_KEY),
        ("refused2-alone|10", Outcome.OFFEREE_LEFT),
        ("refused2-3|10", Outcome.DESTINATION_REJECTED),
        ("confirmed2|10", Outcome.OFFEREE_LEFT),
        ("bridged|10", Outcome.COMPLETED),
        ("somethingnew|10", Outcome.LOST),
    ],
)
def test_the_last_phase_tells_the_end(last: str, outcome: Outcome) -> None:
    assert ended(f"ended|12|{last}|21|").outcome is outcome
    revoked = ended(f"ended|12|{last}|21|1").outcome
    assert revoked is (Outcome.COMPLETED if outcome is Outcome.COMPLETED else Outcome.REVOKED)


def test_the_cause_is_that_of_the_leg_that_failed() -> None:
    assert ended("ended|12|placed|0|17|").cause == 17
    assert ended("ended|12|failed2-CHANUNAVAIL-21|11|16|").cause == 21


def test_the_time_in_the_bridge_is_from_the_bridge_to_the_end() -> None:
    assert ended("ended|12+12.750|bridged|10+10.500|16|").bridged_s == 2.25
    assert ended("ended|12+12.750|answered2|10+10.500|16|").bridged_s == 0.0


@pytest.mark.parametrize(
    ("record", "event"),
    [
        ("placed|0", Ringing(attempt_id=ID, leg=1)),
        ("answered1|1+01.500", Answered(attempt_id=ID, leg=1)),
        ("refused1-9|1+01.500", Answered(attempt_id=ID, leg=1)),
        ("confirmed1|1+01.500", Confirmed(attempt_id=ID, leg=1)),
        ("ringing2|1+01.500", Ringing(attempt_id=ID, leg=2)),
        ("failed2-BUSY-17|1+01.500", Ringing(attempt_id=ID, leg=2)),
        ("answered2|1+01.500", Answered(attempt_id=ID, leg=2)),
        ("refused2-4|1+01.500", Answered(attempt_id=ID, leg=2)),
        ("left2|1+01.500", Answered(attempt_id=ID, leg=2)),
        ("confirmed2|1+01.500", Confirmed(attempt_id=ID, leg=2)),
        ("bridged|1+01.500", Bridged(attempt_id=ID, bridged_at=1.5)),
    ],
)
def test_how_far_a_live_attempt_has_come(record: str, event: object) -> None:
    assert event_of_record(ID, parse_record(record)) == event


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("1795305367", 1795305367.0),
        ("1795305367+07.728", 1795305367.728),
        ("1795305367+08.001", 1795305368.001),  # a second began between the two readings
        ("1795305419+00.002", 1795305420.002),  # a minute began
        ("1795305420+59.999", 1795305419.999),
    ],
)
def test_a_time_is_read_to_the_thousandth(time: str, seconds: float) -> None:
    assert parse_record(f"bridged|{time}").at == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "placed",
        "placed|",
        "ended|12",
        "ended|12|bridged|10",
        "ended|12|bridged|x|16|",
        "ended|1|placed|0|16|2",
        "|1",
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="record"):
        parse_record(text)
