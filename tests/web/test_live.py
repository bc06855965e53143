"""The live stream: every state once, in order, to everyone who watches, and an end."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

import pytest
from web_gateway import Gateway, MakeGateway, course

from mailgate.calls.model import Outcome
from mailgate.offers.service import Rules
from mailgate.web import live

ENGLISH = {"Accept-Language": "en"}


@dataclass
class Watcher:
    """A page that is open: what came to it, and a task that ends when the stream does."""

    news: list[dict[str, object]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def read(self, gateway: Gateway, token: str, query: str, headers: dict[str, str]) -> None:
        url = f"/a/{token}/events{query}"
        async with gateway.client.stream("GET", url, headers=ENGLISH | headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                self.lines.append(line)
                if line.startswith("id: "):
                    self.ids.append(line[4:])
                if line.startswith("data: "):
                    self.news.append(json.loads(line[6:]))
                self.came.set()

    async def wait(self, count: int) -> None:
        """Until `count` events have come."""
        async with asyncio.timeout(5):
            while len(self.news) < count:
                self.came.clear()
                await self.came.wait()

    def titles(self) -> list[object]:
        return [each.get("title") for each in self.news]


def watch(gateway: Gateway, token: str, query: str = "", **headers: str) -> Watcher:
    watcher = Watcher()
    watcher.task = asyncio.create_task(watcher.read(gateway, token, query, headers))
    return watcher


WHOLE = [
    "Ada Lovelace offers you a call",
    "We are calling you",
    "Your telephone is ringing",
    "Press 1 on your telephone",
    "We are calling Ada Lovelace",
    "Ada Lovelace has picked up",
    "You are connected",
    "The call has ended",
]


async def test_every_state_reaches_every_watcher(gateway: Gateway) -> None:
    token = await gateway.open()
    watchers = [watch(gateway, token) for _ in range(3)]
    for watcher in watchers:
        await watcher.wait(1)
    attempt_id = await gateway.accepted(token)
    for place, event in enumerate(course(attempt_id, gateway.clock())):
        for watcher in watchers:
            await watcher.wait(place + 2)
        await gateway.offers.on_call_event(event)
    for watcher in watchers:
        assert watcher.task is not None
        await asyncio.wait_for(watcher.task, 5)  # the stream ends with the call
        assert watcher.titles() == WHOLE
        assert len(set(watcher.ids)) == len(WHOLE)
        assert [each["more"] for each in watcher.news] == [True] * 7 + [False]
        assert [each["watch"] for each in watcher.news] == ["open", *["call"] * 6, "open"]
        assert watcher.lines[0] == f"retry: {live.RETRY_MS}"
        assert "You talked for 1 min 23 s." in str(watcher.news[-1]["say"])
    assert len(gateway.app.state.streams) == 0


async def test_what_the_page_shows_is_not_sent_again(gateway: Gateway) -> None:
    token = await gateway.open()
    first = watch(gateway, token)
    await first.wait(1)
    assert "panel" in first.news[0]
    seen, resumed = (
        watch(gateway, token, f"?seen={first.ids[0]}"),
        watch(gateway, token, **{"Last-Event-ID": first.ids[0]}),
    )
    for watcher in (seen, resumed):
        await watcher.wait(1)
        assert watcher.news[0] == {"key": first.ids[0], "watch": "open", "more": True}
    await gateway.accepted(token)
    await seen.wait(2)
    assert "We are calling you" in str(seen.news[1]["panel"])


async def test_a_page_of_an_ended_offer_is_told_once(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(attempts=1))
    token = await gateway.open()
    await gateway.ends(token, Outcome.DESTINATION_BUSY)
    watcher = watch(gateway, token)
    assert watcher.task is not None
    await asyncio.wait_for(watcher.task, 5)
    assert watcher.titles() == ["Ada Lovelace is on another call"]
    assert watcher.news[0]["watch"] == "no"


async def test_a_quiet_stream_shows_that_it_lives(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    token = await gateway.open()
    watcher = watch(gateway, token)
    await watcher.wait(1)
    async with asyncio.timeout(5):
        while watcher.lines.count(": still here") < 2:
            watcher.came.clear()
            await watcher.came.wait()
    await gateway.accepted(token)
    await watcher.wait(2)
    assert watcher.titles() == WHOLE[:2]


async def test_who_goes_is_forgotten(gateway: Gateway) -> None:
    token = await gateway.open()
    watchers = [watch(gateway, token) for _ in range(20)]
    for watcher in watchers:
        await watcher.wait(1)
    assert len(gateway.app.state.streams) == 20
    for watcher in watchers:
        assert watcher.task is not None
        watcher.task.cancel()
    await asyncio.gather(*(w.task for w in watchers if w.task), return_exceptions=True)
    async with asyncio.timeout(5):
        while len(gateway.app.state.streams):
            await asyncio.sleep(0.01)
    assert not gateway.offers._watchers.watched()


async def test_stopping_the_server_ends_the_streams(gateway: Gateway) -> None:
    token = await gateway.open()
    watchers = [watch(gateway, token) for _ in range(5)]
    for watcher in watchers:
        await watcher.wait(1)
    began = time.monotonic()
    await gateway.server.stop()
    assert time.monotonic() - began < 2
    for watcher in watchers:
        assert watcher.task is not None
        await asyncio.wait_for(watcher.task, 1)  # ended in good order: no error at the reader
