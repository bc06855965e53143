"""The end of DATA, dot-stuffing and smuggling, against a slow reading of the same rules line by line."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.content import DATA_END, Content, stuff, unclean

_PIECES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\r\n.\r\n", b"\r\n.", b"\n.\n", b"\0"]), max_size=25
).map(b"".join)


def by_lines(wire: bytes) -> tuple[bytes, bytes] | None:
    """Content and what follows it, or None while the end has not come."""
    content = b""
    lines = wire.split(b"\r\n")
    for n, line in enumerate(lines[:-1]):
        if line == b".":
            return content, b"\r\n".join(lines[n + 1 :])
        content += line.removeprefix(b".") + b"\r\n"
    return None


@settings(deadline=None)
@given(wire=_PIECES, cuts=st.lists(st.integers(0, 60), max_size=12))
def test_content_is_found_however_it_is_cut(wire: bytes, cuts: list[int]) -> None:
    content = Content(limit=10_000)
    expected = by_lines(wire)
    points = sorted({min(cut, len(wire)) for cut in cuts} | {0, len(wire)})
    rest = None
    for start, end in pairwise(points):
        rest = content.feed(wire[start:end])
        if rest is not None:
            rest += wire[end:]
            break
    assert (rest is None) == (expected is None)
    if expected is not None:
        assert (content.message(), rest) == expected
        assert not content.too_large


@settings(deadline=None)
@given(message=_PIECES)
def test_stuffing_is_undone_by_unstuffing(message: bytes) -> None:
    wire = b"".join([*stuff(message), DATA_END])
    whole = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
    content = Content(limit=10_000)
    assert content.feed(wire + b"NOOP\r\n") == b"NOOP\r\n", "a message must not end before its end"
    assert content.message() == whole


@pytest.mark.parametrize("offset", [65_530, 65_533, 65_534, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_a_dot_is_found_wherever_it_stands(offset: int) -> None:
    """Also where the windows of the search meet."""
    plain = (b"x" * (offset - 2) + b"\r\ny").ljust(250_000, b"z") + b"\r\n"
    dotted = plain[:offset] + b"." + plain[offset + 1 :]
    assert b"".join(stuff(plain + b"a.b\r\n")) == plain + b"a.b\r\n"
    assert b"".join(stuff(dotted)) == dotted[:offset] + b"." + dotted[offset:]


@settings(deadline=None)
@given(message=_PIECES)
def test_unclean_is_whatever_is_not_whole_lines(message: bytes) -> None:
    naked = message.replace(b"\r\n", b"")
    assert bool(unclean(message)) == any(octet in naked for octet in (b"\r", b"\n", b"\0"))


@pytest.mark.parametrize(("size", "too_large"), [(1000, False), (1002, True), (500_000, True)])
def test_limit_is_of_content(size: int, too_large: bool) -> None:
    content = Content(limit=1000)
    wire = b"x" * (size - 2) + b"\r\n.\r\nQUIT\r\n"
    rest = None
    for n in range(0, len(wire), 700):
        rest = content.feed(wire[n : n + 700])
    assert rest is not None
    assert rest.endswith(b"QUIT\r\n")
    assert content.too_large == too_large
