"""Clients that are broken, slow, many or malicious; the next hop is a sink that keeps what reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvloop
from lab import sink

from smtp_hooks.envelope import Envelope
from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.transaction import Passthrough, Transform, unchanged


@dataclass
class Gate:
    server: Server
    relay: Relay
    taken: list[sink.Taken]

    async def client(self, *, greet: bool = True) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.server.port))
        if greet:
            assert await client.reply() == "220 gate ESMTP mailgate"
            await client.send(b"EHLO client.example\r\n")
            await client.reply()
        return client


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self) -> str:
        """The last line of the next reply; empty at the end of the connection."""
        async with asyncio.timeout(5):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
        return line.decode().rstrip("\r\n")

    async def ask(self, octets: bytes) -> str:
        await self.send(octets)
        return await self.reply()

    async def open(self) -> None:
        """Up to the 354 of a transaction."""
        await self.send(b"MAIL FROM:<ada@example.org>\r\nRCPT TO:<ben@example.net>\r\nDATA\r\n")
        assert [(await self.reply())[:3] for _ in range(3)] == ["250", "250", "354"]


@asynccontextmanager
async def gate(transform: Transform = unchanged, **settings: object) -> AsyncIterator[Gate]:
    taken: list[sink.Taken] = []
    hop = await sink.start(taken.append)
    relay = Relay(RelaySettings(host="127.0.0.1", port=hop.sockets[0].getsockname()[1], connections=500))
    server = Server(ServerSettings(hostname="gate", **settings), Passthrough(relay, transform))  # type: ignore[arg-type]
    await server.start()
    try:
        yield Gate(server, relay, taken)
    finally:
        await server.stop(grace_s=0.1)
        await relay.close()
        hop.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\0\r\n.\r\r\n"]
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
async def test_smuggling_in_every_dot_position(end: bytes, place: str) -> None:
    """Either refused, or one message: never a second one out of the first one's content."""
    evil = b"MAIL FROM:<eve@example.org>\r\nRCPT TO:<cat@example.net>\r\nDATA\r\nSubject: evil\r\n\r\nx"
    parts = [b"Subject: one\r\n\r\n", b"a", b"b", b"c"]
    parts.insert({"first": 0, "middle": 2, "last": 4}[place], end + evil + end)
    async with gate() as it:
        client = await it.client()
        await client.open()
        assert await client.ask(b"".join(parts) + b"\r\n.\r\n") == "550 5.5.2 " + (
            "NUL in message content" if b"\0" in end else "bare CR or LF in message content"
        )
        await client.open()
        assert (await client.ask(b"Subject: two\r\n\r\nclean\r\n.\r\n"))[:3] == "250"
        assert [message.content for message in it.taken] == [b"Subject: two\r\n\r\nclean\r\n"]
        client.writer.close()


async def test_a_careless_transform_cannot_smuggle() -> None:
    async def careless(envelope: Envelope, message: bytes) -> bytes:
        return message + b"\n.\nMAIL FROM:<eve@example.org>\r\n"

    async with gate(careless) as it:
        client = await it.client()
        await client.open()
        assert (await client.ask(b"Subject: x\r\n\r\n.\r\n"))[:9] == "550 5.5.2"
        assert it.taken == []
        client.writer.close()


async def test_a_command_of_60_kb_and_what_follows_it() -> None:
    async with gate() as it:
        client = await it.client()
        assert (
            await client.ask(b"MAIL FROM:<" + b"a" * 60_000 + b"@example.org>\r\n") == "500 5.5.2 Command line too long"
        )
        for _ in range(30):
            await client.send(b"x" * 2000)
            await asyncio.sleep(0)
        assert await client.ask(b"\r\n") == "500 5.5.2 Command line too long"
        assert (await client.ask(b"MAIL FROM:<a@b>\r\n"))[:3] == "250"
        client.writer.close()


@pytest.mark.parametrize(
    "command",
    [
        b'RCPT TO:<"x\r\n',
        b"RCPT TO:<a\x0bb@example.net>\r\n",
        b"RCPT TO:<a\0b@example.net>\r\n",
        b"RCPT TO:<a\rb@example.net>\r\n",
        b"RCPT TO:<ben@example.net>\n",
        b"RCPT TO:<ben@example.net> X=\xff\r\n",
    ],
)
async def test_broken_recipients_reach_nobody(command: bytes) -> None:
    async with gate() as it:
        client = await it.client()
        await client.ask(b"MAIL FROM:<ada@example.org>\r\n")
        assert (await client.ask(command))[:2] in ("50", "55")
        assert (await client.ask(b"DATA\r\n"))[:3] == "554"
        client.writer.close()


async def test_3000_recipients() -> None:
    async with gate(recipients=1000) as it:
        client = await it.client()
        await client.ask(b"MAIL FROM:<ada@example.org>\r\n")
        replies = []
        for n in range(0, 3000, 100):
            await client.send(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % m for m in range(n, n + 100)))
            replies += [(await client.reply())[:9] for _ in range(100)]
        assert replies == ["250 2.0.0"] * 1000 + ["452 4.5.3"] * 2000
        assert (await client.ask(b"DATA\r\n"))[:3] == "354"
        assert (await client.ask(b"x: y\r\n\r\n.\r\n"))[:3] == "250"
        assert len(it.taken[0].rcpt) == 1000
        client.writer.close()


async def test_too_many_connections_are_told_so_and_others_are_served() -> None:
    async with gate(connections=5) as it:
        first = [await it.client() for _ in range(5)]
        sixth = await it.client(greet=False)
        assert (await sixth.reply())[:9] == "421 4.7.0"
        assert await sixth.reply() == ""
        await first[0].open()
        assert (await first[0].ask(b"a: b\r\n\r\n.\r\n"))[:3] == "250"
        first[1].writer.close()
        async with asyncio.timeout(2):
            while len(it.server.sessions) == 5:  # the server does not tell
                await asyncio.sleep(0.01)
        again = await it.client()
        for client in [*first, sixth, again]:
            client.writer.close()


async def test_hundreds_of_idle_and_slow_clients_delay_nobody() -> None:
    async with gate(connections=500) as it:
        slow = [await it.client() for _ in range(300)]
        for client in slow[:150]:
            await client.open()

        async def trickle() -> None:
            while True:
                for client in slow[:150]:
                    client.writer.write(b"x")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        worst = 0.0
        quick = await it.client()
        for _ in range(20):
            start = time.monotonic()
            await quick.open()
            assert (await quick.ask(b"a: b\r\n\r\n.\r\n"))[:3] == "250"
            worst = max(worst, time.monotonic() - start)
        trickling.cancel()
        assert worst < 0.25
        for client in [*slow, quick]:
            client.writer.close()


async def test_a_client_that_sends_without_end_is_cut() -> None:
    async with gate(size_limit=100_000) as it:
        client = await it.client()
        await client.open()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await client.send(b"x" * 10_000)
            assert await client.reader.read() == b""
        assert it.taken == []
        assert not it.server.sessions
        client.writer.close()


async def test_a_message_that_never_ends_is_given_up() -> None:
    async with gate(idle_s=0.4, message_s=0.8) as it:
        client = await it.client()
        await client.open()
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while not client.reader.at_eof() and time.monotonic() - start < 5:
                client.writer.write(b"x\r\n")
                await asyncio.sleep(0.05)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        if (await client.reader.readline()).startswith(b"421 4.4.2"):
                            break
        assert 0.7 < time.monotonic() - start < 4
        client.writer.close()


async def test_a_client_that_does_not_read_is_cut() -> None:
    async with gate(idle_s=0.4) as it:
        client = await it.client()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(10):
                while it.server.sessions:
                    client.writer.write(b"EHLO x\r\n" * 2000)
                    await client.writer.drain()
                    await asyncio.sleep(0.01)
        assert not it.server.sessions
        client.writer.transport.abort()


async def test_a_client_that_reads_late_gets_every_reply() -> None:
    """What it sends while the gateway waits for it to read is not forgotten."""
    async with gate() as it:
        client = await it.client()
        asked = 100_000  # with replies beyond what the kernel holds for both sides
        client.writer.write(b"EHLO x\r\n" * asked)
        await asyncio.sleep(0.5)
        client.writer.write(b"QUIT\r\n")
        async with asyncio.timeout(30):
            assert (await client.reader.read()).count(b"250 XCLIENT LOGIN\r\n") == asked
        client.writer.close()


async def test_stop_lets_the_message_in_flight_finish() -> None:
    """Idle clients get 421; one in the midst of content, and one whose message is being worked on, are served."""
    working = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(envelope: Envelope, message: bytes) -> bytes:
        if b"slow" in message:
            working.set()
            await go_on.wait()
        return message

    async with gate(slow) as it:
        idle, sending, waiting = [await it.client() for _ in range(3)]
        await sending.open()
        await sending.send(b"Subject: sending\r\n")
        await waiting.open()
        await waiting.send(b"Subject: slow\r\n\r\n.\r\n")
        await working.wait()
        stopping = asyncio.create_task(it.server.stop(grace_s=5))
        assert (await idle.reply())[:9] == "421 4.3.2"
        assert await idle.reply() == ""
        with pytest.raises(ConnectionRefusedError):
            await it.client()
        assert not stopping.done()
        assert (await sending.ask(b"\r\n.\r\n"))[:3] == "250"
        assert (await sending.reply())[:9] == "421 4.3.2"
        go_on.set()
        assert (await waiting.reply())[:3] == "250"
        await asyncio.wait_for(stopping, 2)
        assert {message.content[:12] for message in it.taken} == {b"Subject: sen", b"Subject: slo"}
        for client in (idle, sending, waiting):
            client.writer.close()


async def test_stop_does_not_wait_for_ever() -> None:
    async with gate() as it:
        client = await it.client()
        await client.open()
        start = time.monotonic()
        await it.server.stop(grace_s=0.3)
        assert time.monotonic() - start < 1
        assert it.taken == []
        client.writer.close()


async def test_a_client_that_goes_while_its_message_is_worked_on_is_not_delivered() -> None:
    """It was told nothing, so it will send again; what it did not see acknowledged is not handed over."""
    working = asyncio.Event()

    async def slow(envelope: Envelope, message: bytes) -> bytes:
        working.set()
        await asyncio.sleep(30)
        return message

    async with gate(slow) as it:
        client = await it.client()
        await client.open()
        await client.send(b"Subject: x\r\n\r\n.\r\n")
        await working.wait()
        client.writer.transport.abort()
        async with asyncio.timeout(2):
            while it.server.sessions:  # the server does not tell
                await asyncio.sleep(0.01)
        assert it.taken == []


async def test_a_bug_is_logged_with_its_traceback_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty(envelope: Envelope, message: bytes) -> bytes:
        raise RuntimeError("the secret")

    async with gate(faulty) as it:
        client = await it.client()
        await client.open()
        assert await client.ask(b"Subject: x\r\n\r\n.\r\n") == "451 4.3.0 Internal error, try again later"
        await client.open()
        client.writer.close()
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info is not None
    assert "ada@example.org" not in caplog.text


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_many_messages_over_few_connections_stay_apart(run: Callable[..., None]) -> None:
    """20 clients at once, 25 messages each: every message reaches its own recipient unmixed."""
    run(many_messages())


async def many_messages() -> None:
    async with gate() as it:

        async def one(number: int) -> None:
            client = await it.client()
            for n in range(25):
                await client.send(
                    b"MAIL FROM:<a%d@example.org>\r\nRCPT TO:<b%d.%d@example.net>\r\nDATA\r\n" % (number, number, n)
                )
                assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
                assert (await client.ask(b"Subject: %d.%d\r\n\r\n..%d\r\n.\r\n" % (number, n, n)))[:3] == "250"
            client.writer.close()

        await asyncio.gather(*(one(number) for number in range(20)))
        seen = {(m.rcpt[0], m.content) for m in it.taken}
        assert len(it.taken) == 500
        assert seen == {
            (f"RCPT TO:<b{a}.{n}@example.net>", b"Subject: %d.%d\r\n\r\n.%d\r\n" % (a, n, n))
            for a in range(20)
            for n in range(25)
        }
