"""How much each key may ask: a bucket of requests that fills with time; and how large a body may be. Pure.

A bucket holds as many requests as may come at once and fills evenly. Known limit: buckets are this process's own, and
start full.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

MOST_OCTETS = 16384
"""Of a body."""
_KEPT = 10_000


class Buckets:
    """One bucket for each name; `now` gives seconds."""

    def __init__(self, now: Callable[[], float], *, per_minute: int, burst: int) -> None:
        self._now = now
        self._rate = per_minute / 60
        self._burst = burst
        self._full: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name → how full, when

    def take(self, name: str) -> int:
        """0 where a request may come now, else the seconds until one may."""
        now = self._now()
        level, at = self._full.pop(name, (float(self._burst), now))
        level = min(float(self._burst), level + (now - at) * self._rate)
        wait_s = 0 if level >= 1 else math.ceil((1 - level) / self._rate)
        self._full[name] = (level if wait_s else level - 1, now)
        if len(self._full) > _KEPT:
            self._full.popitem(last=False)
        return wait_s
