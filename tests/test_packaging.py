"""What is installed: all four top-level packages, from the place that is meant to be tested, and nothing else."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = ("mailgate", "smtp_hooks", "tokens", "templates")
INSTALLED = os.environ.get("MAILGATE_INSTALLED") == "1"
"""Set by tox.ini, where a wheel is tested; else (while developing) the checkout is."""


def meant() -> Path:
    return Path(sysconfig.get_path("purelib")) if INSTALLED else ROOT


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_the_package_comes_from_where_it_is_meant_to(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve().parent == (meant() / name).resolve()


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_a_child_process_imports_the_same(name: str) -> None:
    program = f"import {name}, pathlib; print(pathlib.Path({name}.__file__).resolve().parent)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert Path(done.stdout.strip()) == (meant() / name).resolve()


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_the_name_belongs_to_mailgate_alone(name: str) -> None:
    # The names are common ones; another distribution with such a package would overwrite files of ours.
    assert set(importlib.metadata.packages_distributions()[name]) == {"mailgate"}


def files(folder: Path) -> set[str]:
    found = (p.relative_to(folder) for name in TOP_LEVEL for p in (folder / name).rglob("*") if p.is_file())
    return {str(p) for p in found if "__pycache__" not in p.parts}


if INSTALLED:

    def test_the_wheel_holds_what_the_checkout_holds() -> None:
        # Missing: forgotten in package_data of setup.py. Too many: left over in build/lib from an earlier build.
        assert files(meant()) == files(ROOT)
