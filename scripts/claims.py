"""docs/claims.md, read and held against the tree: `python scripts/claims.py [check | delete [ROW…]]`.

The table has one line for each claim: row, what it says, code, test, and the line whose deletion makes the test
fail. A cell that is not filled in says `not yet`. Places are written in backquotes, several of them in a cell one
after the other:

    code    `mailgate/calls/plan.py` or `mailgate/calls/plan.py::plan` or `…::Class.method`
    test    `tests/calls/test_plan.py::test_the_order_of_both_counts` or `…::TestClass::test_it`
    line    `mailgate/calls/plan.py: return ordered`, the text of one line, which stands in the file once

`check` (also run by tests/test_claims.py) wants every row, every named place to exist, and every named test to carry
the row's marker. `delete` takes the line out of a copy of the tree, runs the row's tests there and wants at least
one to fail; it runs them on the untouched copy first, where they must pass. A row with `not yet` is named, not hidden.

Known limits: only literal markers are seen, on a function, its class or `pytestmark` of the module; `delete` imports
the packages from the copy, so a console script of another environment is not reached.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = tuple([f"C{n}" for n in range(1, 31)] + [f"T{n}" for n in range(1, 37)])
NOT_YET = "not yet"
_COLUMNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of the table. Empty tuples and an empty `line` where the cell says `not yet`."""

    row: str
    what: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    line: str

    @property
    def shown(self) -> bool:
        return bool(self.code and self.tests and self.line)


def parse(text: str) -> list[Claim]:
    """The claims of a Markdown text, in its order. Raises ValueError where a line of the table cannot be read."""
    claims = []
    for line in text.splitlines():
        if not re.match(r"\| *[CT][0-9]+ *\|", line):
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if len(cells) != _COLUMNS:
            raise ValueError(f"{cells[0]}: {len(cells)} cells, not {_COLUMNS}")
        row, what, code, tests, deleted = cells
        claims.append(
            Claim(
                row=row,
                what=what,
                code=_places(row, code),
                tests=_places(row, tests),
                line="".join(_places(row, deleted)),
            )
        )
    return claims


def _places(row: str, cell: str) -> tuple[str, ...]:
    if cell == NOT_YET:
        return ()
    places = tuple(re.findall(r"`([^`]+)`", cell))
    if not places:
        raise ValueError(f"{row}: neither `a place` nor {NOT_YET!r}: {cell!r}")
    return places


def problems(claims: list[Claim], root: Path) -> list[str]:
    """What is wrong with the table, in words; empty where nothing is."""
    rows = [claim.row for claim in claims]
    found = [f"{row}: stands in the table {rows.count(row)} times" for row in ROWS if rows.count(row) != 1]
    found += [f"{row}: no such claim" for row in rows if row not in ROWS]
    for claim in claims:
        found += [f"{claim.row}: {p}" for place in claim.code if (p := _code_problem(place, root))]
        found += [f"{claim.row}: {p}" for place in claim.tests if (p := _test_problem(place, claim.row, root))]
        if claim.line and (p := _line_problem(claim.line, root)):
            found.append(f"{claim.row}: {p}")
    return found


def _code_problem(place: str, root: Path) -> str:
    path, _, name = place.partition("::")
    if not (root / path).exists():
        return f"{path} does not exist"
    if name and not _definitions(root / path, name.split(".")):
        return f"{path} defines no {name}"
    return ""


def _test_problem(place: str, row: str, root: Path) -> str:
    path, _, name = place.partition("::")
    if not name or not (root / path).is_file():
        return f"{place} names no test in a file that exists"
    chain = _definitions(root / path, name.partition("[")[0].split("::"))
    if not chain:
        return f"{path} holds no test {name}"
    if row not in {mark for node in chain for mark in _marks(node)}:
        return f"{place} does not carry the marker claim({row!r})"
    return ""


def _line_problem(line: str, root: Path) -> str:
    path, _, text = line.partition(": ")
    if not text or not (root / path).is_file():
        return f"{line} names no line of a file that exists"
    times = [found.strip() for found in (root / path).read_text(encoding="utf-8").splitlines()].count(text.strip())
    return "" if times == 1 else f"the line {text.strip()!r} stands in {path} {times} times"


def _definitions(path: Path, names: list[str]) -> list[ast.AST]:
    """The nodes from the module down to the one named last; empty where one of them is missing."""
    node: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    chain = [node]
    for name in names:
        found = next((child for child in getattr(node, "body", []) if name in _names(child)), None)
        if found is None:
            return []
        node = found
        chain.append(node)
    return chain


def _names(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


def _marks(node: ast.AST) -> set[str]:
    """The rows of the literal `pytest.mark.claim(…)` on a definition, or in its `pytestmark`."""
    marked = list(getattr(node, "decorator_list", []))
    marked += [child.value for child in getattr(node, "body", []) if "pytestmark" in _names(child)]
    calls = [call for top in marked for call in ast.walk(top) if isinstance(call, ast.Call)]
    return {
        argument.value
        for call in calls
        if ast.unparse(call.func) == "pytest.mark.claim"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def marked(root: Path) -> set[tuple[str, str]]:
    """(row, test) for every marker under tests/."""
    found = set()
    for path in sorted((root / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        file = path.relative_to(root).as_posix()
        holders: list[tuple[list[ast.AST], ast.Module | ast.ClassDef, str]] = [([module], module, "")]
        holders += [([module, c], c, f"{c.name}::") for c in module.body if isinstance(c, ast.ClassDef)]
        for above, holder, prefix in holders:
            for node in holder.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                    rows = {row for place in (*above, node) for row in _marks(place)}
                    found |= {(row, f"{file}::{prefix}{node.name}") for row in rows}
    return found


def without(source: str, text: str) -> str:
    """Python source without the line that reads `text`.

    Where what is left would be no program, the whole statement that begins on that line becomes `pass`. Raises
    ValueError where there is no such line, or where that does not help: a test that fails on a syntax error shows
    nothing.
    """
    lines = source.splitlines(keepends=True)
    number = next((n for n, line in enumerate(lines) if line.strip() == text.strip()), None)
    if number is None:
        raise ValueError(f"no line {text.strip()!r}")
    shorter = "".join(lines[:number] + lines[number + 1 :])
    if _compiles(shorter):
        return shorter
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno == number + 1:
            kept = [*lines[:number], " " * node.col_offset + "pass\n", *lines[node.end_lineno :]]
            if _compiles("".join(kept)):
                return "".join(kept)
    raise ValueError(f"without the line {text.strip()!r} there is no program left")


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def try_deletion(claim: Claim, root: Path, copy: Path) -> str:
    """Empty where the tests pass on the copy and one fails without the line, else what was seen instead."""
    path, _, text = claim.line.partition(": ")
    target = copy / path
    original = target.read_text(encoding="utf-8")
    if (status := _pytest(claim, copy)) != 0:
        return f"the tests do not pass to begin with (pytest: {status})"
    try:
        if target.suffix == ".py":
            target.write_text(without(original, text), encoding="utf-8")
        else:
            kept = [line for line in original.splitlines(keepends=True) if line.strip() != text.strip()]
            target.write_text("".join(kept), encoding="utf-8")
        status = _pytest(claim, copy)
    except ValueError as error:
        return str(error)
    finally:
        target.write_text(original, encoding="utf-8")
    match status:
        case 1:
            return ""
        case 0:
            return f"the tests pass without `{text}`"
        case _:
            return f"without `{text}` the tests do not run at all (pytest: {status})"


def _pytest(claim: Claim, copy: Path) -> int:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAILGATE_INSTALLED", "PYTHONSAFEPATH")}
    environment |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *claim.tests]
    return subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


def delete(claims: list[Claim], root: Path) -> int:
    """Tries the deletion of each claim that is shown; prints a line for each; the number of those that fail."""
    tracked = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(tracked, capture_output=True, check=True).stdout.decode().split("\0")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="claims-") as folder:
        copy = Path(folder)
        for name in names:
            if name and (root / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name)
        for claim in claims:
            if not claim.shown:
                print(f"{claim.row}: {NOT_YET}")
                continue
            seen = try_deletion(claim, root, copy)
            failed += bool(seen)
            print(f"{claim.row}: {seen or 'fails without the line, as it should'}", flush=True)
    return failed


def check(claims: list[Claim], root: Path) -> int:
    """Prints what is wrong, what is not yet shown and which markers the table does not name; the number of faults."""
    found = problems(claims, root)
    for problem in found:
        print(problem)
    named = {(claim.row, test.partition("[")[0]) for claim in claims for test in claim.tests}
    for row, test in sorted(marked(root) - named):
        print(f"{row}: {test} carries the marker, but is not in the table")
    missing = [claim.row for claim in claims if not claim.shown]
    print(f"{len(claims) - len(missing)} of {len(ROWS)} shown; {NOT_YET}: {', '.join(missing) or 'none'}")
    return len(found)


def main(arguments: list[str]) -> int:
    claims = parse((ROOT / "docs/claims.md").read_text(encoding="utf-8"))
    match arguments:
        case [] | ["check"]:
            return min(check(claims, ROOT), 1)
        case ["delete", *rows] if set(rows) <= set(ROWS):
            return min(delete([c for c in claims if not rows or c.row in rows], ROOT), 1)
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
