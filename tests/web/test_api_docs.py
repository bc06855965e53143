"""The examples of docs/api.md do what the page says: run as they stand, against a gateway."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from web_gateway import Gateway

from mailgate.cli import group
from mailgate.offers import hook
from mailgate.web.api.problems import Kind

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


async def run(gateway: Gateway, *command: str) -> str:
    """What the example prints."""
    environment = os.environ | {"MAILGATE_URL": gateway.url, "MAILGATE_KEY": gateway.keys.add("a", "docs")}
    program = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, complaint = await program.communicate()
    assert program.returncode == 0, out.decode() + complaint.decode()
    return out.decode()


async def test_the_example_for_curl(gateway: Gateway) -> None:
    gateway.account()
    [shell] = examples("sh")
    first, again = json.loads(await run(gateway, "sh", "-c", shell)), json.loads(await run(gateway, "sh", "-c", shell))
    assert first["language"] == "fr" and first["uses_left"] == 2 and first["id"] == again["id"]


async def test_the_example_in_python(gateway: Gateway) -> None:
    gateway.account()
    program, _ = examples("python")
    url, listed, calls, state = (await run(gateway, sys.executable, "-c", program)).splitlines()
    token = url.rsplit("/", 1)[1]
    assert listed.endswith("open ben@example.net") and calls == "[]" and state == "revoked"
    assert gateway.offers.look(token).state.value == "revoked"


async def test_the_example_that_checks_a_signature() -> None:
    _, program = examples("python")
    known: dict[str, Any] = {}
    exec(program, known)  # noqa: S102
    secret, body = hook.secret_of(bytes(range(32))), b'{"type":"offer.made"}'
    sent = hook.parcel("https://hooks.example/", [hook.secret_of(bytes(32)), secret], "evt_1", body, time.time())
    assert known["is_genuine"](secret, sent.headers, body)
    assert not known["is_genuine"](secret, sent.headers, body + b" ")
    assert not known["is_genuine"](hook.secret_of(b"x" * 32), sent.headers, body)
    old = hook.parcel("https://hooks.example/", [secret], "evt_1", body, time.time() - 3600)
    assert not known["is_genuine"](secret, old.headers, body)


def test_the_page_names_every_type_of_event_and_every_status() -> None:
    table = PAGE[PAGE.index("| type | when |") :]
    assert set(re.findall(r"`((?:offer|call|webhook)\.[a-z]+)`", table)) == set(hook.TYPES)
    for kind in Kind:
        assert str(kind.value.status) in PAGE or kind in (Kind.MALFORMED, Kind.METHOD, Kind.FAILURE)


@pytest.mark.parametrize("line", re.findall(r"^    (mailgate [^\n]*?)(?:  .*)?$", PAGE, flags=re.MULTILINE))
def test_the_commands_are_there(line: str) -> None:
    command: Any = group
    words = line.split()[1:]
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
