"""`mailgate listen` as its user has it: from the keyboard, on the desktop, across failures, and with its own socket."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from lab.application import Application, until
from lab.certificates import Authority
from lab.gateway import HOST
from lab.ports import free_port
from listening_world import ADA, BEN, House, house
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(folder: Path) -> AsyncIterator[House]:
    authority = Authority(folder)
    authority.issue(HOST)
    Authority(folder, "Stranger").issue("127.0.0.2")
    ca_file = str(authority.path)
    async with house(folder, ack_s=10, call_out=["127.0.0.0/8"], call_out_ca_file=ca_file) as found:
        yield found


@pytest.mark.timeout(600)
@pytest.mark.claim("C5", "C16", "C23", "C30", "C6", "C8")
async def test_from_one_keyboard_to_the_other(home: House, tmp_path: Path) -> None:
    """Both run the application: one offers a call, on the other it pops up; an answer and a decline go back."""
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/notified\n')
    program.chmod(0o755)
    ada = await Application.start(home.gateway.url, "--name", "desk", key=await home.key(ADA))
    ben = await Application.start(home.gateway.url, "--name", "laptop", key=await home.key(), path=str(tmp_path))
    await ada.prints(f"^signed-in as desk, for {ADA}", 90)
    await ben.prints(f"^signed-in as laptop, for {BEN}", 90)
    await ada.types(f"offer {BEN}")
    await ada.prints(f"^made a call is offered to {BEN}: {home.gateway.url}/a/")
    await ben.prints(r"^offer 1 Ada Lovelace offers you a call \| Ada Lovelace would like to talk to you")
    await until((tmp_path / "notified").exists, 20, lambda: "the desktop was not told")
    assert "Ada Lovelace offers you a call" in (tmp_path / "notified").read_text()
    await ben.types("answer 1 After lunch?")
    await ada.prints(r"^news replied .*After lunch\?")
    await ben.types("later 1")
    await ben.prints(f"^page {home.gateway.url}/a/.*#later")
    await ben.types("decline 1 On a train")
    await ada.prints(rf"^news declined Call declined: {BEN} .*On a train")
    await ada.prints("^changed 0 declined")
    await ben.types("accept 1 112")
    await ben.prints("^refused emergency")
    await ben.types("nonsense")
    await ben.prints("^wrong 'nonsense' is no command")
    assert not home.hop.taken, "nothing of it went by mail"
    await ben.types("quit")
    assert await asyncio.wait_for(ben.process.wait(), 30) == 0
    assert await ada.end() == 0


@pytest.mark.timeout(600)
@pytest.mark.claim("C9", "C19", "C20")
async def test_the_gateway_connects_to_an_application_s_own_socket(home: House) -> None:
    port = free_port()
    key = await home.key(BEN, "--connect", f"ws://{HOST}:{port}/")
    app = await Application.start("--serve", f"{HOST}:{port}", "--name", "tower", key=key)
    await app.prints(f"^waiting for the gateway at {HOST}:{port}", 90)
    await app.prints(f"^signed-in as tower, for {BEN}", 90)
    mails = len(home.hop.taken)
    told = await home.command("offer", BEN, "--from", ADA, "--wait", "1")
    assert f"Offered: {home.gateway.url}/a/" in told
    await app.prints("^offer 1 Ada Lovelace offers you a call")
    await home.write()
    await app.prints(r"^offer 2 ")
    await app.types("decline 1 Not today")
    await app.prints("^changed 1 declined")
    assert [s for s in home.hop.subjects()[mails:] if "offers you" in s] == []
    await app.end()


@pytest.mark.timeout(600)
async def test_an_application_s_own_socket_by_tls(home: House, folder: Path) -> None:
    """The gateway speaks by TLS to whom its authority vouches for, and for that name; to nobody else."""
    for served, vouched in ((HOST, True), ("127.0.0.2", False)):
        port = free_port()
        key = await home.key(BEN, "--connect", f"wss://{served}:{port}/")
        tls = ("--tls-cert", str(folder / f"{served}.pem"), "--tls-key", str(folder / f"{served}.key"))
        app = await Application.start("--serve", f"{served}:{port}", "--name", f"tower {served}", *tls, key=key)
        await app.prints(f"^waiting for the gateway at {served}:{port}", 90)
        if vouched:
            await app.prints(f"^signed-in as tower {served}, for {BEN}", 90)
            await home.command("offer", BEN, "--from", ADA, "--wait", "1")
            await app.prints("^offer 1 Ada Lovelace offers you a call")
        else:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in home.gateway.log, 60, lambda: home.gateway.log[-2000:])
            assert not [line for line in app.lines if "signed-in" in line]
        await app.end()


@pytest.mark.timeout(600)
async def test_an_application_shows_nothing_to_who_has_no_key(home: House) -> None:
    port = free_port()
    app = await Application.start("--serve", f"{HOST}:{port}", key="a key that is known to nobody else")
    await app.prints("^waiting", 90)
    async with connect(f"ws://{HOST}:{port}/") as stranger:
        await stranger.send(json.dumps({"type": "call", "nonce": "n"}))
        hello = json.loads(await stranger.recv())
        welcome = {"type": "welcome", "address": BEN, "name": "", "device": "", "ack_s": 1, "proof": hello["proof"]}
        await stranger.send(json.dumps(welcome))  # its own proof handed back
        with pytest.raises(ConnectionClosed):
            await stranger.recv()
    await app.prints("^refused somebody connected who does not have the key")
    await app.end()


@pytest.mark.timeout(600)
async def test_a_wrong_key_is_said_and_ends_it(home: House) -> None:
    app = await Application.start(home.gateway.url, key="mgl-wrong")
    assert await asyncio.wait_for(app.process.wait(), 120) == 1
    await app.prints("this key is not known")
