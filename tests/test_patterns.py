"""Regular expressions that every Python that mailgate runs on reads alike."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [path for room in ("mailgate", "smtp_hooks", "tokens") for path in sorted((ROOT / room).rglob("*.py"))]
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{+[0-9,]+\}+)\+")


@pytest.mark.parametrize("pattern", ["(?:ab?c)*+", "(x|y)++", "(?:a{2})?+", "(?:a){0,12}+", "(?:a){{0,8}}+"])
def test_a_group_that_is_repeated_possessively_is_recognised(pattern: str) -> None:
    assert POSSESSIVE_GROUP.search(pattern)


@pytest.mark.parametrize("pattern", [r"[^<>]*+", r"\(\)++", "(?>(?:ab?c)*)", r"\s?+", "(?:ab)+"])
def test_what_all_read_alike_is_let_be(pattern: str) -> None:
    assert not POSSESSIVE_GROUP.search(pattern)


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_group_is_repeated_possessively(path: Path) -> None:
    """Python before 3.11.5 (Debian 12 has 3.11.2) goes on behind what a group that failed half way had consumed
    (python/cpython#106052); an atomic group round an ordinary repetition says the same, and is read right."""
    assert not POSSESSIVE_GROUP.findall(path.read_text(encoding="utf-8"))
