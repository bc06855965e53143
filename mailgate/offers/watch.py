"""Who is watching which offer: views go out to pages and sockets as they change.

A watcher that is slow gets the newest view and never a queue of old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from mailgate.offers.view import View


class Watchers:
    """The watchers of one event loop."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[_Watcher]] = {}

    def publish(self, view: View) -> None:
        """Tell everyone who watches this offer, unless they have seen as much already."""
        for watcher in self._watchers.get(view.offer_id, ()):
            watcher.tell(view)

    def watched(self) -> Iterable[str]:
        """The offers that somebody watches."""
        return tuple(self._watchers)

    async def watch(self, first: View) -> AsyncGenerator[View]:
        """`first`, then every newer view of the same offer, until the caller stops."""
        watcher = _Watcher(first)
        watchers = self._watchers.setdefault(first.offer_id, set())
        watchers.add(watcher)
        try:
            while True:
                yield await watcher.next()
        finally:
            watchers.discard(watcher)
            if not watchers:
                self._watchers.pop(first.offer_id, None)


class _Watcher:
    __slots__ = ("_changed", "_view")

    def __init__(self, view: View) -> None:
        self._view = view
        self._changed = asyncio.Event()
        self._changed.set()

    def tell(self, view: View) -> None:
        if view.version >= self._view.version and view != self._view:
            self._view = view
            self._changed.set()

    async def next(self) -> View:
        await self._changed.wait()
        self._changed.clear()
        return self._view
