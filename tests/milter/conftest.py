"""A gate with all that is behind it, and a milter on it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import milter_mta
import milter_room
import pytest
from milter_room import Room

from smtp_hooks.endpoint import UnixEndpoint
from smtp_hooks.milter import Milter, MilterSettings


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, since UNIX sockets live in it."""
    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(autouse=True)
async def hung_up() -> AsyncIterator[None]:
    """Every connection that the test has made is closed."""
    yield
    while milter_mta.DIALLED:
        writer = milter_mta.DIALLED.pop()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def room(folder: Path) -> AsyncIterator[Room]:
    made = await milter_room.make(folder)
    yield made
    made.store.close()


@pytest.fixture
async def milter(folder: Path, room: Room) -> AsyncIterator[Milter]:
    served = Milter(MilterSettings(endpoint=UnixEndpoint(str(folder / "m.sock"))), room.gate)
    await served.start()
    yield served
    await served.stop(grace_s=2)
