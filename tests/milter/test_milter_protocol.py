"""The milter protocol by its tables: what may come when, what may be said to it, and what is refused."""

from __future__ import annotations

import struct
from typing import get_args

import milter_mta as mta
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.milter import answers, events
from smtp_hooks.milter.answers import (
    Accept,
    Answer,
    ChangeHeader,
    Continue,
    IllegalAnswer,
    InsertHeader,
    ReplaceBody,
    ReplyWith,
    TryLater,
)
from smtp_hooks.milter.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeader,
    EndOfMessage,
    Event,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    ProtocolError,
    Quit,
    QuitSession,
    Rcpt,
    Steps,
    Unknown,
)
from smtp_hooks.milter.protocol import CHANGES, FINAL, MAX_PACKET, ORDER, Conversation, Phase

EVENTS: tuple[type[Event], ...] = get_args(events.Event)
ANSWERS: tuple[type[Answer], ...] = get_args(answers.Answer)

SAID: dict[type[Event], bytes] = {
    Negotiate: mta.negotiate(),
    Macros: mta.macros(b"M", i="1"),
    Connect: mta.connect("192.0.2.1"),
    Helo: mta.packet(b"H", b"client.example\0"),
    Mail: mta.packet(b"M", b"<ada@example.org>\0"),
    Rcpt: mta.packet(b"R", b"<ben@example.net>\0"),
    Data: mta.packet(b"T"),
    Header: mta.packet(b"L", b"Subject\0 hi\0"),
    EndOfHeader: mta.packet(b"N"),
    Body: mta.packet(b"B", b"hello\r\n"),
    EndOfMessage: mta.packet(b"E"),
    Unknown: mta.packet(b"U", b"HULP\0"),
    Abort: mta.packet(b"A"),
    QuitSession: mta.packet(b"K"),
    Quit: mta.packet(b"Q"),
}

TO: dict[Phase, tuple[type[Event], ...]] = {
    Phase.NEW: (),
    Phase.IDLE: (Negotiate, Connect, Helo),
    Phase.ENVELOPE: (Negotiate, Connect, Mail, Rcpt),
    Phase.HEADER: (Negotiate, Connect, Mail, Rcpt, Data, Header),
    Phase.BODY: (Negotiate, Connect, Mail, Rcpt, Header, EndOfHeader, Body),
    Phase.OVER: (Negotiate, Quit),
}


def conversation(phase: Phase, steps: int = mta.ALL_STEPS) -> Conversation:
    """A conversation that has come that far."""
    made = Conversation()
    for event in TO[phase]:
        made.receive(mta.negotiate(steps=steps) if event is Negotiate else SAID[event])
    assert made.phase is phase
    return made


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.__name__)
@pytest.mark.parametrize("phase", Phase, ids=lambda p: p.name)
def test_an_event_is_in_order_or_ends_the_conversation(phase: Phase, event: type[Event]) -> None:
    talk = conversation(phase)
    after = ORDER.get((phase, event))
    if after is None:
        with pytest.raises(ProtocolError, match="does not come in phase"):
            talk.receive(SAID[event])
        assert talk.phase is phase
    else:
        (seen,) = talk.receive(SAID[event])
        assert type(seen) is event and talk.phase is after


def test_what_the_order_must_forbid() -> None:
    """The table is data; these are its reasons."""
    assert {event for phase, event in ORDER if phase is Phase.NEW} == {Negotiate, Quit}
    assert not [event for phase, event in ORDER if phase is Phase.OVER]
    assert all((phase, Mail) not in ORDER for phase in Phase if phase is not Phase.IDLE)
    assert all((Phase.IDLE, event) not in ORDER for event in (Rcpt, Data, Header, EndOfHeader, Body, EndOfMessage))
    assert (Phase.BODY, Header) not in ORDER and (Phase.HEADER, Rcpt) not in ORDER


GIVEN: dict[type[Answer], Answer] = {
    Accept: Accept(),
    Continue: Continue(),
    TryLater: TryLater(),
    ReplyWith: ReplyWith("550 5.7.1 no"),
    ChangeHeader: ChangeHeader(1, b"Subject", b" x"),
    InsertHeader: InsertHeader(0, b"X", b" y"),
    ReplaceBody: ReplaceBody(b"z"),
    answers.Agree: Conversation().agreement(),
}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: a.__name__)
@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.__name__)
def test_an_answer_is_permitted_or_raises(event: type[Event], answer: type[Answer]) -> None:
    talk = conversation(Phase.IDLE, steps=0)
    (said,) = Conversation().receive(SAID[event]) if event is Negotiate else [events.read_event(*_cut(SAID[event]))]
    if answer in FINAL.get(event, ()):
        assert talk.answer(said, [GIVEN[answer]])
    else:
        with pytest.raises(IllegalAnswer):
            talk.answer(said, [GIVEN[answer]])
    changed = [GIVEN[answer], GIVEN[Accept]]
    if answer in CHANGES.get(event, ()):
        assert talk.answer(said, changed)
    else:
        with pytest.raises(IllegalAnswer):
            talk.answer(said, changed)


def _cut(packet: bytes) -> tuple[bytes, memoryview]:
    return packet[4:5], memoryview(packet)[5:]


def test_nothing_is_said_where_silence_was_agreed() -> None:
    talk = conversation(Phase.BODY)
    assert not talk.expects_answer(Body(b"x")) and talk.expects_answer(EndOfMessage(b""))
    with pytest.raises(IllegalAnswer):
        talk.answer(Body(b"x"), [Continue()])
    assert conversation(Phase.BODY, steps=0).answer(Body(b"x"), [Continue()]) == [b"\0\0\0\1c"]


def test_only_what_is_offered_is_agreed_on() -> None:
    offered = Steps.LEADING_SPACE | Steps.SILENT_BODY
    talk = Conversation()
    (said,) = talk.receive(mta.negotiate(actions=0x13, steps=offered | 0x70000000))
    octets = b"".join(talk.answer(said, [talk.agreement()]))
    assert octets == mta.packet(b"O", struct.pack("!III", 6, 0x13, offered))  # no macros: they were not offered
    assert talk.leading_space
    talk = Conversation()
    (said,) = talk.receive(mta.negotiate(version=7))
    assert b"{auth_authen}" in b"".join(talk.answer(said, [talk.agreement()]))


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (mta.negotiate(version=2), "version 2"),
        (mta.negotiate(actions=0x01), "do not let a milter change"),
        (mta.packet(b"O", b"\0\0\0\6"), "too short"),
        (b"\0\0\0\0", "a packet of 0 octets"),
        (b"\0\0\0\0O", "a packet of 0 octets"),
        (struct.pack("!I", MAX_PACKET + 1) + b"O", "a packet of"),
        (b"EHLO client.example\r\n", "a packet of"),
        (mta.packet(b"Z"), "is not known"),
    ],
)
def test_what_does_not_begin_a_conversation(octets: bytes, complaint: str) -> None:
    talk = Conversation()
    with pytest.raises(ProtocolError, match=complaint):
        talk.receive(octets)


@pytest.mark.parametrize(
    "octets",
    [
        mta.packet(b"D", b""),
        mta.packet(b"D", b"Mi\0"),
        mta.packet(b"D", b"Mi\0one"),
        mta.packet(b"D", b"M" + b"a\0b\0" * 1000),
        mta.packet(b"C", b"host\0" + b"4\0\0192.0.2.1"),
        mta.packet(b"C", b"host\0" + b"9"),
        mta.packet(b"C", b"host"),
        mta.packet(b"H", b"client"),
    ],
)
def test_a_malformed_packet_ends_the_conversation(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        conversation(Phase.IDLE).receive(octets)


@pytest.mark.parametrize("data", [b"", b"Subject", b"Subject\0", b"Subject\0hi", b"\0hi\0", b"a\0b\0c\0"])
def test_a_malformed_field_ends_the_conversation(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        conversation(Phase.HEADER).receive(mta.packet(b"L", data))


@pytest.mark.parametrize(
    ("octets", "event"),
    [
        (mta.connect("192.0.2.1"), Connect("client.example", "192.0.2.1")),
        (mta.connect("IPv6:2001:db8::1"), Connect("client.example", "2001:db8::1")),
        (mta.packet(b"C", b"localhost\0U"), Connect("localhost", "")),
        (mta.packet(b"C", b"localhost\0L\0\0/tmp/x\0"), Connect("localhost", "")),
        (mta.macros(b"M", **{"{auth_authen}": "ada", "i": "7"}), Macros(b"M", {"auth_authen": "ada", "i": "7"})),
        (mta.packet(b"M", b"<>\0"), Mail("", ())),
        (
            mta.packet(b"M", b"ada@example.org\0SIZE=9\0BODY=8BITMIME\0"),
            Mail("ada@example.org", ("SIZE=9", "BODY=8BITMIME")),
        ),
        (mta.packet(b"M", "<ü@example.org>\0".encode()), Mail("ü@example.org", ())),
        (mta.packet(b"M", b"<\xff@example.org>\0"), Mail("\ufffd@example.org", ())),
    ],
)
def test_what_an_event_holds(octets: bytes, event: Event) -> None:
    assert conversation(Phase.IDLE).receive(octets) == [event]


def test_a_body_is_cut_into_chunks_that_every_mta_takes() -> None:
    octets = b"".join(conversation(Phase.BODY).answer(EndOfMessage(b""), [ReplaceBody(bytes(150_000)), Accept()]))
    sizes = []
    while octets:
        size = int.from_bytes(octets[:4], "big")
        sizes.append((octets[4:5], size - 1))
        octets = octets[4 + size :]
    assert sizes == [(b"b", 65_535), (b"b", 65_535), (b"b", 18_930), (b"a", 0)]
    assert conversation(Phase.BODY).answer(EndOfMessage(b""), [ReplaceBody(b""), Accept()])[0] == b"\0\0\0\1b"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("550 5.7.1 The number\nis shown", b"550 5.7.1 The number is shown"),
        ("550 5.7.1 100 %s ü", b"550 5.7.1 100 ?s ?"),
        ("250 2.0.0 ok", None),
        ("550 no code", None),
    ],
)
def test_a_reply_is_one_line_with_its_code(text: str, sent: bytes | None) -> None:
    talk = conversation(Phase.BODY)
    if sent is None:
        with pytest.raises(IllegalAnswer):
            talk.answer(EndOfMessage(b""), [ReplyWith(text)])
    else:
        assert talk.answer(EndOfMessage(b""), [ReplyWith(text)]) == [mta.packet(b"y", sent + b"\0")]


WHOLE = (
    mta.negotiate()
    + mta.macros(b"C", client_addr="192.0.2.1")
    + mta.connect("192.0.2.1")
    + mta.envelope("ada@example.org", "ben@example.net")
    + mta.message(b"From: Ada\r\nSubject: a\r\n b\r\n\r\nbody\r\n")
    + mta.packet(b"E")
    + mta.packet(b"Q")
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_packets_may_be_cut_anywhere(cuts: list[int]) -> None:
    at, seen = 0, []
    talk = Conversation()
    for cut in [*sorted(cuts), len(WHOLE)]:
        seen += talk.receive(WHOLE[at:cut])
        at = cut
    assert seen == Conversation().receive(WHOLE)
    assert type(seen[-1]) is Quit


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6), st.booleans())
def test_mangled_packets_raise_nothing_else(at: int, junk: bytes, insert: bool) -> None:
    mangled = WHOLE[:at] + junk + WHOLE[at if insert else at + len(junk) :]
    talk = Conversation()
    try:
        seen = talk.receive(mangled)
    except ProtocolError:
        return
    assert all(type(event) in EVENTS for event in seen)


@given(
    st.lists(st.tuples(st.sampled_from([bytes([c]) for c in b"OCDHMRTLNBEUAKQZ"]), st.binary(max_size=40)), max_size=12)
)
def test_any_packets_in_any_order_raise_nothing_else(packets: list[tuple[bytes, bytes]]) -> None:
    talk = conversation(Phase.IDLE)
    for command, data in packets:
        try:
            talk.receive(mta.packet(command, data))
        except ProtocolError:
            return


def test_a_packet_of_one_octet_is_not_read_with_the_next_one() -> None:
    """`D` alone is no macros of a stage, whatever comes behind it (found by bench/fuzz.py)."""
    talk = conversation(Phase.IDLE)
    with pytest.raises(ProtocolError):
        talk.receive(mta.packet(b"D", b"") + b"U")
