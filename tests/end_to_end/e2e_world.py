"""What the end-to-end tests do again and again: write a letter, look at the page, press, wait for words."""

from __future__ import annotations

import asyncio
import re
from html import unescape

import httpx
from e2e_letters import letter
from lab.phone import Answer
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World, off_loop


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

    async def accept_by_own_order(self, link: str) -> httpx.Response:
        """By the button below /my, where the visitor is signed in."""
        home, _, token = link.rpartition("/a/")
        page = await self.get(f"{home}/my/call/{token}")
        key = re.search(r'name="key" value="([0-9a-f]{32})"', page.text)
        assert key is not None, page.text
        return await self.post(str(page.url), key=key[1])

    async def sees(self, link: str, text: str, timeout_s: float = 15.0) -> str:
        """The page once it says so, read again and again as a reader without JavaScript would."""
        page = ""
        try:
            async with asyncio.timeout(timeout_s):
                while text not in page:
                    page = unescape((await self.get(link)).text)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"the page never said {text!r}, but: {page}") from None
        return page


async def ben_joins(world: World) -> None:
    """Ben has an account, with a SIP telephone first and a number of the network after it."""
    await off_loop(
        world.gateway.account_add, BEN, "Ben Bright", "--sip", "ben", "--number", BEN_NUMBER, "--mode", "never"
    )


async def link_to(world: World, to: str = BEN, sender: str = ADA) -> str:
    """Ada writes a letter; the link that arrives with it."""
    before = len(world.mailbox(to))
    await world.submit(letter(to=to), sender=sender, recipients=[to])
    arrived = await world.wait_for_mail(to, before + 1)
    (link,) = world.links(arrived[-1])
    return link


async def sign_in(world: World, http: Visitor, address: str) -> None:
    """The visitor is signed in at /my, by what was mailed to that address."""
    before = len(world.mailbox(address))
    await http.post(f"{world.gateway.url}/my/link", address=address, subject="")
    mailed = (await world.wait_for_mail(address, before + 1))[-1].decode()
    found = re.search(r"/my/in/[A-Za-z0-9_-]+", mailed.replace("=\n", ""))
    assert found is not None, mailed
    assert (await http.post(f"{world.gateway.url}{found[0]}")).status_code == 303


def everybody_answers(world: World) -> None:
    """Both telephones pick up and press 1 after a second."""
    ready = Answer(press=((1.0, "1"),))
    world.network.plan = {BEN_NUMBER: ready, ADA_NUMBER: ready}


def invited(world: World, number: str) -> int:
    """How often that telephone of the network was called."""
    seen = [m for _, way, m in world.network.wire if way == "in" and m.startswith(f"INVITE sip:{number}@")]
    return len({re.search(r"(?m)^Call-ID: (\S+)", m)[1] for m in seen})  # type: ignore[index]


def reset(world: World) -> World:
    """A world that others have used, with its telephones as new."""
    for phone in (world.network, *world.phones.values()):
        phone.plan = {}
        phone.wire.clear()
        phone.forget_calls()
    return world
