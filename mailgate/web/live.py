"""The live stream of an offer's page: server-sent events, one for each change, until the call is over.

Each event's id is the story's key and its data is JSON for page.js, with the panel rendered here; so there is one
source of words. A page that shows no call may watch too: a press in another tab changes it. Comments keep proxies
from cutting a quiet stream, and find out who has gone.

Standard: HTML Living Standard, 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from mailgate.offers.view import View

RETRY_MS = 2000
HEARTBEAT_S = 15.0  # proxies commonly cut a connection that is silent for 30 or 60 s


class Streams:
    """All open streams of a server, so that it can end them when it stops."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[View | None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """End every stream now, and each later one at its beginning."""
        self._closed = True
        for future in self._waiting:
            future.cancel()

    async def follow(
        self, views: AsyncIterator[View], render: Callable[[View, bool], tuple[str, str]]
    ) -> AsyncGenerator[bytes, None]:
        """The stream's bytes. `render(view, more)` gives an event's id and data; `more`: others may follow."""
        yield b"retry: %d\n\n" % RETRY_MS
        called = False
        pending: asyncio.Future[View | None] | None = None
        try:
            while not self._closed:
                if pending is None:
                    pending = asyncio.ensure_future(_next(views))
                    self._waiting.add(pending)
                done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
                if not done:
                    yield b": still here\n\n"
                    continue
                self._waiting.discard(pending)
                if pending.cancelled():
                    return
                view, pending = pending.result(), None
                if view is None:
                    return
                called = called or view.in_call
                more = view.in_call or (view.may_accept and not called)
                key, data = render(view, more)
                yield f"id: {key}\ndata: {data}\n\n".encode()
                if not more:
                    return
        finally:
            if pending is not None:
                self._waiting.discard(pending)
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await pending


async def _next(views: AsyncIterator[View]) -> View | None:
    return await anext(views, None)
