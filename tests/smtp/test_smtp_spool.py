"""Big messages: on disk while they come in, few in memory at once, and refused for a time where the disk is full."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.content import DATA_END, Content, stuff
from smtp_hooks.server.spool import Places, Spool

lines = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"text", b"\t", b"a.b" * 40]), max_size=30)


@settings(deadline=None)  # files
@given(lines, st.integers(1, 40), st.integers(0, 200))
def test_spooled_content_is_the_content_that_is_not_spooled(parts: list[bytes], width: int, in_memory: int) -> None:
    message = b"".join(part + b"\r\n" for part in parts)
    wire = b"".join([*stuff(message), DATA_END])
    content = Content(10_000, in_memory=in_memory, store=Spool)
    rest = [content.feed(wire[at : at + width]) for at in range(0, len(wire), width)][-1]
    assert rest == b""
    assert bool(content.spooled) == (len(wire) > in_memory)
    assert content.message() == message
    assert content.spooled == 0


class Full:
    """A disk that takes one piece."""

    def __init__(self) -> None:
        self.closed = False
        self.pieces = 0

    def add(self, chunks: Sequence[bytes]) -> None:
        self.pieces += len(chunks)
        if self.pieces > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    def read(self, size: int) -> bytes:
        raise AssertionError

    def close(self) -> None:
        self.closed = True


def test_a_full_disk_fails_the_message_and_its_end_is_still_found() -> None:
    disks: list[Full] = []

    def disk() -> Full:
        disks.append(Full())
        return disks[-1]

    content = Content(10_000, in_memory=10, store=disk)
    for piece in (b"a" * 20, b"b" * 20, b"c" * 20):
        assert content.feed(piece) is None
    assert content.feed(b"\r\n.\r\nNOOP\r\n") == b"NOOP\r\n"
    assert content.failed
    assert [d.closed for d in disks] == [True]


async def test_places_go_in_order_and_a_message_larger_than_all_goes_alone() -> None:
    places = Places(10)
    held: list[int] = []
    log: list[tuple[int, ...]] = []

    async def handle(size: int) -> None:
        async with places.hold(size):
            held.append(size)
            log.append(tuple(held))
            await asyncio.sleep(0.01)
            held.remove(size)

    await asyncio.gather(*map(handle, (4, 6, 25, 3, 7, 1)))
    assert log[:4] == [(4,), (4, 6), (25,), (3,)]
    assert all(sum(each) <= 10 or each == (25,) for each in log)
    assert len(log) == 6


async def test_who_gives_up_waiting_leaves_no_hole() -> None:
    places = Places(10)

    async def handle(size: int) -> None:
        async with places.hold(size):
            await asyncio.sleep(0.02)

    first = asyncio.create_task(handle(10))
    await asyncio.sleep(0)
    impatient, patient = asyncio.create_task(handle(9)), asyncio.create_task(handle(5))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await asyncio.wait_for(asyncio.gather(first, patient), 1)
    async with asyncio.timeout(1), places.hold(10):
        pass
