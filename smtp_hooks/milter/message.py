"""A message as an MTA tells it to a milter, put together, and a changed one taken apart into changes again (pure).

Header fields and body chunks → `Content.message()`, the octets that the MTA will send on, without the Received that it
adds itself. That message and the changed one → `differences`: fields changed, deleted and inserted, and the whole new
body where it differs.

Order of the changes: deletions and new values first, from the last field to the first, so that none moves another's
index, whether the MTA counts deleted fields or not; then insertions, from the top down.

Known limits: held in memory. A message with a bare CR or LF or a NUL is `unclean` and not put together: between hops it
reads in more than one way.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from io import IncrementalNewlineDecoder
from typing import NamedTuple

from smtp_hooks.milter.answers import Answer, ChangeHeader, InsertHeader, ReplaceBody

_MOST_FIELDS = 20_000  # ten times what fits into Postfix's header_size_limit as the shortest fields that are real
_NAME = re.compile(rb"[!-9;-~]+\Z")  # RFC 5322, 2.2
_UNFOLDED = re.compile(rb"\n(?![ \t])")
_FIELD = re.compile(rb"([^:\r\n]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")


class Field(NamedTuple):
    """A header field as it goes over the milter's wire: all that follows the colon, lines within it end with LF."""

    name: bytes
    value: bytes


class Content:
    """Collects a message. Beyond `limit` octets it is counted and thrown away; `too_large` becomes true."""

    __slots__ = ("_body", "_left", "_lines", "fault", "fields", "too_large")

    def __init__(self, limit: int) -> None:
        self.fields: list[Field] = []
        self.too_large = False
        self.fault = ""
        """What makes it ambiguous between hops, in words for a reply."""
        self._body: list[bytes | memoryview] = []
        self._left = limit
        self._lines = IncrementalNewlineDecoder(None, translate=False)  # notes which kinds of line ends it sees

    def field(self, name: bytes, value: bytes) -> None:
        if not _NAME.match(name) or b"\r" in value or (b"\n" in value and _UNFOLDED.search(value)):
            self.fault = "malformed header field"
        if self._room(len(name) + len(value) + 3) and len(self.fields) < _MOST_FIELDS:
            self.fields.append(Field(name, value))
        else:
            self._overflow()

    def body(self, chunk: bytes | memoryview) -> None:
        """Looked at while it is small and warm: on a whole large message the same costs twice as much."""
        if self._room(len(chunk)):
            self._body.append(chunk)
            text = str(chunk, "latin-1")
            self._lines.decode(text)
            if "\0" in text:
                self.fault = "NUL in message content"
        else:
            self._overflow()

    def message(self) -> bytes:
        """The whole message, CRLF line ends; `fault` says whether it may be used."""
        header = [b"%b:%b\r\n" % (name, value.replace(b"\n", b"\r\n")) for name, value in self.fields]
        message = b"".join([*header, b"\r\n", *self._body])
        self._body.clear()
        self._lines.decode("", final=True)
        if self._lines.newlines not in (None, "\r\n"):
            self.fault = self.fault or "bare CR or LF in message content"
        return message

    def _room(self, size: int) -> bool:
        self._left -= size
        return self._left >= 0 and not self.too_large

    def _overflow(self) -> None:
        self.too_large = True
        self.fields.clear()
        self._body.clear()


def differences(before: Sequence[Field], old: bytes, new: bytes) -> list[Answer]:
    """What makes `new` of `old`, whose fields are `before`. Both clean, as `Content.message` gives them."""
    old_at, new_at = _body_at(old), _body_at(new)
    changes = header_differences(before, list(_fields(new[:new_at])))
    if len(new) - new_at == len(old) - old_at and new[new_at:] == old[old_at:]:
        return changes
    return [*changes, ReplaceBody(memoryview(new)[new_at:])]


def header_differences(before: Sequence[Field], after: Sequence[Field]) -> list[Answer]:
    """Changes that make the fields `after` of `before`. Linear in both."""
    gone, new = _unmatched(before, after)
    numbers = _numbers(before)
    changes: list[Answer] = []
    inserted = set(new)
    waiting: dict[int, deque[int]] = defaultdict(deque)  # place between kept fields → new fields there
    for j, place in new.items():
        waiting[place].append(j)
    for i, place in gone.items():
        name = before[i].name.lower()
        replacement = next((j for j in waiting[place] if after[j].name.lower() == name), None)
        if replacement is None or not after[replacement].value:
            changes.append(ChangeHeader(numbers[i], before[i].name, b""))
        else:
            while waiting[place].popleft() != replacement:  # those before it are inserted; order is kept
                pass
            inserted.discard(replacement)
            changes.append(ChangeHeader(numbers[i], *after[replacement]))
    changes.reverse()
    return [*changes, *_insertions(after, inserted)]


def _unmatched(before: Sequence[Field], after: Sequence[Field]) -> tuple[dict[int, int], dict[int, int]]:
    """Indices of fields that only `before` has, and that only `after` has, each with the number of kept ones above.

    Each field of `after` is looked for below the last one found; what is passed over is gone. Fields are few and keep
    their order, so nothing better is needed; whatever is found, the result is right.
    """
    places: dict[Field, deque[int]] = defaultdict(deque)
    for i, field in enumerate(before):
        places[field].append(i)
    gone: dict[int, int] = {}
    new: dict[int, int] = {}
    at = kept = 0
    for j, field in enumerate(after):
        found = places.get(field)
        while found and found[0] < at:
            found.popleft()
        if not found:
            new[j] = kept
            continue
        gone.update((i, kept) for i in range(at, found[0]))
        at = found.popleft() + 1
        kept += 1
    gone.update((i, kept) for i in range(at, len(before)))
    return gone, new


def _numbers(fields: Sequence[Field]) -> list[int]:
    """Which one of its name each field is, from 1."""
    seen: dict[bytes, int] = defaultdict(int)
    numbers = []
    for field in fields:
        name = field.name.lower()
        seen[name] += 1
        numbers.append(seen[name])
    return numbers


def _insertions(after: Sequence[Field], inserted: set[int]) -> Iterator[Answer]:
    """New fields in their places. Those at the very top go above the Received that the MTA has put there and does not
    show; the index of those below counts it."""
    at_top = True
    for j, field in enumerate(after):
        if j in inserted:
            yield InsertHeader(j if at_top else j + 1, field.name, field.value or b" ")
        else:
            at_top = False


def _body_at(message: bytes) -> int:
    """Offset of the body, behind the empty line."""
    return 2 if message.startswith(b"\r\n") else message.index(b"\r\n\r\n") + 4


def _fields(header: bytes) -> Iterator[Field]:
    """The fields of a header that ends with its empty line."""
    at = 0
    end = len(header) - 2
    while at < end:
        match = _FIELD.match(header, at, end)
        if match is None:
            raise ValueError("a changed header is not made of fields")
        yield Field(match[1], match[2].replace(b"\r\n", b"\n"))
        at = match.end()
