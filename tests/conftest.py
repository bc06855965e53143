"""For all tests: claims become junit properties, helpers are importable, and in CI nothing is skipped.

`@pytest.mark.claim("T9")` is written to the junit file as the property `claim` of the test. `scripts/` is put on
sys.path, for `lab` (telephones, Postfix and Asterisk for tests and demo) and for `claims`.

A test that cannot run where it should is not a test that passed: with CI=true a skip is a failure. The only way to
be skipped is `@pytest.mark.optional("VARIABLE")`, for larger checks on what is not in the repository.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from claims import ROWS

IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("claim"):
            if unknown := [row for row in mark.args if row not in ROWS] or not mark.args:
                raise pytest.UsageError(f"{item.nodeid}: no such claim: {unknown}")
            item.user_properties.extend(("claim", row) for row in mark.args)
        for mark in item.iter_markers("optional"):
            (variable,) = mark.args
            if not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=f"optional: {variable} is not set"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected_to_fail = hasattr(report, "wasxfail")
    if IN_CI and report.skipped and not expected_to_fail and not item.get_closest_marker("optional"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where everything it needs should be there: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped as a whole, where everything it needs should be there: {report.longrepr}"
    return report
