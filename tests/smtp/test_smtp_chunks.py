"""A next hop that takes chunks (RFC 3030): the message goes by BDAT, as it is, in the same write as its length."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.relay import LOST, Relay, RelaySettings

BEN = Recipient(address="ben@example.net")
MESSAGE = b"Subject: dots\r\n\r\n.\r\n..two\r\n.\r\n"


class Hop:
    """Notes each session's commands and the messages it has taken; the first chunk of each session is answered so."""

    def __init__(self, first: bytes = b"250 2.0.0 taken\r\n") -> None:
        self.sessions: list[list[str]] = []
        self.messages: list[bytes] = []
        self.serving: list[asyncio.Task[None]] = []
        self._first = first

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.append(task)
        session: list[str] = []
        self.sessions.append(session)
        writer.write(b"220 hop ESMTP\r\n")
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                session.append(line.split(" ")[0])
                match session[-1]:
                    case "EHLO":
                        writer.write(b"250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
                    case "BDAT":
                        content = await reader.readexactly(int(line.split(" ")[1]))
                        assert line.endswith(" LAST")
                        reply = self._first if session.count("BDAT") == 1 else b"250 2.0.0 taken\r\n"
                        if reply.startswith(b"250"):
                            self.messages.append(content)
                        writer.write(reply)
                    case "DATA":
                        writer.write(b"354 go on\r\n")
                        with contextlib.suppress(asyncio.IncompleteReadError):
                            self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                            writer.write(b"250 2.0.0 taken\r\n")
                    case _:
                        writer.write(b"250 ok\r\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def relaying(hop: Hop) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    relay = Relay(RelaySettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server:
        yield relay
        await relay.close()
        await asyncio.wait_for(asyncio.gather(*hop.serving, return_exceptions=True), 5)


async def send(relay: Relay, message: bytes = MESSAGE) -> Reply:
    transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
    assert (await transaction.rcpt(BEN)).accepted
    transaction.prepare()
    return await transaction.data(message)


@pytest.mark.parametrize(
    ("message", "came"),
    [(MESSAGE, MESSAGE), (b"Subject: no end\r\n\r\nHello", b"Subject: no end\r\n\r\nHello\r\n"), (b"", b"")],
)
async def test_a_message_goes_as_it_is(message: bytes, came: bytes) -> None:
    hop = Hop()
    async with relaying(hop) as relay:
        assert (await send(relay, message)).accepted
        assert (await send(relay, message)).accepted
    assert hop.messages == [came, came]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "BDAT", "MAIL", "RCPT", "BDAT", "QUIT"]]


async def test_a_message_that_does_not_come_costs_no_connection() -> None:
    hop = Hop()
    async with relaying(hop) as relay:
        transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        await transaction.rcpt(BEN)
        transaction.prepare()
        await transaction.abort()
        assert (await send(relay)).accepted
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "BDAT", "QUIT"]]


@pytest.mark.parametrize("code", [452, 552])
async def test_a_refusal_is_the_clients_and_the_connection_is_kept(code: int) -> None:
    hop = Hop(first=b"%d no\r\n" % code)
    async with relaying(hop) as relay:
        assert (await send(relay)).code == code
        assert (await send(relay)).accepted
    assert hop.messages == [MESSAGE]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "BDAT", "RSET", "MAIL", "RCPT", "BDAT", "QUIT"]]


async def test_what_does_not_know_it_after_all_gets_data(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is bounced by a firewall that hides a command: the client tries again."""
    hop = Hop(first=b"502 5.5.1 what?\r\n")
    async with relaying(hop) as relay:
        with caplog.at_level(logging.ERROR):
            assert await send(relay) == LOST
        assert "does not know BDAT" in caplog.text
        assert (await send(relay)).accepted
    assert hop.messages == [b"Subject: dots\r\n\r\n..\r\n...two\r\n..\r\n.\r\n"]
    assert [session[-2:] for session in hop.sessions] == [["RCPT", "BDAT"], ["DATA", "QUIT"]]


async def test_a_connection_that_dies_after_the_chunk_is_a_451_and_nothing_is_sent_again() -> None:
    hop = Hop(first=b"421 4.3.2 going down\r\n")
    async with relaying(hop) as relay:
        assert (await send(relay)).code == 451
    assert hop.messages == []
    assert len(hop.sessions) == 1
