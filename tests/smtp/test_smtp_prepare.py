"""DATA goes to the next hop while the message is still judged; what then becomes of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from smtp_hooks.envelope import Envelope, Recipient
from smtp_hooks.relay import LOST, Relay, RelaySettings

BEN = Recipient(address="ben@example.net")
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


class Hop:
    """A next hop that notes each session's commands, and the messages it has taken."""

    def __init__(self, ready: bytes = b"354 go on\r\n") -> None:
        self.sessions: list[list[str]] = []
        self.messages: list[bytes] = []
        self.asked = asyncio.Event()
        self.serving: list[asyncio.Task[None]] = []
        self._ready = ready

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.append(task)
        session: list[str] = []
        self.sessions.append(session)
        writer.write(b"220 hop ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            session.append(line.split(" ")[0])
            match session[-1]:
                case "EHLO":
                    writer.write(b"250-hop\r\n250 PIPELINING\r\n")
                case "DATA":
                    self.asked.set()
                    writer.write(self._ready)
                    if self._ready.startswith(b"354"):
                        with contextlib.suppress(asyncio.IncompleteReadError):
                            self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                            writer.write(b"250 taken\r\n")
                case _:
                    writer.write(b"250 ok\r\n")
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def relaying(hop: Hop) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    relay = Relay(RelaySettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server:
        yield relay
        await relay.close()
        await asyncio.wait_for(asyncio.gather(*hop.serving, return_exceptions=True), 5)


async def test_data_is_asked_for_before_the_message_is_there() -> None:
    hop = Hop()
    async with relaying(hop) as relay:
        transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        assert (await transaction.rcpt(BEN)).accepted
        transaction.prepare()
        await asyncio.wait_for(hop.asked.wait(), 3)
        assert hop.messages == []
        assert (await transaction.data(MESSAGE)).accepted
    assert hop.messages == [MESSAGE + b".\r\n"]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]]


async def test_a_message_that_does_not_come_costs_a_connection_and_is_not_delivered() -> None:
    hop = Hop()
    async with relaying(hop) as relay:
        transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        await transaction.rcpt(BEN)
        transaction.prepare()
        await transaction.abort()
        after = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        await after.rcpt(BEN)
        assert (await after.data(MESSAGE)).accepted
    assert hop.messages == [MESSAGE + b".\r\n"]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "DATA"], ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]]


async def test_a_refused_data_leaves_the_connection_as_good_as_before() -> None:
    hop = Hop(ready=b"452 4.3.1 no room\r\n")
    async with relaying(hop) as relay:
        for _ in range(2):
            transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
            await transaction.rcpt(BEN)
            transaction.prepare()
            assert (await transaction.data(MESSAGE)).code == 452
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]]


@pytest.mark.parametrize("prepared", [True, False])
async def test_a_connection_that_dies_before_the_message_comes_is_a_451(prepared: bool) -> None:
    hop = Hop(ready=b"421 4.3.2 going down\r\n")
    async with relaying(hop) as relay:
        transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        await transaction.rcpt(BEN)
        if prepared:
            transaction.prepare()
            await asyncio.wait_for(hop.asked.wait(), 3)
        reply = await transaction.data(MESSAGE)
        assert (reply.code, reply.code == LOST.code) == (451, True)
