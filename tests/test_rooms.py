"""Imports run downwards only: `cli, serve` → edges → pure rooms → `tokens`.

import-linter (see pyproject.toml) follows chains of imports between the modules that it is told of. Here every
module is judged by its place in the tree, so that a new one is pure until it is named as an edge, on purpose.
Each rule is tried on sources that break it.
"""

from __future__ import annotations

import ast
from enum import IntEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = ("mailgate", "smtp_hooks", "tokens", "templates")


class Floor(IntEnum):
    """The house from the ground up; a module imports from its own floor or a lower one. Only the service, serve and
    the command line know the store; edges are handed what they need."""

    TOKENS = 0
    PURE = 1
    STORE = 2
    SERVICE = 3
    EDGE = 4
    SERVE = 5
    CLI = 6


ROOMS = {
    "mailgate.cli": Floor.CLI,
    "mailgate.__main__": Floor.CLI,
    "mailgate.serve": Floor.SERVE,
    "mailgate.configured": Floor.SERVE,
    "mailgate.call_desk": Floor.SERVE,
    "mailgate.intake": Floor.SERVE,
    "mailgate.worker": Floor.SERVE,
    "mailgate.workers": Floor.SERVE,
    "mailgate.workers.frames": Floor.PURE,
    "mailgate.workers.records": Floor.PURE,
    "mailgate.web": Floor.EDGE,
    "mailgate.networks": Floor.EDGE,
    "mailgate.store": Floor.STORE,
    "mailgate.offers.service": Floor.SERVICE,
    "mailgate.offers.watch": Floor.SERVICE,
    "mailgate.offers.answers": Floor.SERVICE,
    "mailgate.offers.own": Floor.SERVICE,
    "mailgate.offers.own_channels": Floor.SERVICE,
    "mailgate.offers.post": Floor.SERVICE,
    "mailgate.offers.pins": Floor.SERVICE,
    "mailgate.offers.codes": Floor.SERVICE,
    "mailgate.offers.holders": Floor.SERVICE,
    "mailgate.offers.reach": Floor.SERVICE,
    "mailgate.offers.placing": Floor.SERVICE,
    "mailgate.offers.own_order": Floor.SERVICE,
    "mailgate.offers.own_page": Floor.SERVICE,
    "mailgate.offers.courier": Floor.SERVICE,
    "mailgate.offers.api_keys": Floor.SERVICE,
    "mailgate.offers.programs": Floor.SERVICE,
    "mailgate.offers.verifying": Floor.SERVICE,
    "mailgate.offers.booking": Floor.SERVICE,
    "mailgate.offers.scheduler": Floor.SERVICE,
    "mailgate.offers.missed_call": Floor.SERVICE,
    "mailgate.offers.chats": Floor.SERVICE,
    "mailgate.heralds": Floor.SERVICE,
    "mailgate.waiting": Floor.SERVICE,
    "mailgate.spoken": Floor.SERVICE,
    "mailgate.failed_calls": Floor.SERVE,
    "mailgate.chatting": Floor.SERVE,
    "mailgate.listeners": Floor.SERVE,
    "mailgate.listening": Floor.SERVICE,
    "mailgate.presence": Floor.SERVICE,
    "mailgate.pushing": Floor.SERVICE,
    "mailgate.quiet": Floor.SERVICE,
    "mailgate.offers.making": Floor.SERVICE,
    "mailgate.listen": Floor.EDGE,
    "mailgate.listen.protocol": Floor.PURE,
    "mailgate.listen.proof": Floor.PURE,
    "mailgate.listen.commands": Floor.PURE,
    "mailgate.mail": Floor.SERVICE,
    "mailgate.books": Floor.SERVICE,
    "mailgate.gather": Floor.SERVICE,
    "mailgate.gate": Floor.SERVICE,
    "mailgate.dkim_files": Floor.SERVICE,
    "mailgate.trial": Floor.SERVICE,
    "mailgate.sender_note": Floor.SERVICE,
    "mailgate.delivery_notes": Floor.SERVICE,
    "smtp_hooks.split": Floor.SERVICE,
    "smtp_hooks.listening": Floor.SERVICE,
    "smtp_hooks.surgery": Floor.SERVICE,
    "smtp_hooks.pipeline": Floor.SERVICE,
    "smtp_hooks.offering": Floor.SERVICE,
    "mailgate.calls.asterisk": Floor.EDGE,
    "mailgate.calls.missed": Floor.EDGE,
    "mailgate.calls.speech": Floor.EDGE,
    "smtp_hooks.server": Floor.EDGE,
    "smtp_hooks.milter": Floor.EDGE,
    "smtp_hooks.relay": Floor.EDGE,
    "tokens": Floor.TOKENS,
    "templates": Floor.TOKENS,
}
"""Whole packages where one is named. What is not named is pure."""

WAITS_OR_LOGS = {"mailgate.log", "mailgate.metrics", "mailgate.config", "mailgate.doctor"}
"""On the floor of the pure rooms, since edges import them, but with time and log of their own."""

NOT_IN_PURE_ROOMS = {"asyncio", "socket", "sqlite3", "aiosmtpd", "panoramisk", "logging"}


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def room(module: str) -> str:
    """The named room that holds the module, else the module's own name."""
    return next((name for name in sorted(ROOMS, key=len, reverse=True) if inside(module, name)), module)


def imported(module: str, source: str, is_package: bool) -> list[str]:
    """Every module that the source imports, anywhere in it; `from a import b` counts as `a.b`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names]
            case ast.ImportFrom(module=base, names=names, level=level):
                if level:
                    parents = module.split(".")[: None if is_package and level == 1 else (is_package - level)]
                    base = ".".join([*parents, *([base] if base else [])])
                found += [f"{base}.{alias.name}" for alias in names]
    return found


def offences(module: str, source: str, is_package: bool = False) -> list[str]:
    """The rules that this module breaks, in words."""
    here = room(module)
    floor = ROOMS.get(here, Floor.PURE)
    found = []
    for name in imported(module, source, is_package):
        top, there = name.split(".")[0], room(name)
        if top in TOP_LEVEL:
            other = ROOMS.get(there, Floor.PURE)
            if inside(module, "smtp_hooks") and top == "mailgate":
                found.append(f"smtp_hooks knows nothing of mailgate: {name}")
            elif other > floor:
                found.append(f"imports run downwards: {name}")
            elif floor is Floor.EDGE and here != there and other in (Floor.EDGE, Floor.STORE):
                found.append(f"edges know nothing of one another: {name}")
        elif top in NOT_IN_PURE_ROOMS and floor <= Floor.PURE and module not in WAITS_OR_LOGS:
            found.append(f"not in a pure room: {name}")
    return found


def modules() -> list[tuple[str, Path]]:
    paths = [path for top in TOP_LEVEL for path in (ROOT / top).rglob("*.py")]
    return sorted((".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), p) for p in paths)


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_the_module_keeps_the_rules(module: str, path: Path) -> None:
    assert offences(module, path.read_text(encoding="utf-8"), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("smtp_hooks.mime", "from mailgate.offers import offer", "smtp_hooks knows nothing of mailgate"),
        ("smtp_hooks.server", "import mailgate", "smtp_hooks knows nothing of mailgate"),
        ("tokens", "from mailgate.errors import MailgateError", "imports run downwards"),
        ("tokens.ring", "import smtp_hooks.errors", "imports run downwards"),
        ("mailgate.offers.offer", "from mailgate import store", "imports run downwards"),
        ("mailgate.calls.plan", "from mailgate.calls.asterisk import Asterisk", "imports run downwards"),
        ("mailgate.calls.plan", "def f():\n    from .asterisk import Asterisk", "imports run downwards"),
        ("mailgate.store.sqlite", "from mailgate.serve import serve", "imports run downwards"),
        ("mailgate.serve", "import mailgate.cli.main", "imports run downwards"),
        ("mailgate.store.offers", "from mailgate.offers.service import Offers", "imports run downwards"),
        ("mailgate.offers.service", "from mailgate.web.app import create_app", "imports run downwards"),
        ("mailgate.web.app", "from mailgate.calls.asterisk import Asterisk", "edges know nothing of one another"),
        ("mailgate.web.app", "from ..store import sqlite", "edges know nothing of one another"),
        ("smtp_hooks.milter", "from smtp_hooks import relay", "edges know nothing of one another"),
        *(("smtp_hooks.mime.scan", f"import {name}", "not in a pure room") for name in sorted(NOT_IN_PURE_ROOMS)),
        ("tokens", "from asyncio import sleep", "not in a pure room"),
        ("mailgate.a_new_module", "import logging.handlers", "not in a pure room"),
    ],
)
def test_a_rule_bites(module: str, source: str, rule: str) -> None:
    (offence,) = offences(module, source)
    assert offence.startswith(rule)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mailgate.cli", "from mailgate import serve, web\nimport tokens"),
        ("mailgate.serve", "import asyncio\nfrom smtp_hooks import relay, server\nfrom mailgate.store import sqlite"),
        ("mailgate.store.sqlite", "import sqlite3\nfrom mailgate.store.rows import Row\nfrom .rows import Row"),
        ("mailgate.web.app", "import logging\nfrom mailgate.offers.service import Offers\nfrom tokens import verify"),
        ("mailgate.offers.service", "import asyncio\nfrom mailgate.offers import offer"),
        ("smtp_hooks.server", "import aiosmtpd.smtp\nfrom smtp_hooks.envelope import Envelope"),
        ("smtp_hooks.mime", "from .locate import locate\nimport re"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert offences(module, source, is_package=module == "smtp_hooks.mime") == []
