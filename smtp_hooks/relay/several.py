"""Several next hops in the order of preference: the first one that answers takes the message.

A transaction tries the hops until one answers MAIL and the first RCPT, whatever it answers: a refusal is a word, and
holds. A hop that did not answer is avoided for a while. Once a hop has answered, the transaction stays with it; where
it is lost later, the client's queue tries again, and the next hop in order is asked then.

Standards: RFC 5321, 5.1 (the order in which hosts are tried). Known limits: no sharing of load between equals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.protocol import ASSUMED, Capabilities
from smtp_hooks.relay import UNREACHABLE, Relay
from smtp_hooks.transaction import Transaction

log = logging.getLogger(__name__)


class Several:
    """The next hops as one. `avoid_s`: how long one that did not answer is asked last."""

    def __init__(self, relays: Sequence[Relay], avoid_s: float = 60) -> None:
        self._relays = tuple(relays)
        self._avoid_s = avoid_s
        self._avoid_until = [0.0] * len(self._relays)  # in the loop's time

    def order(self) -> list[int]:
        """Numbers of the hops: those that answer in their order, then the others, the longest silent first."""
        now = asyncio.get_running_loop().time()
        return sorted(range(len(self._relays)), key=lambda n: max(0.0, self._avoid_until[n] - now))

    async def capabilities(self) -> Capabilities:
        """What the first hop that answers offers."""
        for number in self.order():
            offers = await self._relays[number].capabilities()
            if offers is not ASSUMED:
                return offers
            self.judge(number, False)
        return ASSUMED

    async def begin(self, envelope: Envelope) -> Transaction:
        return _Trying(self, envelope)

    async def close(self) -> None:
        for relay in self._relays:
            await relay.close()

    async def open(self, number: int, envelope: Envelope) -> Transaction:
        """A transaction with that hop."""
        return await self._relays[number].begin(envelope)

    def judge(self, number: int, answered: bool) -> None:
        """Remember whether a hop answered."""
        silent = self._avoid_until[number] > 0
        if not answered:
            self._avoid_until[number] = asyncio.get_running_loop().time() + self._avoid_s
            if not silent:
                log.warning("next hop %d does not answer, it is avoided", number + 1, extra={"action": "relay-avoid"})
        elif silent:
            self._avoid_until[number] = 0.0
            log.info("next hop %d answers again", number + 1, extra={"action": "relay-back"})


class _Trying:
    """A transaction that looks for its hop with the first recipient."""

    def __init__(self, several: Several, envelope: Envelope) -> None:
        self._several = several
        self._envelope = envelope
        self._chosen: Transaction | None = None

    async def rcpt(self, recipient: Recipient) -> Reply:
        if self._chosen is not None:
            return await self._chosen.rcpt(recipient)
        reply = UNREACHABLE
        for number in self._several.order():
            self._chosen = await self._several.open(number, self._envelope)
            reply = await self._chosen.rcpt(recipient)
            self._several.judge(number, reply is not UNREACHABLE)
            if reply is not UNREACHABLE:
                break
        return reply

    def prepare(self) -> None:
        if self._chosen is not None:
            self._chosen.prepare()

    async def data(self, message: bytes) -> Reply:
        return UNREACHABLE if self._chosen is None else await self._chosen.data(message)

    async def abort(self) -> None:
        if self._chosen is not None:
            await self._chosen.abort()
