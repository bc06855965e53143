"""One world for the tests of a file: Postfix, mailgate, Asterisk, a telephone network, and a browser or HTTP client."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from lab.phone import Answer
from lab.world import ADA_NUMBER, BEN, BEN_NUMBER, World

from e2e_letters import letter


@pytest.fixture
def folder() -> AsyncIterator[Path]:
    """A folder with a short path, since UNIX sockets live in it."""
    made = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    async with World(folder) as world:
        yield world
        for name, text in world.logs().items():
            print(f"--- {name}\n{text[-4000:]}")  # shown where the test fails


@pytest.fixture
async def http() -> AsyncIterator["Visitor"]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield Visitor(client)


class Visitor:
    """Somebody with a link and a plain HTTP client; every answer is kept."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.answers: list[httpx.Response] = []

    async def get(self, url: str) -> httpx.Response:
        answer = await self.client.get(url)
        self.answers.append(answer)
        return answer

    async def post(self, url: str, **fields: str) -> httpx.Response:
        answer = await self.client.post(url, data=fields)
        self.answers.append(answer)
        return answer

    async def nonce(self, link: str) -> str:
        page = await self.get(link)
        found = re.search(r'name="nonce" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return unescape(found[1])

    async def accept(self, link: str, number: str = BEN_NUMBER) -> httpx.Response:
        """Look at the page, type the number, press."""
        return await self.post(f"{link}/call", nonce=await self.nonce(link), region="FR", number=number)

    async def accept_by_sip(self, link: str, address: str) -> httpx.Response:
        return await self.post(f"{link}/call", nonce=await self.nonce(link), sip=address)

    async def sees(self, link: str, text: str, timeout_s: float = 15.0) -> str:
        """The page once it says so, read again and again as a reader without JavaScript would."""
        import asyncio

        page = ""
        try:
            async with asyncio.timeout(timeout_s):
                while text not in page:
                    page = unescape((await self.get(link)).text)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"the page never said {text!r}, but: {page}") from None
        return page


async def link_to(world: World, to: str = BEN) -> str:
    """Ada writes a letter; the link that arrives with it."""
    before = len(world.mailbox(to))
    await world.submit(letter(to=to), recipients=[to])
    arrived = await world.wait_for_mail(to, before + 1)
    (link,) = world.links(arrived[-1])
    return link


def everybody_answers(world: World) -> None:
    """Both telephones pick up and press 1 after a second."""
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, ADA_NUMBER: ready}
