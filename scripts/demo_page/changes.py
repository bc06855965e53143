"""What mailgate changed: two raw messages → lines that stayed, went or came, ready to be shown. Pure.

What the mail servers on the way wrote on top (Received and its kin) is set apart, so that what is left is mailgate's.
Long stretches that say nothing new, and the icon's base64, are folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Literal

Kind = Literal["same", "gone", "new", "trace", "fold"]

_TRACE = re.compile(r"(?:Return-Path|Delivered-To|X-Original-To|Received):", re.IGNORECASE)  # RFC 5321, 4.4
_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,76}={0,2}\Z")
_CONTEXT = 3
_SHORTEST_FOLD = 4
_ALIKE = 0.5
_SAME_BEGINNING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line, or a folded stretch: then `hidden` are its rows. `marked` are the parts (from, to) that differ."""

    kind: Kind
    text: str
    marked: tuple[tuple[int, int], ...] = ()
    hidden: tuple[Row, ...] = ()


def compare(before: bytes, after: bytes) -> list[Row]:
    """The rows from one message to the other."""
    trace, rest = _without_trace(_lines(after))
    rows = [Row(kind="trace", text=line) for line in trace]
    return [
        *_fold_run(rows, f"written by the mail servers on the way: {len(rows)} lines"),
        *_compare(_lines(before), rest),
    ]


def _lines(message: bytes) -> list[str]:
    return message.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n").split("\n")


def _without_trace(lines: list[str]) -> tuple[list[str], list[str]]:
    """Trace fields, and all other lines. A field goes on with lines that begin with a blank (RFC 5322, 2.2.3)."""
    end = lines.index("") if "" in lines else len(lines)
    trace: list[str] = []
    rest: list[str] = []
    into = rest
    for line in lines[:end]:
        if line[:1] not in (" ", "\t"):
            into = trace if _TRACE.match(line) else rest
        into.append(line)
    return trace, rest + lines[end:]


def _compare(before: list[str], after: list[str]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    steps = matcher.get_opcodes()
    for number, (step, a, b, c, d) in enumerate(steps):
        if step == "equal":
            yield from _fold_same(before[a:b], first=number == 0, last=number == len(steps) - 1)
        else:
            yield from _changed(before[a:b], after[c:d])


def _fold_same(lines: list[str], *, first: bool, last: bool) -> Iterator[Row]:
    """Some lines of context stay in sight on the sides where something differs."""
    rows = [Row(kind="same", text=line) for line in lines]
    head, tail = 0 if first else _CONTEXT, 0 if last else _CONTEXT
    middle = rows[head : len(rows) - tail]
    if len(middle) < _SHORTEST_FOLD:
        yield from rows
        return
    yield from rows[:head]
    yield Row(kind="fold", text=f"unchanged: {len(middle)} lines", hidden=tuple(middle))
    yield from rows[len(rows) - tail :]


def _changed(gone: list[str], new: list[str]) -> Iterator[Row]:
    """Lines that are much alike are shown as one line that changed, words marked; the others as they are."""
    pairs: dict[int, int] = {}
    for number, line in enumerate(gone):
        free = [n for n in range(len(new)) if n not in pairs.values() and n > max(pairs.values(), default=-1)]
        alike = max(free, key=lambda n: _likeness(line, new[n]), default=None)
        if alike is not None and _likeness(line, new[alike]) > _ALIKE:
            pairs[number] = alike
    came = 0
    for number, line in enumerate(gone):
        if number not in pairs:
            yield Row(kind="gone", text=line)
            continue
        yield from _fold_new(new[came : pairs[number]])
        old_marks, new_marks = _marks(line, new[pairs[number]])
        yield Row(kind="gone", text=line, marked=old_marks)
        yield Row(kind="new", text=new[pairs[number]], marked=new_marks)
        came = pairs[number] + 1
    yield from _fold_new(new[came:])


def _likeness(a: str, b: str) -> float:
    """0 to 1. Lines that begin alike are taken for the same line, however they go on."""
    if not a.strip() or not b.strip():
        return 0.0
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    if len(a[:alike].strip()) >= _SAME_BEGINNING:
        return 1.0
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > _ALIKE and matcher.quick_ratio() > _ALIKE else 0.0


def _words(line: str) -> list[str]:
    return re.findall(r"[\w@.]+|\s+|.", line)


def _marks(a: str, b: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The places (from, to) in each line that the other has not; a blank between two such places belongs to them."""
    left, right = _words(a), _words(b)
    steps = [s for s in SequenceMatcher(None, left, right, autojunk=False).get_opcodes() if s[0] != "equal"]
    return _places(a, left, [s[1:3] for s in steps]), _places(b, right, [s[3:5] for s in steps])


def _places(line: str, words: list[str], spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for first, last in spans:
        start, end = len("".join(words[:first])), len("".join(words[:last]))
        if found and not line[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], end)
        elif start < end:
            found.append((start, end))
    return tuple(found)


def _fold_new(lines: list[str]) -> Iterator[Row]:
    """New lines, with what nobody reads folded: base64, and a signature after its first line."""
    run: list[Row] = []
    what = ""
    signed = False
    for line in lines:
        signed = line.startswith("DKIM-Signature:") or (signed and line[:1] == " ")
        kind = "base64" if _BASE64.match(line) else "the signature goes on" if signed and line[:1] == " " else ""
        if kind != what:
            yield from _fold_run(run, f"{what}: {len(run)} lines")
            run, what = [], kind
        if kind:
            run.append(Row(kind="new", text=line))
        else:
            yield Row(kind="new", text=line)
    yield from _fold_run(run, f"{what}: {len(run)} lines")


def _fold_run(rows: list[Row], text: str) -> Iterator[Row]:
    if len(rows) < _SHORTEST_FOLD:
        yield from rows
    else:
        yield Row(kind="fold", text=text, hidden=tuple(rows))
