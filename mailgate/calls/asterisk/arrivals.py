"""Pages that will call in: their nonces, each good once and for a short while.

An order whose leg 1 is a browser waits here until the page's call has come (`take`), its time is over or its attempt is
ended (`drop`). Kept in memory only: what is lost with the process is an attempt that nothing rang for, and which
settling finds to be so. Nothing of it is ever written into Asterisk, neither the nonce nor whom it leads to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from mailgate.calls.model import CallOrder

NONCE_TTL_S = 120.0
"""How long a page may take from its order to its call: a browser that asks for the microphone waits for a person."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: CallOrder
    clock: asyncio.TimerHandle


class Expected:
    """Orders by nonce. `too_late` is called with the attempt of an order whose page never came."""

    def __init__(self, too_late: Callable[[str], None], ttl_s: float = NONCE_TTL_S) -> None:
        self._too_late = too_late
        self._ttl_s = ttl_s
        self._orders: dict[str, _Waiting] = {}

    def add(self, order: CallOrder) -> None:
        nonce = order.leg1.address
        clock = asyncio.get_running_loop().call_later(self._ttl_s, self._over, nonce)
        self._orders[nonce] = _Waiting(order, clock)

    def take(self, nonce: str) -> CallOrder | None:
        """The order, which is then gone; None for a nonce that is wrong, used or too old."""
        waiting = self._orders.pop(nonce, None)
        if waiting is None:
            return None
        waiting.clock.cancel()
        return waiting.order

    def holds(self, attempt_id: str) -> bool:
        return self._nonce_of(attempt_id) is not None

    def drop(self, attempt_id: str) -> bool:
        """Forget the attempt's order; False where there is none."""
        nonce = self._nonce_of(attempt_id)
        return nonce is not None and self.take(nonce) is not None

    def clear(self) -> None:
        for nonce in list(self._orders):
            self.take(nonce)

    def _nonce_of(self, attempt_id: str) -> str | None:
        return next((n for n, waiting in self._orders.items() if waiting.order.attempt_id == attempt_id), None)

    def _over(self, nonce: str) -> None:
        order = self.take(nonce)
        if order is not None:
            self._too_late(order.attempt_id)
