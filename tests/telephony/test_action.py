"""The Originate of an attempt: what it says, and that nothing can be smuggled into it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailgate.calls.action import FIELDS, SLOTS, TIDY, WEEK_S, originate_action, record_families, ways
from mailgate.calls.asterisk.link import Message
from mailgate.calls.asterisk.seats import Seats
from mailgate.calls.model import CallOrder, Channel, Further
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.trunks import Line, LinesBusy

SETTINGS = AsteriskSettings(gateway_number="+33199009000", secret="not-so-secret", outbound="elsewhere")
Make = Callable[..., CallOrder]


def variables(order: CallOrder, now: float = 0.0) -> dict[str, str]:
    lines = originate_action(order, SETTINGS, now)["Variable"]
    assert isinstance(lines, list)
    return dict(line.split("=", 1) for line in lines)


def fields(order: CallOrder, now: float = 0.0) -> dict[str, str]:
    """The order as the dialplan reads it."""
    return dict(zip(FIELDS, variables(order, now)["__MG_ORDER"].split("|"), strict=True))


@pytest.mark.parametrize(
    ("uri", "dialled"),
    [
        ("tel:+33199001234", "PJSIP/+33199001234@trunk"),
        ("sip:alice", "PJSIP/alice"),
        ("sip:bob@example.org:5070", "PJSIP/elsewhere/sip:bob@example.org:5070"),
    ],
)
def test_how_a_channel_is_dialled(uri: str, dialled: str) -> None:
    assert ways(Channel.parse(uri), SETTINGS) == (dialled,)


def test_a_browser_leg_is_not_dialled_and_sip_elsewhere_needs_an_endpoint() -> None:
    closed = AsteriskSettings(gateway_number="+33199009000", secret="not-so-secret")
    for uri, settings in (
        (f"browser:{'0' * 32}", SETTINGS),
        ("dial-in:1.2", SETTINGS),
        ("sip:bob@example.org", closed),
    ):
        with pytest.raises(ValueError, match=r"cannot be dialled|no endpoint"):
            ways(Channel.parse(uri), settings)


OWNER = "a1" * 16
OPEN = replace(SETTINGS, pages={OWNER: ("127.0.0.88:4002", "127.0.0.88:4001")})


def test_pages_of_one_person_ring_at_once_and_know_the_attempt(order: Make) -> None:
    page = Channel.parse(f"page:{OWNER}")
    made = order(leg2=page)
    lines = originate_action(made, OPEN, 0.0)["Variable"]
    told = next(line for line in lines if line.startswith("__MG_ORDER=")).removeprefix("__MG_ORDER=")
    found = dict(zip(FIELDS, told.split("|"), strict=True))
    each = [f"PJSIP/mailgate-web/sip:page@127.0.0.88:{n};transport=ws;attempt={made.attempt_id}" for n in (4002, 4001)]
    assert found["leg2"] == "&".join(each)
    as_leg1 = originate_action(replace(made, leg1=page, leg2=made.leg1), OPEN, 0.0)
    assert as_leg1["Channel"] == each[0], "an Originate calls one, the newest"


def test_a_page_that_was_closed_since_gives_way_to_the_next_channel(order: Make) -> None:
    page, telephone = Channel.parse(f"page:{OWNER}"), Channel.parse("tel:+33199001234")
    following = Further(channel=telephone, confirm=True)
    found = fields(order(leg2=page, confirm2=False, then2=(following,)))
    assert found["leg2"] == "PJSIP/+33199001234@trunk"
    assert (found["ask2"], found["more"]) == ("1", "")
    with pytest.raises(ValueError, match="no page of that account is open"):
        originate_action(order(leg2=page), SETTINGS, 0.0)


def test_leg_1_is_called_as_the_gateway_under_the_attempts_id(order: Make) -> None:
    made = order(ring1_s=20)
    action = originate_action(made, SETTINGS, 0.0)
    assert action["ChannelId"] == made.attempt_id
    assert action["Channel"] == f"PJSIP/{made.leg1.address}@trunk"
    assert action["CallerID"] == "<+33199009000>"
    assert action["Timeout"] == "20000"
    assert action["Async"] == "true"
    assert fields(made)["leg2"] == f"PJSIP/{made.leg2.address}@trunk"
    assert variables(made)["FORWARD_CONTEXT"] == "mailgate-none"


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt_id": "0" * 31},
        {"attempt_id": "0" * 32 + "\n"},
        {"attempt_id": "0" * 30 + "A0"},
        {"announcement": "relative/path"},
        {"announcement": "/a\r\nAction: Hangup"},
        {"announcement": "/a,MG_ASK1=0"},
        {"announcement": "/a|0"},
        {"announcement": "/a&/b"},
        {"announcement": "/a/../../etc/passwd"},
        {"announcement": "/${SHELL(id)}"},
        {"announcement2": "/a;b"},
        {"ring1_s": 0},
        {"ring2_s": 601},
        {"longest_s": 0},
        {"longest_s": 86_401},
    ],
)
def test_a_value_that_is_more_than_a_value_is_refused(order: Make, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        originate_action(order(**changes), SETTINGS, 0.0)


def test_no_value_breaks_a_line_or_splits_a_variable(order: Make) -> None:
    action = originate_action(
        order(announcement="/var/lib/mailgate/a", announcement2="/var/lib/mailgate/b"), SETTINGS, 0
    )
    for name, value in action.items():
        for text in value if isinstance(value, list) else [value]:
            assert text.isprintable()
            assert "," not in text or re.match(r'CHANNEL\(hangup_handler_push\)="mailgate-end,[a-z]+,1"\Z', text), name


def test_a_call_is_warned_of_its_end_half_a_minute_before_at_most(order: Make) -> None:
    assert fields(order(longest_s=3600))["limit"] == "3600000:30000"
    assert fields(order(longest_s=60))["limit"] == "60000:15000"


@pytest.mark.parametrize("age_s", [0, 3600, WEEK_S - 1, WEEK_S])
def test_a_record_is_found_for_a_week_at_least(order: Make, age_s: float) -> None:
    made = order()
    for placed_at in (0.0, 1_800_000_000.0, 1_800_000_000.0 + WEEK_S / 2):
        key = variables(made, placed_at)["__MG_KEY"]
        families = record_families(placed_at + age_s)
        assert key in [f"{family}/{made.attempt_id}" for family in families]


def test_what_is_swept_holds_no_record_that_is_still_looked_up(order: Make) -> None:
    for week in range(6):
        now = 1_800_000_000.0 + week * WEEK_S
        number = int(fields(order(), now)["week"])
        assert f"mailgate/{(number + 1) % SLOTS}" not in record_families(now), "what the dialplan sweeps"
        assert f"mailgate/{number % SLOTS}" == record_families(now)[0]


def test_one_attempt_in_eight_looks_whether_a_week_is_over(order: Make) -> None:
    ids = [f"{number:032x}" for number in range(4 * TIDY)]
    ends = [variables(order(attempt_id=each), 0.0)["CHANNEL(hangup_handler_push)"] for each in ids]
    assert ends.count('"mailgate-end,tidy,1"') == 4
    assert ends.count('"mailgate-end,s,1"') == len(ends) - 4


def test_leg_2_s_further_channels_go_along_with_their_keys_and_ways(order: Make) -> None:
    here, paris = Line(name="here", capacity=2), Line(name="paris", prefixes=("+331",), capacity=1)
    settings = AsteriskSettings(gateway_number="+33199009000", secret="not-so-secret", lines=(here, paris))
    tel = Further(channel=Channel.parse("tel:+33199001234"))
    desk = Further(channel=Channel.parse("sip:desk"), confirm=False)
    elsewhere = Further(channel=Channel.parse("sip:bob@example.org"))  # to which no endpoint leads
    made = order(leg2=Channel.parse("sip:alice"), then2=(tel, elsewhere, desk))

    def further(lines: tuple[Line, ...] | None) -> str:
        said = originate_action(made, settings, 0.0, None, lines)["Variable"]
        assert isinstance(said, list)
        given = next(line.removeprefix("__MG_ORDER=") for line in said if line.startswith("__MG_ORDER="))
        return given.split("|")[FIELDS.index("more")]

    way = "PJSIP/+33199001234@"
    assert further(None) == f"1{way}paris!{way}here~0PJSIP/desk"
    assert further((here,)) == f"1{way}here~0PJSIP/desk", "the line that a place was kept on"
    assert further(()) == "0PJSIP/desk", "every line is in use"
    assert fields(order())["more"] == ""


@pytest.mark.parametrize(("used", "given"), [(0, ("here",)), (1, ())])
async def test_a_place_is_kept_for_the_telephone_behind_a_sip_telephone(
    order: Make, used: int, given: tuple[str, ...]
) -> None:
    """Where there is none the SIP telephone is called all the same."""
    line = Line(name="here", capacity=2)
    taken = [{"channel": f"PJSIP/here-0000000{n}", "linkedid": f"other.{n}"} for n in range(used)]

    async def channels() -> list[Message]:
        return [*taken]

    seats = Seats((line,), channels, lambda attempt_id: False)
    tel = Further(channel=Channel.parse("tel:+33199001234"))
    lines1, lines2 = await seats.take(order(leg2=Channel.parse("sip:alice"), then2=(tel,)))
    assert lines1 == (line,) and lines2 == tuple(line for _ in given)
    if given:
        with pytest.raises(LinesBusy):
            await seats.take(order())
