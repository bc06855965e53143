"""What many ask for one by one, done together: a store that fsyncs once, a socket that is written once.

The first item waits for `linger_s` for others to join it; those put while a write is under way go together in the next
one, at once. So the busier it is, the fewer writes there are for each item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Gather(Generic[T]):
    """Hands items in lists of at most `most` to `write`, one list at a time, in the order in which they came."""

    def __init__(
        self, write: Callable[[list[T]], Awaitable[object]], *, linger_s: float = 0.0, most: int = 500
    ) -> None:
        self._write = write
        self._linger_s = linger_s
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> asyncio.Future[None]:
        """Begins at once; done when the item is written, or with what `write` raised for its list. Nobody has to wait
        for it, and who stops waiting stops nothing."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def idle(self) -> None:
        """Until everything that was put is written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            if self._linger_s:
                await asyncio.sleep(self._linger_s)
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                error: Exception | None = None
                try:
                    await self._write([item for item, _ in batch])
                except Exception as raised:
                    error = raised
                for _, future in batch:
                    if not future.done():  # cancelled by who waited
                        _settle(future, error)
        finally:
            self._task = None


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()  # looked at: nobody has to wait for it
