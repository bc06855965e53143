"""One mail transaction as both edges see it: the server drives it, the relay is one, what lies between wraps one.

A transaction mirrors the client's: `begin` at MAIL, `rcpt` for each RCPT, `data` at the end of DATA; the reply of each
step is what the client is told, so nothing is acknowledged before the next hop acknowledged it. A step may raise
`Refused`; any other exception is a bug, which the server turns into 451 4.3.0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.errors import Refused
from smtp_hooks.protocol import Capabilities


class Transaction(Protocol):
    """A message under way. Ends with `data` or `abort`; `abort` may be called at any time and more than once."""

    async def rcpt(self, recipient: Recipient) -> Reply: ...

    def prepare(self) -> None:
        """The message is here and will come in a moment: whatever must be asked for first is asked for already, and
        nothing is waited for. May be left out; an `abort` behind it costs a connection."""

    async def data(self, message: bytes) -> Reply: ...

    async def abort(self) -> None: ...


class NextHop(Protocol):
    """Where messages go: the relay, or what wraps it."""

    async def capabilities(self) -> Capabilities:
        """What a client may be offered, as far as it depends on the next hop. Never raises."""
        ...

    async def begin(self, envelope: Envelope) -> Transaction:
        """A transaction for this envelope, which has no recipients yet. Raises Refused."""
        ...


HandOver = Callable[[Envelope, bytes, Transaction], Awaitable[Reply]]
"""Sends the message on by that transaction, or ends it; the reply for the client. The envelope has the accepted
recipients only, as the transaction has."""


class Recorded:
    """Mirrors a transaction with the next hop up to the end of DATA, and remembers which recipients it has accepted;
    what becomes of the message then says `hand_over`."""

    __slots__ = ("_accepted", "_envelope", "_hand_over", "_inner")

    def __init__(self, envelope: Envelope, inner: Transaction, hand_over: HandOver) -> None:
        self._envelope = envelope
        self._inner = inner
        self._hand_over = hand_over
        self._accepted: list[Recipient] = []

    async def rcpt(self, recipient: Recipient) -> Reply:
        reply = await self._inner.rcpt(recipient)
        if reply.accepted:
            self._accepted.append(recipient)
        return reply

    def prepare(self) -> None:
        self._inner.prepare()

    async def data(self, message: bytes) -> Reply:
        seen = self._envelope
        envelope = Envelope(  # for each message: `dataclasses.replace` costs three times as much
            reverse_path=seen.reverse_path,
            recipients=tuple(self._accepted),
            parameters=seen.parameters,
            client=seen.client,
        )
        return await self._hand_over(envelope, message, self._inner)

    async def abort(self) -> None:
        await self._inner.abort()


Transform = Callable[[Envelope, bytes], Awaitable[bytes]]
"""The message for this envelope (accepted recipients only), changed. Raises Refused. Lines end with CRLF."""


async def unchanged(envelope: Envelope, message: bytes) -> bytes:
    """The transform that changes nothing."""
    return message


class Passthrough:
    """A next hop that changes each message on its way to the real one."""

    def __init__(self, next_hop: NextHop, transform: Transform = unchanged) -> None:
        self._next_hop = next_hop
        self._transform = transform

    async def capabilities(self) -> Capabilities:
        return await self._next_hop.capabilities()

    async def begin(self, envelope: Envelope) -> Transaction:
        return Recorded(envelope, await self._next_hop.begin(envelope), self._changed)

    async def _changed(self, envelope: Envelope, message: bytes, inner: Transaction) -> Reply:
        try:
            changed = await self._transform(envelope, message)
        except Refused as refused:
            await inner.abort()
            return refused.reply
        return await inner.data(changed)
