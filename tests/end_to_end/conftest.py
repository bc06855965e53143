"""One world for the tests of a file: Postfix, mailgate, Asterisk, a telephone network, and a browser or HTTP client."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from e2e_world import Visitor
from lab.passing import passing
from lab.world import ADA_NUMBER, World


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, since UNIX sockets live in it."""
    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module")
async def world() -> AsyncIterator[World]:
    """A world of the test's own."""
    async with passing() as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_world() -> AsyncIterator[World]:
    """One world for all tests of a file, with a second account that is reached by SIP alone."""
    async with passing() as world:
        world.gateway.account_add("countess@example.org", "Ada Lovelace", "--sip", "ada", "--hide-number", ADA_NUMBER)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[Visitor]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield Visitor(client)
