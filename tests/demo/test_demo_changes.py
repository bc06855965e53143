"""The demo's diff: nothing is lost in it, what changed is in sight, what nobody reads is folded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from demo_page.changes import Row, compare

BEFORE = b"\r\n".join(
    [b"From: ada@example.org", b"Subject: x", b""]
    + [b"line %d" % n for n in range(20)]
    + [b"call 01 99 00 12 34 now", b""]
)
ICON = [b"iVBORw0KGgoAAAANSUhEUgAAACgAAAAoCAYAAACM/rhtAAACMElEQVR42u2Yv0vDQBTH"] * 6
AFTER = b"\r\n".join(
    [
        b"Received: from a",
        b"\tby b",
        b"DKIM-Signature: v=1;",
        *(b" b=%d" % n for n in range(5)),
        b"Received: from c",
        b"From: ada@example.org",
        b"Subject: x",
        b"",
        *(b"line %d" % n for n in range(20)),
        b"call ... now",
        *ICON,
        b"",
    ]
)


def flat(rows: tuple[Row, ...] | list[Row]) -> Iterator[Row]:
    for row in rows:
        if row.kind == "fold":
            yield from flat(row.hidden)
        else:
            yield row


def lines(message: bytes) -> list[str]:
    return message.decode().rstrip().split("\r\n")


def test_both_messages_can_be_read_off_the_rows() -> None:
    rows = list(flat(compare(BEFORE, AFTER)))
    assert [r.text for r in rows if r.kind in ("same", "gone")] == lines(BEFORE)
    assert sorted(r.text for r in rows if r.kind in ("same", "new", "trace")) == sorted(lines(AFTER))
    assert [r.text for r in rows if r.kind == "trace"] == ["Received: from a", "\tby b", "Received: from c"]


def test_what_changed_within_a_line_is_marked_and_in_sight() -> None:
    rows = compare(BEFORE, AFTER)
    (gone,) = [r for r in rows if r.kind == "gone"]
    assert "".join(gone.text[a:b] for a, b in gone.marked) == "01 99 00 12 34"
    assert any(r.kind == "new" and r.text == "call ... now" for r in rows)


@pytest.mark.parametrize("words", ["base64: 6 lines", "the signature goes on: 5 lines", "unchanged: "])
def test_long_stretches_are_folded(words: str) -> None:
    assert [r for r in compare(BEFORE, AFTER) if r.kind == "fold" and r.text.startswith(words)]


def test_an_untouched_message_has_no_changes() -> None:
    assert {r.kind for r in flat(compare(BEFORE, BEFORE))} == {"same"}
