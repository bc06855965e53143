"""Who is watching which offer: views go out to pages and sockets as they change.

A watcher that is slow gets the newest view and never a queue of old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from mailgate.offers.view import View


class Watchers:
    """The watchers of one event loop."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[_Watcher | _Follower]] = {}

    def publish(self, view: View) -> None:
        """Tell everyone who watches this offer, unless they have seen as much already."""
        for watcher in tuple(self._watchers.get(view.offer_id, ())):
            watcher.tell(view)

    def watched(self) -> Iterable[str]:
        """The offers that somebody watches."""
        return tuple(self._watchers)

    async def watch(self, first: View) -> AsyncGenerator[View]:
        """`first`, then every newer view of the same offer, until the caller stops."""
        watcher = _Watcher(first)
        self._watchers.setdefault(first.offer_id, set()).add(watcher)
        try:
            while True:
                yield await watcher.next()
        finally:
            self._gone(first.offer_id, watcher)

    def follow(self, first: View, tell: Callable[[View], None]) -> Callable[[], None]:
        """Every view of that offer that is newer than `first` goes to `tell`, until what is returned is called."""
        follower = _Follower(first, tell)
        self._watchers.setdefault(first.offer_id, set()).add(follower)
        return lambda: self._gone(first.offer_id, follower)

    def _gone(self, offer_id: str, watcher: _Watcher | _Follower) -> None:
        watchers = self._watchers.get(offer_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(offer_id, None)


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


class _Follower:
    __slots__ = ("_tell", "_view")

    def __init__(self, view: View, tell: Callable[[View], None]) -> None:
        self._view = view
        self._tell = tell

    def tell(self, view: View) -> None:
        if view.version >= self._view.version and view != self._view:
            self._view = view
            self._tell(view)
