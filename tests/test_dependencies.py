"""docs/dependencies.md says of each requirement of the package why it is there, and of nothing else."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_requirement_has_its_reason() -> None:
    required = importlib.metadata.requires("mailgate")
    assert required
    names = {re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower() for requirement in required}
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    explained = re.findall(r"^- `([^`]+)`: .", page, flags=re.MULTILINE)
    assert sorted(explained) == sorted(names)
