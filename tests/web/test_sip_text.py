"""What is said in SIP for a page that is gone."""

from __future__ import annotations

from mailgate.web.sip_text import Unanswered

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
