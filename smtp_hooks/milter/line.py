"""An MTA's connection to the milter: octets become events, answers become octets. No mail beyond that.

What comes while the session is at work waits, up to a mark; beyond it the MTA is not read. Over TCP each answer leaves
at once (TCP_NODELAY, which asyncio sets) and what came is acknowledged at once (TCP_QUICKACK, which Linux takes back
whenever it likes, so it is set anew each time): otherwise each exchange waits for a timer of 40 ms.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

from smtp_hooks.milter.answers import Answer
from smtp_hooks.milter.events import Event, ProtocolError
from smtp_hooks.milter.protocol import Conversation

log = logging.getLogger(__name__)

_FEW_PIECES = 16  # are copied together; more are a large body, which is not
_HIGH_WATER = 512 * 1024  # octets received and not yet looked at by the session


class PeerGone(Exception):
    """The MTA has closed the connection, or was told to leave."""


class Line(asyncio.Protocol):
    """`converse` is the session's coroutine, made when the connection is; `left` is called at its end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        converse: Callable[[Line], Awaitable[None]],
        admit: Callable[[Line], bool],
        left: Callable[[Line], None],
    ) -> None:
        self._loop = loop
        self._converse = converse
        self._admit = admit
        self._left = left
        self._conversation = Conversation()
        self._events: deque[Event] = deque()
        self._unread = 0
        self._held_back = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._writable = True
        self._task: asyncio.Task[None] | None = None
        self._tcp: socket.socket | None = None
        self._wire: asyncio.Transport | None = None
        self.resting = False  # between messages, so that it can be closed without harm
        self.leaving = False

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The session's coroutine, once the connection is admitted."""
        return self._task

    @property
    def peer(self) -> str:
        """The address of an MTA that connected over TCP, else empty."""
        name = self._wire.get_extra_info("peername") if self._wire is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    # Called by the event loop and by the server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        if not self._admit(self):
            self._wire.abort()
            return
        self._wire.set_write_buffer_limits(high=0)  # so that flushed means: handed to the kernel
        if self.peer and hasattr(socket, "TCP_QUICKACK"):
            self._tcp = transport.get_extra_info("socket")
        self._task = self._loop.create_task(self._run())

    def data_received(self, data: bytes) -> None:
        if self._tcp is not None:
            self._tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        try:
            self._events.extend(self._conversation.receive(data))
        except ProtocolError as error:
            log.warning("an MTA breaks the milter protocol: %s", error, extra={"action": "milter-peer"})
            self.cut()
            return
        self._unread += len(data)
        if self._unread > _HIGH_WATER and self._wire is not None and not self._held_back:
            self._held_back = True
            self._wire.pause_reading()
        _set(self._waiter)

    def connection_lost(self, error: Exception | None) -> None:
        self._wire = self._tcp = None
        if self._task is not None:
            self._task.cancel()
        _set(self._drained)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        _set(self._drained)

    def leave(self) -> None:
        """End the session now if it rests, else when its message is done."""
        self.leaving = True
        if self.resting and not self._events:
            self.cut()

    def cut(self) -> None:
        """End the session at once."""
        if self._wire is not None:
            self._wire.abort()

    async def _run(self) -> None:
        try:
            await self._converse(self)
        except PeerGone:
            pass
        except Exception:
            log.exception("a milter session failed", extra={"action": "milter-fault"})
        finally:
            self._left(self)
            if self._wire is not None:
                self._wire.close()

    # Called by the session

    async def next(self, idle_s: float) -> Event:
        """The next event. Raises PeerGone where there is none within `idle_s`."""
        while not self._events:
            self._unread = 0
            if self._wire is None or (self.leaving and self.resting):
                raise PeerGone
            if self._held_back:
                self._held_back = False
                self._wire.resume_reading()
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(idle_s, self.cut)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self._events.popleft()

    def agree(self, event: Event) -> None:
        """Answer a negotiation."""
        self.say(event, [self._conversation.agreement()])

    def expects_answer(self, event: Event) -> bool:
        return self._conversation.expects_answer(event)

    def say(self, event: Event, answers: list[Answer]) -> None:
        """Answer an event. Raises IllegalAnswer before anything is sent."""
        pieces = self._conversation.answer(event, answers)
        if self._wire is None:
            raise PeerGone
        if len(pieces) > _FEW_PIECES:
            self._wire.writelines(pieces[:-1])
            self._wire.write(pieces[-1])  # which pauses where nobody reads; asyncio's writelines may not (3.12)
        else:
            self._wire.write(b"".join(pieces))

    @property
    def leading_space(self) -> bool:
        """Whether values of fields come and go with all that follows the colon."""
        return self._conversation.leading_space

    async def flushed(self) -> None:
        """Until everything said has left this process. Raises PeerGone."""
        while not self._writable and self._wire is not None:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if self._wire is None:
            raise PeerGone


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
