"""Places on the lines to the telephone network: counted before a call is begun, kept until it is over.

What Asterisk carries now is asked for, calls of others included; what has been begun here and is not to be seen there
yet (leg 2 has still to ring, the page has still to call) is remembered. Asked for only where a line has a capacity.
Known limits: after a restart of mailgate a call that waits for its second leg counts for one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from mailgate.calls.asterisk.link import Message
from mailgate.calls.model import CallOrder, Channel, Kind
from mailgate.calls.stream import attempt_of, endpoint_of
from mailgate.calls.trunks import Line, LinesBusy, lines_for, seats

Lines = tuple[tuple[Line, ...] | None, tuple[Line, ...] | None]
"""For each leg the lines that it may take now. None for a leg that is no telephone number, and whose party has none
among its further channels, or where nothing is counted; empty where those further ones find no place."""


class Seats:
    """Which lines each attempt has a place on. `channels` asks Asterisk for those that are up; a channel of an attempt
    that `is_over` is about to go."""

    def __init__(
        self,
        lines: tuple[Line, ...],
        channels: Callable[[], Awaitable[list[Message]]],
        is_over: Callable[[str], bool],
    ) -> None:
        self._lines = lines
        self._channels = channels
        self._is_over = is_over
        self._kept: dict[str, Counter[str]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def take(self, order: CallOrder) -> Lines:
        """Keep a place for each leg, until `leave`. Raises LinesBusy, ValueError where no line serves a number."""
        legs = [self._of(order.leg1), self._of(order.leg2)]
        if legs[1] is None and (further := self._further(order)):
            try:
                return await self._take(order.attempt_id, [legs[0], further])
            except LinesBusy:  # the first channel of leg 2 needs no line
                return (await self._take(order.attempt_id, legs))[0], ()
        return await self._take(order.attempt_id, legs)

    async def _take(self, attempt_id: str, legs: list[tuple[Line, ...] | None]) -> Lines:
        wanted = [leg for leg in legs if leg is not None]
        if not any(line.capacity for leg in wanted for line in leg):
            return legs[0], legs[1]
        async with self._one_at_a_time:
            found = list(seats(wanted, self._used(await self._channels())))
            self._kept[attempt_id] = Counter(lines[0].name for lines in found)
        given = [None if leg is None else found.pop(0) for leg in legs]
        return given[0], given[1]

    def leave(self, attempt_id: str) -> None:
        self._kept.pop(attempt_id, None)

    def _further(self, order: CallOrder) -> tuple[Line, ...]:
        """The lines of the first telephone among leg 2's further channels: one place, since they ring in turn."""
        tel = next((each.channel for each in order.then2 if each.channel.kind is Kind.TEL), None)
        return lines_for(tel.address, self._lines) if tel else ()

    def _of(self, channel: Channel) -> tuple[Line, ...] | None:
        if channel.kind is not Kind.TEL:
            return None
        lines = lines_for(channel.address, self._lines)
        if not lines:
            raise ValueError("no trunk serves that number")
        return lines

    def _used(self, channels: list[Message]) -> Counter[str]:
        """Calls on each line: those to be seen, and the places kept beyond them."""
        seen: dict[str, Counter[str]] = {}
        for row in channels:
            endpoint = endpoint_of(row)
            attempt_id = attempt_of(row)
            if endpoint and not self._is_over(attempt_id):
                seen.setdefault(attempt_id, Counter())[endpoint] += 1
        used = Counter[str]()
        for attempt_id in {*seen, *self._kept}:
            # the greater of both, for each line
            used += seen.get(attempt_id, Counter()) | self._kept.get(attempt_id, Counter())
        return used
