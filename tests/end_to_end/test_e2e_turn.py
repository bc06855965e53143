"""Talking from a page that can reach nothing but a TURN server: coturn, with credentials that the gateway made."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from e2e_world import link_to
from lab.browser import chromium, with_voice
from lab.ports import free_port
from lab.talk import IN_THE_PAGE
from lab.world import ADA_NUMBER, HOST, VOICES, World
from playwright.async_api import expect
from test_e2e_talk import PRESS, hear_each_other

pytestmark = pytest.mark.asyncio(loop_scope="module")

# what a network that lets nothing but TURN through leaves of a browser's choices
RELAYED = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(given) { super({ ...given, iceTransportPolicy: "relay" }); window.peer = this; }
};
"""
CHOSEN = """async () => {
  const stats = [...(await peer.getStats()).values()];
  const transport = stats.find((s) => s.type === "transport");
  const pair = stats.find((s) => s.id === transport.selectedCandidatePairId);
  return stats.find((s) => s.id === pair.localCandidateId).candidateType;
}"""


@asynccontextmanager
async def coturn(folder: Path, port: int, secret: str) -> AsyncIterator[None]:
    """A TURN server on loopback, which takes names that are good for a while (use-auth-secret)."""
    first = 41_000 + secrets.randbelow(80) * 100
    log = (folder / "turn.log").open("wb")
    program = await asyncio.create_subprocess_exec(
        "turnserver",
        *(
            "-n",
            "-v",
            "-L",
            HOST,
            "-E",
            HOST,
            "-p",
            str(port),
            "-r",
            "lab",
            "--use-auth-secret",
            "--allow-loopback-peers",
        ),
        *(f"--static-auth-secret={secret}", "--no-tls", "--no-dtls", "--no-cli", "--no-multicast-peers"),
        *(f"--min-port={first}", f"--max-port={first + 98}", "--log-file=stdout", f"--pidfile={folder / 'turn.pid'}"),
        *("--userdb", str(folder / "turn.db"), "--simple-log"),
        stdout=log,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    break
            assert program.returncode is None, (folder / "turn.log").read_text()
            await asyncio.sleep(0.1)
        yield
    finally:
        if program.returncode is None:
            program.terminate()
        await program.wait()
        log.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """The usual world, whose pages are told of a TURN server."""
    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    port, secret = free_port(), secrets.token_hex(16)
    (made / "turn.secret").write_text(secret + "\n")
    (made / "turn.secret").chmod(0o600)
    web = {
        "ice_servers": [f"turn:{HOST}:{port}?transport=udp"],
        "turn_secret_file": str(made / "turn.secret"),
    }
    async with coturn(made, port, secret), World(made, configuration={"web": web}) as world:
        yield world
        for name, text in {**world.logs(), "coturn": (made / "turn.log").read_text()}.items():
            print(f"--- {name}\n{text[-4000:]}")
    shutil.rmtree(made, ignore_errors=True)


async def test_the_call_goes_through_the_turn_server(world: World, tmp_path: Path) -> None:
    world.network.plan = {ADA_NUMBER: PRESS}
    async with chromium(*with_voice(VOICES["ben"], tmp_path)) as browser:
        context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
        await context.add_init_script(IN_THE_PAGE + RELAYED)
        page = await context.new_page()
        await page.goto(await link_to(world))
        await page.get_by_role("button", name="Talk from this page").click()
        await page.get_by_role("button", name="Call Ada Lovelace now").click()
        ada = await world.network.call(ADA_NUMBER, timeout_s=15)
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are connected", timeout=10_000)
        await hear_each_other(page, ada)
        assert await page.evaluate(CHOSEN) == "relay"
        await page.get_by_role("button", name="Hang up").click()
        await asyncio.wait_for(ada.over.wait(), 2)
