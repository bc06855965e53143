"""tests/conftest.py itself, by a pytest of its own on files made for it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INI = """[tool.pytest.ini_options]
markers = ["claim(*rows)", "optional(variable)"]
"""


@pytest.fixture
def run(tmp_path: Path):
    """run(source, CI=…) writes the source as a test file beside our conftest and returns status, output, junit."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "pyproject.toml").write_text(INI)
    (tmp_path / "tests/conftest.py").write_bytes((ROOT / "tests/conftest.py").read_bytes())
    (tmp_path / "scripts/claims.py").write_bytes((ROOT / "scripts/claims.py").read_bytes())

    def run(source: str, **environment: str) -> tuple[int, str, ET.Element]:
        (tmp_path / "tests/test_it.py").write_text("import pytest\n" + source)
        inherited = {k: v for k, v in os.environ.items() if k != "CI"} | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=junit.xml", "tests"],
            cwd=tmp_path,
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        junit = tmp_path / "junit.xml"
        return (
            done.returncode,
            done.stdout + done.stderr,
            ET.parse(junit).getroot() if junit.exists() else ET.Element(""),
        )

    return run


def test_a_claim_is_recorded_in_the_junit_file(run) -> None:
    status, output, junit = run(
        "@pytest.mark.claim('T9', 'C7')\ndef test_two(): pass\n@pytest.mark.claim('T36')\ndef test_fails(): assert 0"
    )
    assert status == 1, output
    rows = {
        case.get("name"): [(p.get("name"), p.get("value")) for p in case.iter("property")]
        for case in junit.iter("testcase")
    }
    assert rows == {"test_two": [("claim", "T9"), ("claim", "C7")], "test_fails": [("claim", "T36")]}


@pytest.mark.parametrize("mark", ["claim('T37')", "claim('c1')", "claim"])
def test_a_claim_that_does_not_exist_stops_the_run(run, mark: str) -> None:
    status, output, _ = run(f"@pytest.mark.{mark}\ndef test_it(): pass")
    assert status == 4
    assert "no such claim" in output


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(): pytest.skip('no Asterisk')",
        "@pytest.mark.skipif(True, reason='no Asterisk')\ndef test_it(): pass",
        "@pytest.fixture\ndef asterisk(): pytest.skip('no Asterisk')\ndef test_it(asterisk): pass",
        "pytest.skip('no Asterisk', allow_module_level=True)",
        "pytest.importorskip('no_such_module')",
    ],
    ids=["in the test", "skipif", "in a fixture", "module", "importorskip"],
)
def test_a_skip_fails_in_ci_only(run, source: str) -> None:
    status, output, _ = run(source, CI="true")
    assert status in (1, 2), output  # 2: a whole module could not be collected
    assert "skipped" in output
    status, output, _ = run(source)
    assert status in (0, 5), output  # 5: nothing was collected


def test_an_optional_check_runs_where_its_variable_is_set(run) -> None:
    source = "@pytest.mark.optional('MAILGATE_CORPUS_OF_TEST')\ndef test_it(): assert 0, 'it ran'"
    status, output, _ = run(source, CI="true")
    assert status == 0, output
    assert "1 skipped" in output
    status, output, _ = run(source, CI="true", MAILGATE_CORPUS_OF_TEST="/there")
    assert status == 1
    assert "it ran" in output


def test_an_expected_failure_stays_one_in_ci(run) -> None:
    status, output, _ = run("@pytest.mark.xfail\ndef test_it(): assert 0", CI="true")
    assert status == 0, output
    assert "1 xfailed" in output
