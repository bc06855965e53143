"""miltertest (Debian package of that name, from the makers of opendkim) plays the MTA: dialogues in Lua, against the
milter on a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from milter_room import Room

from smtp_hooks.endpoint import TcpEndpoint, UnixEndpoint
from smtp_hooks.milter import Milter, MilterSettings

# miltertest says nothing of an assertion that fails.
PRELUDE = """function assert(held, text) if held then return held end
local line = debug.getinfo(2, "l").currentline - 3
io.stderr:write("line " .. line .. ": " .. (text or "") .. "\\n") os.exit(1) end
"""
SCRIPTS = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "scripts").glob("*.lua"))}


async def play(text: str, socket: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("miltertest", "-D", f"socket={socket}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate((PRELUDE + text).encode())
    assert process.returncode == 0, output.decode()


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5


@pytest.mark.parametrize("script", SCRIPTS)
async def test_dialogue(script: str, milter: Milter) -> None:
    endpoint = milter.settings.endpoint
    assert isinstance(endpoint, UnixEndpoint)
    await play(SCRIPTS[script], f"unix:{endpoint.path}")


async def test_dialogue_over_tcp(room: Room) -> None:
    milter = Milter(MilterSettings(endpoint=TcpEndpoint("127.0.0.1", 0)), room.gate)
    await milter.start()
    try:
        await play(SCRIPTS["offer"], f"inet:{milter.port}@127.0.0.1")
    finally:
        await milter.stop(grace_s=2)


async def test_a_dialogue_that_expects_otherwise_fails(milter: Milter) -> None:
    """The test's test: where a script's expectation is turned round, it is noticed."""
    text = SCRIPTS["untouched"]
    assert "SMFIR_ACCEPT" in text
    endpoint = milter.settings.endpoint
    assert isinstance(endpoint, UnixEndpoint)
    with pytest.raises(AssertionError, match="answered"):
        await play(text.replace("SMFIR_ACCEPT", "SMFIR_REJECT"), f"unix:{endpoint.path}")
