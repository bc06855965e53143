"""Big messages on disk while they come in, and few of them in memory at once.

A `Spool` is a file without a name in the folder for temporary files, so that nothing is left whatever happens; on a
disk, please: a tmpfs is memory again. `Places` bounds what big messages take in memory together: one that has come in
whole waits, on disk, until there is room for it to be read, changed and handed over. Slow clients hold no place.

Known limits: writing blocks the event loop for as long as the page cache takes it. Each process has places of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence


class Spool:
    """Octets on disk, in the order in which they were added. What the disk refuses raises OSError."""

    __slots__ = ("_file",)

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="mailgate-", buffering=0)  # noqa: SIM115

    def add(self, chunks: Sequence[bytes]) -> None:
        """Behind what is there."""
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]

    def read(self, size: int) -> bytes:
        """The first so many octets."""
        self._file.seek(0)
        octets = self._file.read(size)  # regular files give all that was asked for, up to 2 GiB
        if len(octets) != size:
            raise OSError("a spooled message cannot be read back whole")
        return octets

    def close(self) -> None:
        """The file is gone."""
        self._file.close()


class Places:
    """Lets messages through in their order whose sizes together are at most `octets`, or one that is larger, alone."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """A place for a message of that size, for as long as the block runs."""
        if self._waiting or not self._fits(size):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, future))
            try:
                await future
            except BaseException:
                if future.done() and not future.cancelled():  # it had been given a place at that moment
                    self._leave(size)
                else:
                    self._waiting.remove((size, future))
                    self._admit()
                raise
        else:
            self._taken += size
        try:
            yield
        finally:
            self._leave(size)

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._octets

    def _leave(self, size: int) -> None:
        self._taken -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, future = self._waiting.popleft()
            if not future.done():
                self._taken += size
                future.set_result(None)
