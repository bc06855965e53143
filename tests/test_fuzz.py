"""The fuzz program itself: it runs, finds nothing in a moment, and would say so if it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[1] / "bench" / "fuzz.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(FUZZ), *arguments], capture_output=True, text=True, check=False)


def test_every_target_has_a_moment(tmp_path: Path) -> None:
    done = run("--blind", "--seconds", "3", "--seed", "1", "--found", str(tmp_path / "found"))
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if " inputs, 0 kinds of failure" in line]
    assert len(told) == 13
    assert all(int(line.split()[1]) > 20 for line in told), done.stdout


def test_what_breaks_is_kept(tmp_path: Path) -> None:
    """With a property that cannot hold."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fuzz, fuzz_wire\n"
        "def broken(data): assert len(data) < 40, 'too long'\n"
        "fuzz_wire.data = broken\n"
        "sys.argv[1:] = ['data', '--blind', '--seconds', '0.5', '--seed', '1', '--found', sys.argv[2]]\n"
        "sys.exit(fuzz.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(FUZZ.parent), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    (kept,) = tmp_path.iterdir()
    assert len(kept.read_bytes()) >= 40
    assert "AssertionError: too long" in done.stdout
