"""A message put together from what an MTA tells, and a changed one told back to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from milter_mta import applied, packet, strings

from smtp_hooks.content import unclean
from smtp_hooks.milter.answers import Accept, Answer, ChangeHeader, InsertHeader, ReplaceBody
from smtp_hooks.milter.events import EndOfMessage
from smtp_hooks.milter.message import Content, Field, differences, header_differences
from smtp_hooks.milter.protocol import Conversation

OLD = b"From: a\r\nSubject: one\r\n two\r\nReceived: x\r\nSubject:\ttwo\r\n\r\nbody\r\n"


def told(message: bytes, limit: int = 10**6) -> Content:
    """The message as an MTA tells it, two octets of body at a time."""
    content = Content(limit)
    header, _, body = message.partition(b"\r\n\r\n")
    for line in header.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n"):
        name, _, value = line.partition(b":")
        content.field(name, value)
    for at in range(0, len(body), 2):
        content.body(body[at : at + 2])
    return content


def sent(changes: list[Answer]) -> list[tuple[bytes, bytes]]:
    """The changes as they go over the wire."""
    talk = Conversation()
    octets = b"".join(p for each in changes for p in talk.answer(EndOfMessage(b""), [each, Accept()])[:-1])
    found = []
    while octets:
        size = int.from_bytes(octets[:4], "big")
        found.append((octets[4:5], octets[5 : 4 + size]))
        octets = octets[4 + size :]
    return found


def test_the_message_is_the_one_that_was_told() -> None:
    content = told(OLD)
    assert content.message() == OLD
    assert not content.fault and not content.too_large


def test_a_message_without_header_or_body() -> None:
    content = Content(100)
    content.body(b"x\r\n")
    assert content.message() == b"\r\nx\r\n"
    assert told(b"From: a\r\n\r\n").message() == b"From: a\r\n\r\n"


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        b"X: 1\r\nDKIM-Signature: a;\r\n\tb\r\n" + OLD,
        OLD.replace(b"one\r\n two", b"three"),
        OLD.replace(b"\ttwo", b" three\r\n four"),
        OLD.replace(b"Subject: one\r\n two\r\n", b""),
        OLD.replace(b"Subject:\ttwo\r\n", b""),
        OLD.replace(b"Received: x\r\n", b"Received: x\r\nMIME-Version: 1.0\r\n"),
        OLD.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\n"),
        OLD.replace(b"body", b"other body"),
        b"A: 1\r\n\r\n",
        OLD.replace(b"Subject:\ttwo", b"Subject: one\r\n two"),
        OLD.replace(b"From: a\r\n", b"").replace(b"Received: x\r\n", b"Received: x\r\nFrom: a\r\n"),
    ],
)
def test_the_changes_make_the_new_message(new: bytes) -> None:
    content = told(OLD)
    changes = differences(content.fields, content.message(), new)
    assert applied(OLD, sent(changes)) == new
    assert bool(changes) == (new != OLD)
    assert any(isinstance(c, ReplaceBody) for c in changes) == (not new.endswith(b"\r\n\r\nbody\r\n"))


def test_a_new_value_is_a_change_and_not_a_new_field() -> None:
    before = [Field(b"From", b" a"), Field(b"subject", b" one"), Field(b"Subject", b" two")]
    after = [Field(b"From", b" a"), Field(b"subject", b" one"), Field(b"Subject", b" three")]
    assert header_differences(before, after) == [ChangeHeader(2, b"Subject", b" three")]


def test_deletions_come_from_the_last_to_the_first() -> None:
    before = [Field(b"X", b" %d" % n) for n in range(4)]
    after = [before[0], before[2]]
    assert header_differences(before, after) == [ChangeHeader(4, b"X", b""), ChangeHeader(2, b"X", b"")]


def test_new_fields_at_the_top_go_above_the_received_of_the_mta() -> None:
    before = [Field(b"From", b" a"), Field(b"To", b" b")]
    after = [Field(b"X", b" 1"), Field(b"Y", b" 2"), before[0], Field(b"Z", b" 3"), before[1]]
    assert header_differences(before, after) == [
        InsertHeader(0, b"X", b" 1"),
        InsertHeader(1, b"Y", b" 2"),
        InsertHeader(4, b"Z", b" 3"),
    ]


_field = st.tuples(st.sampled_from([b"A", b"a", b"B", b"Subject"]), st.sampled_from([b" 1", b" 2", b"\n 3", b"\t4"]))
_header = st.lists(_field.map(lambda f: Field(*f)), max_size=9)


def octets_of(fields: list[Field]) -> bytes:
    return b"".join(f.name + b":" + f.value.replace(b"\n", b"\r\n") + b"\r\n" for f in fields) + b"\r\n"


@given(_header, _header)
def test_any_header_can_be_made_of_any_other(before: list[Field], after: list[Field]) -> None:
    made = applied(octets_of(before) if before else b"\r\n\r\n", sent(header_differences(before, after)))
    assert made == octets_of(after)


@given(_header, st.data())
def test_edits_as_ours_are_told_as_edits(before: list[Field], data: st.DataObject) -> None:
    """A field added at the top and one deleted cost two changes, whatever the header is."""
    gone = data.draw(st.integers(0, len(before))) if before else 0
    after = [Field(b"X-New", b" 1"), *before[:gone], *before[gone + 1 :]]
    changes = header_differences(before, after)
    assert len(changes) == 1 + (gone < len(before))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Sub ject", b" x"),
        (b"Subj\xe4ct", b" x"),
        (b"A:B", b" x"),
        (b"Subject", b" x\nBcc: all@example.org"),
        (b"Subject", b" x\n"),
        (b"Subject", b" x\ry"),
    ],
)
def test_a_field_that_others_may_read_otherwise_is_a_fault(name: bytes, value: bytes) -> None:
    content = Content(1000)
    content.field(name, value)
    content.message()
    assert content.fault


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\0", b"bc"]), max_size=8), st.integers(1, 3))
def test_an_unclean_body_is_a_fault_however_it_is_cut(pieces: list[bytes], size: int) -> None:
    """The proxy's judgement of the whole content is the reference."""
    body = b"".join(pieces)
    content = Content(1000)
    for at in range(0, len(body), size):
        content.body(body[at : at + size])
    content.message()
    assert bool(content.fault) == bool(unclean(body))


def test_beyond_the_limit_nothing_is_kept() -> None:
    content = told(OLD, limit=30)
    assert content.too_large and content.message() == b"\r\n" and not content.fields
    content.field(b"A", b" 1")
    assert not content.fields


def test_a_flood_of_fields_is_not_kept() -> None:
    content = Content(10**9)
    for _ in range(30_000):
        content.field(b"A", b"")
    assert content.too_large and not content.fields


def test_the_helper_counts_as_postfix_does() -> None:
    """`applied` itself: the own Received is counted by insertions and not by changes."""
    answers = [(b"m", b"\0\0\0\1" + strings(b"Received", b" y")), (b"i", b"\0\0\0\1" + strings(b"X", b" 1"))]
    assert applied(b"Received: x\r\nA: 1\r\n\r\n", answers) == b"X: 1\r\nReceived: y\r\nA: 1\r\n\r\n"
    assert packet(b"c") == b"\0\0\0\1c"
