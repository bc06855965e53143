"""The table of claims is true of this tree, and the program that says so finds each kind of lie."""

from __future__ import annotations

from pathlib import Path

import claims
import pytest

ROOT = Path(__file__).parents[1]

CODE = """LIMIT = 3

class Door:
    def open(self): ...

def call():
    return LIMIT
"""
TESTS = """import pytest
from code_of_ours import call

pytestmark = [pytest.mark.claim("T3")]

@pytest.mark.claim("C1", "C2")
@pytest.mark.parametrize("n", [3])
def test_call(n):
    assert call() == n

@pytest.mark.claim("T1")
class TestDoor:
    @pytest.mark.claim("T2")
    async def test_open(self): ...

def test_nothing(): ...
"""


def table(**filled: str) -> str:
    lines = ["| row | what | code | test | line |", "|---|---|---|---|---|"]
    return "\n".join(
        lines + [f"| {row} | words | {filled.get(row, 'not yet | not yet | not yet')} |" for row in claims.ROWS]
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "code_of_ours.py").write_text(CODE)
    (tmp_path / "tests/test_it.py").write_text(TESTS)
    return tmp_path


def test_the_table_of_this_project_is_true() -> None:
    table = claims.parse((ROOT / "docs/claims.md").read_text(encoding="utf-8"))
    assert claims.problems(table, ROOT) == []


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("C1", "`code_of_ours.py` | `tests/test_it.py::test_call` | `code_of_ours.py: return LIMIT`"),
        ("C2", "`code_of_ours.py::call` `code_of_ours.py::Door.open` | `tests/test_it.py::test_call[3]` | not yet"),
        ("C9", "`code_of_ours.py::LIMIT` | not yet | not yet"),
        ("T1", "not yet | `tests/test_it.py::TestDoor::test_open` | not yet"),
        ("T2", "not yet | `tests/test_it.py::TestDoor::test_open` | not yet"),
        ("T3", "not yet | `tests/test_it.py::test_nothing`, `tests/test_it.py::test_call` | not yet"),
    ],
)
def test_what_is_true_passes(tree: Path, row: str, cells: str) -> None:
    assert claims.problems(claims.parse(table(**{row: cells})), tree) == []


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("`gone.py` | not yet | not yet", "gone.py does not exist"),
        ("`code_of_ours.py::hang_up` | not yet | not yet", "defines no hang_up"),
        ("`code_of_ours.py::Door.close` | not yet | not yet", "defines no Door.close"),
        ("not yet | `tests/test_gone.py::test_call` | not yet", "names no test in a file that exists"),
        ("not yet | `tests/test_it.py` | not yet", "names no test in a file that exists"),
        ("not yet | `tests/test_it.py::test_gone` | not yet", "holds no test test_gone"),
        ("not yet | `tests/test_it.py::test_nothing` | not yet", "does not carry the marker"),
        ("not yet | not yet | `code_of_ours.py: return 5`", "stands in code_of_ours.py 0 times"),
        ("not yet | not yet | `code_of_ours.py`", "names no line"),
    ],
)
def test_a_lie_is_found(tree: Path, cells: str, problem: str) -> None:
    (found,) = claims.problems(claims.parse(table(C1=cells)), tree)
    assert found.startswith("C1: ")
    assert problem in found


@pytest.mark.parametrize(
    ("line", "problem"), [("", "0 times"), ("| T9 | twice | not yet | not yet | not yet |\n" * 2, "2 times")]
)
def test_a_row_stands_in_the_table_once(tree: Path, line: str, problem: str) -> None:
    text = "\n".join(row for row in table().splitlines() if not row.startswith("| T9 "))
    (found,) = claims.problems(claims.parse(text + "\n" + line), tree)
    assert found == f"T9: stands in the table {problem}"


@pytest.mark.parametrize(
    "cells", ["a place without quotes | not yet | not yet", "not yet | not yet", " | not yet | not yet"]
)
def test_a_line_that_cannot_be_read_is_refused(cells: str) -> None:
    with pytest.raises(ValueError, match="C1"):
        claims.parse(table(C1=cells))


def test_markers_are_found_on_function_class_and_module(tree: Path) -> None:
    file = "tests/test_it.py"
    assert claims.marked(tree) == {
        ("C1", f"{file}::test_call"),
        ("C2", f"{file}::test_call"),
        ("T1", f"{file}::TestDoor::test_open"),
        ("T2", f"{file}::TestDoor::test_open"),
        *(("T3", f"{file}::{name}") for name in ("test_call", "TestDoor::test_open", "test_nothing")),
    }


@pytest.mark.parametrize(
    ("source", "text", "left"),
    [
        ("a = 1\nb = 2\n", "b = 2", "a = 1\n"),
        ("def f():\n    return 1\n", "return 1", "def f():\n    pass\n"),
        ("def f():\n    g(\n        1,\n    )\n", "g(", "def f():\n    pass\n"),
        ("t = {\n    1: 2,\n    3: 4,\n}\n", "3: 4,", "t = {\n    1: 2,\n}\n"),
    ],
)
def test_a_line_is_taken_out_and_a_program_is_left(source: str, text: str, left: str) -> None:
    assert claims.without(source, text) == left


def test_a_deletion_that_leaves_no_program_shows_nothing() -> None:
    with pytest.raises(ValueError, match="no program left"):
        claims.without("f(\n    1,\n)\n", ")")


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("return LIMIT", ""),
        ("def open(self): ...", "the tests pass without"),
        ("def call():", "do not run at all"),
    ],
)
def test_a_deletion_is_tried(tree: Path, line: str, seen: str) -> None:
    (claim,) = claims.parse(
        f"| C1 | words | `code_of_ours.py` | `tests/test_it.py::test_call` | `code_of_ours.py: {line}` |"
    )
    (tree / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["claim(row)"]\n')
    found = claims.try_deletion(claim, tree, tree)
    assert seen in found if seen else found == ""
    assert (tree / "code_of_ours.py").read_text() == CODE
