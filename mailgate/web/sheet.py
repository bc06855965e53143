"""A rendered page with gaps: what is the same for everybody is rendered once, what is not is filled in. Pure.

A template is rendered with `gap(name)` in the place of each value that differs; the result is cut at the gaps and
kept as octets. Filling costs a hundredth of rendering. Gaps may stand where text or a quoted attribute's value
stands in HTML: values are escaped as Jinja's autoescape would do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import escape

# private-use characters: they pass through escaping, and no template holds them (Unicode 16, 23.5)
_OPEN, _CLOSE = "\ue000", "\ue001"
_SPECIAL = re.compile("[&<>\"']")  # what escape() changes: most values hold none, and looking is cheaper
_GAP = re.compile(f"{_OPEN}([a-z]+){_CLOSE}")


def gap(name: str) -> str:
    """What a template is given in the place of the value of that name."""
    return f"{_OPEN}{name}{_CLOSE}"


class Sheet:
    """A page cut at its gaps."""

    __slots__ = ("_different", "_names", "_pieces")

    def __init__(self, html: str) -> None:
        parts = _GAP.split(html)
        self._pieces = [part.encode() for part in parts[::2]]
        self._names = parts[1::2]
        self._different = frozenset(self._names)

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The page. Raises KeyError where the value for a gap is missing."""
        escaped = {name: _escaped(values[name]) for name in self._different}
        pieces = iter(self._pieces)
        out = [next(pieces)]
        for name, piece in zip(self._names, pieces, strict=True):
            out += (escaped[name], piece)
        return b"".join(out)


def _escaped(value: str) -> bytes:
    return (str(escape(value)) if _SPECIAL.search(value) else value).encode()
