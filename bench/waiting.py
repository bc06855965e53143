"""Failed calls and who waits: how long until the message leaves, the two are connected, the first word is said.

    python bench/waiting.py             20 of each
    python bench/waiting.py --count 5

A real gateway, a real Asterisk, scripted telephones; the next hop is a sink in this process.
failed → next hop: from the 486 of who was called to the end of DATA at the next hop.
key → connected: from the press of 1 at the offeree's telephone until the waiting caller hears the offeree, without the
100 ms of the key's own tone and the 90 ms of voice by which it is recognised.
decline → first word: from the POST until the caller hears something else than music (which is off here).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts")]

import httpx  # noqa: E402
from lab.gateway import HOST  # noqa: E402
from lab.phone import Answer, Call, Reject  # noqa: E402
from lab.ports import free_port  # noqa: E402
from lab.sink import Sink, Taken  # noqa: E402
from lab.world import BEN, BEN_NUMBER, VOICES, World  # noqa: E402

KEY_S = 0.1
WINDOW_S, SHARE = 0.11, 0.8  # a voice is heard when it has this share of so many seconds

DIALPLAN = """
[mailgate-from-trunk](+)
exten => 202,1,Gosub(mailgate-try,s,1(PJSIP/ben,3,202))
 same => n,Hangup(${HANGUPCAUSE})
"""


class Bench:
    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self.world = world
        self.http = http
        self.arrived: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self.callers = 0

    def taken(self, message: Taken) -> None:
        self.arrived.put_nowait((time.monotonic(), message.content))

    async def call(self) -> tuple[Call, str, float]:
        """A new caller, on hold; the link that was mailed; and how long the message took."""
        self.callers += 1
        call = self.world.network.dial("202", caller=f"+3319901{self.callers:04}", hertz=VOICES["ada"])
        at, content = await asyncio.wait_for(self.arrived.get(), 20)
        refused = next(
            when
            for when, way, m in reversed(self.world.phones["ben"].wire)
            if way == "out" and m.startswith("SIP/2.0 486")
        )
        await asyncio.wait_for(call.up.wait(), 20)
        link = re.search(rb"http://[^\s\"]+/a/[A-Za-z0-9_-]+", content.replace(b"=\r\n", b""))
        assert link is not None
        return call, link[0].decode(), at - refused

    async def form(self, link: str, form: str) -> str:
        page = (await self.http.get(link)).text
        found = re.search(rf'<form id="{form}".*?name="nonce" value="([^"]+)"', page, re.DOTALL)
        assert found is not None
        return found[1]

    async def joined(self) -> tuple[float, float]:
        """Seconds until the message was away, and from the key to the voice."""
        call, link, mailed = await self.call()
        self.world.network.plan = {BEN_NUMBER: Answer()}
        nonce = await self.form(link, "call")
        known = len(self.world.network.calls)
        await self.http.post(f"{link}/call", data={"nonce": nonce, "region": "FR", "number": BEN_NUMBER})
        leg = await self.world.network.call(BEN_NUMBER, since=known)
        await asyncio.wait_for(leg.up.wait(), 20)
        await asyncio.sleep(2)
        leg.rtp.press("1")
        pressed = time.monotonic()
        while call.rtp.tones(VOICES["ben"], seconds=WINDOW_S)[VOICES["ben"]] < SHARE:
            assert time.monotonic() - pressed < 20
            await asyncio.sleep(0.01)
        took = time.monotonic() - pressed - KEY_S - SHARE * WINDOW_S
        self.world.network.hang_up(leg)
        await asyncio.wait_for(call.over.wait(), 10)
        return mailed, took

    async def declined(self) -> float:
        call, link, _ = await self.call()
        await asyncio.sleep(12)  # what is said first has been said; the music is without sound
        nonce = await self.form(link, "decline")
        call.rtp.forget()
        pressed = time.monotonic()
        fields = {"nonce": nonce, "subject": "", "reason": "other", "text": "Ich bin im Urlaub, bitte schreiben."}
        await self.http.post(f"{link}/decline", data=fields)
        heard = 0
        while True:
            octets = bytes(call.rtp.heard[heard:])
            if sum(octet not in b"\xff\x7e\x7f\xfe\xfd\x7d" for octet in octets) > 80:
                break
            assert time.monotonic() - pressed < 20
            heard += len(octets)
            await asyncio.sleep(0.02)
        took = time.monotonic() - pressed
        await asyncio.wait_for(call.over.wait(), 30)
        return took


def told(name: str, seconds: list[float]) -> None:
    ms = sorted(1000 * each for each in seconds)
    print(f"{name:24} n={len(ms):3}  p50 {statistics.median(ms):7.1f} ms   worst {ms[-1]:7.1f} ms", flush=True)


class WithoutPostfix(World):
    """The next hop is the sink, where Postfix would want to listen itself."""

    def _start_postfix(self) -> None:
        pass


async def run(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp") as made:
        world = WithoutPostfix(Path(made), dialplan=DIALPLAN)
        world.phones["ben"].plan = {"ben": Reject(code=486)}
        port = free_port()
        world.configuration["smtp"] = {"next_hop": f"{HOST}:{port}"}
        world.configuration["failed_calls"] = {"most_to_party": 10_000, "word_every_s": 120, "music": "none"}
        async with httpx.AsyncClient(timeout=20) as http:
            bench = Bench(world, http)
            sink = await asyncio.get_running_loop().create_server(lambda: Sink(bench.taken), HOST, port)
            async with sink, world:
                world.gateway.account_add(BEN, "Ben Bright", "--sip", "ben", "--extension", "202")
                both = [await bench.joined() for _ in range(count)]
                told("failed → next hop", [mailed for mailed, _ in both])
                told("key → connected", [took for _, took in both])
                told("decline → first word", [await bench.declined() for _ in range(max(1, count // 4))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    asyncio.run(run(parser.parse_args().count))
