"""A next hop that takes chunks (RFC 3030): the message goes by BDAT, as it is, in the same write as its length."""

from __future__ import annotations

import logging

import pytest
from smtp_hop import BEN, Hop, relaying

from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.relay import LOST, Relay

MESSAGE = b"Subject: dots\r\n\r\n.\r\n..two\r\n.\r\n"


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
    hop = Hop(chunking=True)
    async with relaying(hop) as relay:
        assert (await send(relay, message)).accepted
        assert (await send(relay, message)).accepted
    assert hop.messages == [came, came]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "BDAT", "MAIL", "RCPT", "BDAT", "QUIT"]]


async def test_a_message_that_does_not_come_costs_no_connection() -> None:
    hop = Hop(chunking=True)
    async with relaying(hop) as relay:
        transaction = await relay.begin(Envelope(reverse_path="ada@example.org", recipients=()))
        await transaction.rcpt(BEN)
        transaction.prepare()
        await transaction.abort()
        assert (await send(relay)).accepted
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "BDAT", "QUIT"]]


@pytest.mark.parametrize("code", [452, 552])
async def test_a_refusal_is_the_clients_and_the_connection_is_kept(code: int) -> None:
    hop = Hop(chunking=True, first=b"%d no\r\n" % code)
    async with relaying(hop) as relay:
        assert (await send(relay)).code == code
        assert (await send(relay)).accepted
    assert hop.messages == [MESSAGE]
    assert hop.sessions == [["EHLO", "MAIL", "RCPT", "BDAT", "RSET", "MAIL", "RCPT", "BDAT", "QUIT"]]


async def test_what_does_not_know_it_after_all_gets_data(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is bounced by a firewall that hides a command: the client tries again."""
    hop = Hop(chunking=True, first=b"502 5.5.1 what?\r\n")
    async with relaying(hop) as relay:
        with caplog.at_level(logging.ERROR):
            assert await send(relay) == LOST
        assert "does not know BDAT" in caplog.text
        assert (await send(relay)).accepted
    assert hop.messages == [b"Subject: dots\r\n\r\n..\r\n...two\r\n..\r\n.\r\n"]
    assert [session[-2:] for session in hop.sessions] == [["RCPT", "BDAT"], ["DATA", "QUIT"]]


async def test_a_connection_that_dies_after_the_chunk_is_a_451_and_nothing_is_sent_again() -> None:
    hop = Hop(chunking=True, first=b"421 4.3.2 going down\r\n")
    async with relaying(hop) as relay:
        assert (await send(relay)).code == 451
    assert hop.messages == []
    assert len(hop.sessions) == 1
