"""The way in by SMTP: wraps the next hop, and to the server it looks like one.

Each message goes to the next hop as the gate says; where the next hop refuses it, the offer is withdrawn. The next
hop's reply is the client's.
"""

from __future__ import annotations

from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.pipeline import Changed, Gate, Refused, Untouched
from smtp_hooks.protocol import Capabilities
from smtp_hooks.transaction import NextHop, Recorded, Transaction


class Offering:
    """A next hop that puts an offer into each message that gets one; to the server it looks like any other."""

    def __init__(self, next_hop: NextHop, gate: Gate) -> None:
        self._next_hop = next_hop
        self._gate = gate

    async def capabilities(self) -> Capabilities:
        return await self._next_hop.capabilities()

    async def begin(self, envelope: Envelope) -> Transaction:
        return Recorded(envelope, await self._next_hop.begin(envelope), self.hand_over)

    async def hand_over(self, envelope: Envelope, message: bytes, inner: Transaction) -> Reply:
        """Send the message on as the gate says; the reply for the client."""
        hop = await self._next_hop.capabilities()
        inner.prepare()  # the next hop's 354 comes while the message is judged, and few are refused
        match await self._gate.judge(envelope, message, eight_bit=hop.eight_bit, size_limit=hop.size or 0):
            case Untouched():
                return await inner.data(message)
            case Refused(reply=reply):
                await inner.abort()
                return reply
            case Changed(message=changed, coupon=coupon):
                reply = await inner.data(changed)
                if coupon is not None and not reply.accepted:
                    await self._gate.withdraw(coupon)
                return reply
