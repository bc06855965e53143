"""How many wrong PINs are borne: so many of one caller, and so many of all together, within a time. Pure.

Six digits are a million PINs; with a thousand open offers each guess hits one in a thousand times. What a hit gives is
a call to somebody who offered one to another, and no number. So all guesses together are limited too: at thirty an
hour, guessing for a day reaches one of those offers in two; longer PINs are what a busier gateway needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OF_ONE = 6
OF_ALL = 30
WITHIN_S = 3600.0


class Guesses:
    """Remembers wrong PINs; `now` gives UNIX seconds. Callers without a number count as one."""

    def __init__(
        self, now: Callable[[], float], *, of_one: int = OF_ONE, of_all: int = OF_ALL, within_s: float = WITHIN_S
    ) -> None:
        self._now = now
        self._of_one = of_one
        self._of_all = of_all
        self._within_s = within_s
        self._wrong: deque[tuple[float, str]] = deque()

    def allowed(self, caller: str) -> bool:
        """Whether one more is looked at."""
        while self._wrong and self._wrong[0][0] <= self._now() - self._within_s:
            self._wrong.popleft()
        return len(self._wrong) < self._of_all and sum(c == caller for _, c in self._wrong) < self._of_one

    def wrong(self, caller: str) -> None:
        self._wrong.append((self._now(), caller))
