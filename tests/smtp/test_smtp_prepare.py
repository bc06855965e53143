"""DATA goes to the next hop while the message is still judged; what then becomes of the connection."""

from __future__ import annotations

import asyncio

import pytest
from smtp_hop import BEN, Hop, relaying

from smtp_hooks.envelope import Envelope
from smtp_hooks.relay import LOST

MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


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
