"""A gateway as an administrator runs it, with listening applications: `mailgate serve` and `mailgate listen --plain` as
processes, a next hop that keeps what it takes, and devices that are spoken for by hand. No Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import smtplib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from lab import sink
from lab.application import until
from lab.gateway import HOST, Gateway
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ADA, BEN = "ada@example.org", "ben@example.net"
ADA_NUMBER, BEN_NUMBER = "+33199001234", "+33199000002"


def letter(to: str = BEN, number: int = 1) -> bytes:
    message_id = f"<{number}.{time.monotonic_ns()}@example.org>"
    return (
        f"From: {ADA}\r\nTo: {to}\r\nSubject: The engine\r\nMessage-ID: {message_id}\r\n"
        "Date: Sun, 22 Nov 2026 03:00:00 +0000\r\n\r\nShall we talk about the engine?\r\n"
    ).encode()


class Hop:
    """The next hop; `refuses`: what it answers to whole messages from now on."""

    def __init__(self) -> None:
        self.taken: list[sink.Taken] = []
        self.refuses = ""
        self.server: asyncio.Server | None = None

    def take(self, message: sink.Taken) -> None:
        if self.refuses:
            raise sink.Refusal(self.refuses)
        self.taken.append(message)

    def subjects(self) -> list[str]:
        return [re.search(rb"(?m)^Subject: (.*?)\r$", m.content)[1].decode() for m in self.taken]  # type: ignore[index]


class Device:
    """A device whose every word is the test's; `heard` is what the gateway has said."""

    def __init__(self, connection: ClientConnection, *, acknowledges: bool) -> None:
        self.connection = connection
        self.acknowledges = acknowledges
        self.heard: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def come(cls, url: str, key: str, *, acknowledges: bool = True, **hello: Any) -> Self:
        connection = await connect(url.replace("http", "ws") + "/listen", compression=None)
        device = cls(connection, acknowledges=acknowledges)
        await device.say("hello", key=key, **hello)
        await device.hears("welcome")
        return device

    async def say(self, type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": type, **fields}))

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):  # some are cut off on purpose
            async for text in self.connection:
                message = json.loads(text)
                message["heard_at"] = time.monotonic()
                if self.acknowledges and "id" in message:
                    await self.say("shown", id=message["id"])
                self.heard.append(message)

    async def hears(self, type: str, within_s: float = 15.0, **fields: Any) -> dict[str, Any]:
        """The first message of that type with those fields."""
        found = await until(
            lambda: next(
                (m for m in self.heard if m["type"] == type and all(m.get(k) == v for k, v in fields.items())), None
            ),
            within_s,
            lambda: f"{type} {fields} not among {self.heard}",
        )
        assert isinstance(found, dict)
        return found

    async def leave(self) -> None:
        await self.connection.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class House:
    """The gateway with its next hop; Ada writes, Ben listens."""

    def __init__(self, gateway: Gateway, hop: Hop) -> None:
        self.gateway = gateway
        self.hop = hop

    async def key(self, address: str = BEN, *options: str) -> str:
        """A new device's."""
        done = await asyncio.to_thread(self.gateway.run, "account", "device", "add", address, *options)
        return done.stdout.strip()

    async def command(self, *words: str, check: bool = True) -> str:
        done = await asyncio.to_thread(lambda: self.gateway.run(*words, check=check))
        return " ".join((done.stdout + done.stderr).split())

    async def write(self, to: str = BEN) -> float:
        """Ada writes a letter; when it was handed over (monotonic)."""

        def talk() -> float:
            with smtplib.SMTP(HOST, self.gateway.smtp_port, timeout=60) as client:
                client.ehlo()
                client.mail(ADA)
                client.rcpt(to)
                began = time.monotonic()
                client.data(letter(to))
                return began

        return await asyncio.to_thread(talk)

    async def mailed(self, subject: str, within_s: float = 40.0) -> sink.Taken:
        """The message with that in its subject."""
        found = await until(
            lambda: next((m for m, s in zip(self.hop.taken, self.hop.subjects(), strict=True) if subject in s), None),
            within_s,
            lambda: f"{subject!r} not among {self.hop.subjects()}\n{self.gateway.log[-3000:]}",
        )
        assert isinstance(found, sink.Taken)
        return found


@contextlib.asynccontextmanager
async def house(folder: Path, *, workers: int = 1, **listening: Any) -> AsyncIterator[House]:
    """`workers`: processes that take mail; `listening`: keys of that section."""
    hop = Hop()
    hop.server = await sink.start(hop.take)
    gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=hop.server.sockets[0].getsockname()[1])

    def begin() -> None:
        gateway.init()
        gateway.account_add(ADA, "Ada Lovelace", "--number", ADA_NUMBER)
        gateway.account_add(BEN, "Ben Bright", "--number", BEN_NUMBER, "--mode", "never", "--extension", "202")
        gateway.configure("listening", **{"ack_s": 1.5, **listening})
        gateway.configure("smtp", workers=workers)
        gateway.start()

    await asyncio.to_thread(begin)
    try:
        yield House(gateway, hop)
    finally:
        await asyncio.to_thread(gateway.stop)
        hop.server.close()
        await asyncio.sleep(0.01)
        print(gateway.log[-6000:])
