"""What is said in SIP for a page that is gone."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.web.sip_text import Unanswered, attempt_of, begins_call, cancelled, declined, is_one

INVITE = (
    "INVITE sip:page@127.0.0.88:47041;transport=ws SIP/2.0\r\n"
    "Via: SIP/2.0/WS 127.0.0.1:15485;rport;branch=z9hG4bKPj1\r\n"
    "From: <sip:+33199000000@vm>;tag=92d2\r\n"
    "To: <sip:page@127.0.0.88>\r\n"
    "Call-ID: one\r\n"
    "CSeq: 32702 INVITE\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 6\r\n\r\nTo: x\r\n"
)


def answer(code: str, call: str = "one", method: str = "INVITE") -> str:
    return f"SIP/2.0 {code} Whatever\r\nCall-ID: {call}\r\nCSeq: 32702 {method}\r\n\r\n"


def test_who_is_gone_while_it_rings_is_not_available() -> None:
    passed = Unanswered()
    passed.sent(INVITE)
    passed.answered(answer("180"))
    passed.answered(answer("200", method="UPDATE"))
    passed.answered(answer("486", call="another"))
    [said] = passed.answers()
    assert said.split("\r\n") == [
        "SIP/2.0 480 Temporarily Unavailable",
        "via: SIP/2.0/WS 127.0.0.1:15485;rport;branch=z9hG4bKPj1",
        "from: <sip:+33199000000@vm>;tag=92d2",
        "to: <sip:page@127.0.0.88>;tag=gone",
        "call-id: one",
        "cseq: 32702 INVITE",
        "content-length: 0",
        "",
        "",
    ]


def test_what_was_answered_needs_no_answer() -> None:
    for code in ("200", "486", "603"):
        passed = Unanswered()
        passed.sent(INVITE)
        passed.answered(answer(code))
        assert passed.answers() == []
    passed = Unanswered()
    passed.sent(INVITE.replace("0.88>\r\n", "0.88>;tag=here\r\n"))
    passed.sent("BYE sip:page SIP/2.0\r\nCall-ID: one\r\n\r\n")
    passed.answered("OPTIONS sip:x SIP/2.0\r\n\r\n")
    passed.answered("SIP/2.0 ")
    assert passed.answers() == [], "a call that there is already"


ATTEMPT = "0a" * 16
RINGS = INVITE.replace("transport=ws", f"transport=ws;attempt={ATTEMPT}")


def test_who_declines_does_so_for_the_attempt() -> None:
    passed = Unanswered()
    passed.sent(RINGS)
    assert passed.answered(answer("180")) == passed.answered(answer("603", call="another")) == ""
    assert passed.answered(answer("603")) == ATTEMPT
    passed.sent(RINGS)
    assert passed.answered(answer("486")) == "", "busy at this page, and not at another one"
    passed.sent(RINGS)
    assert passed.take("1b" * 16) == []
    assert passed.take(ATTEMPT) == [RINGS]
    assert passed.answers() == [] and passed.answered(answer("487")) == "", "it has been answered"


def test_a_call_is_talked_until_somebody_hangs_up() -> None:
    passed = Unanswered()
    bye = "BYE sip:page SIP/2.0\r\nCall-ID: one\r\n\r\n"
    for hang_up in (passed.sent, passed.answered):
        passed.sent(RINGS)
        assert not passed.talks
        passed.answered(answer("200"))
        assert passed.talks
        passed.answered(bye.replace("one", "another"))
        assert passed.talks
        hang_up(bye)
        assert not passed.talks


def test_another_page_is_told_that_it_rings_no_more() -> None:
    two = RINGS.replace("Via: ", "Via: SIP/2.0/WS top;branch=z9hG4bKtop\r\nVia: ")
    assert cancelled(two).split("\r\n") == [
        f"CANCEL sip:page@127.0.0.88:47041;transport=ws;attempt={ATTEMPT} SIP/2.0",
        "via: SIP/2.0/WS top;branch=z9hG4bKtop",
        "from: <sip:+33199000000@vm>;tag=92d2",
        "to: <sip:page@127.0.0.88>",
        "call-id: one",
        "cseq: 32702 CANCEL",
        "max-forwards: 70",
        "content-length: 0",
        "",
        "",
    ]
    assert declined(two).startswith("SIP/2.0 603 Decline\r\nvia: SIP/2.0/WS top;branch=z9hG4bKtop\r\nvia: ")


@pytest.mark.parametrize(
    "line",
    [
        f"INVITE sip:page@h;attempt={ATTEMPT}0 SIP/2.0",
        f"INVITE sip:page@h;attempt={ATTEMPT[1:]} SIP/2.0",
        f"INVITE sip:page@h;attempt={ATTEMPT.upper()} SIP/2.0",
        f"INVITE sip:page@h SIP/2.0;attempt={ATTEMPT} ",
        f"OPTIONS sip:page@h;attempt={ATTEMPT} SIP/2.0",
    ],
)
def test_what_calls_for_no_attempt(line: str) -> None:
    assert attempt_of(f"{line}\r\nTo: x\r\n\r\n") == ""
    assert attempt_of(RINGS) == ATTEMPT


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("A\r\nContent-Length: 0\r\n\r\n", True),
        ("A\r\nl: 2\r\n\r\né", True),
        ("A\r\nContent-Length: 0\r\n\r\nREGISTER sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n", False),
        ("A\r\nContent-Length: 5\r\n\r\nfour", False),
        ("A\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", False),
        ("A\r\nContent-Length: 0", False),
        ("A\r\n\r\n", False),
    ],
)
def test_one_message_in_a_frame(text: str, one: bool) -> None:
    assert is_one(text) is one


WORDS = st.text(string.ascii_letters + string.digits + ".@:;=<> \t-", max_size=30)
HEADERS = st.tuples(
    st.sampled_from(["Via", "To", "TO", "From", "Call-ID", "CSeq", "cseq", "Content-Length", "X", "", " "]),
    st.one_of(WORDS, st.sampled_from(["one", "two", "1 INVITE", "1 BYE", "<sip:page>;tag=t"])),
)
STARTS = st.sampled_from(
    [
        *("INVITE sip:p SIP/2.0", f"INVITE sip:p;attempt={ATTEMPT} SIP/2.0", "INVITE ", "BYE sip:p SIP/2.0"),
        *("SIP/2.0 ", "SIP/2.0 1", "SIP/2.0 200 OK", "SIP/2.0 603 Decline", "SIP/2.0 487", "SIP/2.0 x", "", "\r\n"),
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> str:
    """Something like SIP, or nothing like it."""
    lines = [f"{name}{draw(st.sampled_from([':', ': ', ' : ', '']))}{value}" for name, value in draw(_SEVERAL)]
    text = "\r\n".join([draw(STARTS), *lines, "", draw(st.text(max_size=40))])
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


_SEVERAL = st.lists(HEADERS, max_size=8)


@given(st.lists(st.tuples(st.booleans(), st.one_of(messages(), st.text(max_size=60)))))
def test_whatever_passes_each_call_is_answered_once_at_most_and_in_one_message(passing: list[tuple[bool, str]]) -> None:
    passed = Unanswered()
    begun = 0
    for down, text in passing:
        if down:
            begun += begins_call(text)
            passed.sent(text)
        else:
            assert passed.answered(text) in ("", ATTEMPT)
        said = passed.answers()
        assert len(said) <= begun
        for invite in passed.take(ATTEMPT) if len(text) % 7 == 0 else []:
            begun -= 1
            said += [declined(invite), cancelled(invite)]
        for each in said:
            assert each.startswith(("SIP/2.0 480 ", "SIP/2.0 603 ", "CANCEL ")) and is_one(each)
            assert not begins_call(each) and not each.startswith("INVITE ")
            head, _, body = each.partition("\r\n\r\n")
            assert body == "" and all(":" in line for line in head.split("\r\n")[1:])
            assert passed.answered(each.replace("480", "200", 1)) in ("", ATTEMPT)
