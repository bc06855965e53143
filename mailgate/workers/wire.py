"""One end of the socket between control process and worker: asks and answers in batches.

What is said within one round of the event loop goes out as one frame. Both ends ask the same way; who is asked hands
back a value, or a future where it takes time. A question whose answer cannot come any more, since the other side has
gone, ends with `WireLost`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

from mailgate.errors import MailgateError
from mailgate.workers import frames

log = logging.getLogger(__name__)

Answer = Callable[[str, Any], Any]
"""From a name and an argument, as plain data, to plain data or an awaitable future of it; what it raises is told."""


class WireLost(MailgateError):
    """The other process has gone."""


class AskedFailed(MailgateError):
    """The other process could not do what it was asked; the text is its complaint."""


class Wire(asyncio.Protocol):
    """Opened once, on a connected UNIX socket. `lost` is done when the other side has gone."""

    def __init__(self, answer: Answer) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._answer = answer
        self._reader = frames.Reader()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[frames.Message] = []
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0

    async def open(self, sock: socket.socket) -> None:
        """Speak on this socket, which is taken over."""
        sock.setblocking(False)
        await self._loop.create_unix_connection(lambda: self, sock=sock)

    def ask(self, name: str, argument: Any = None) -> asyncio.Future[Any]:
        """Begins at once; the future has the answer, or raises WireLost or AskedFailed. Nobody has to wait for it."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.lost.done():
            _fail(future, WireLost("the other process has gone"))
            return future
        self._number += 1
        self._asked[self._number] = future
        self._say([self._number, name, argument])
        return future

    def tell(self, name: str, argument: Any = None) -> None:
        """The same where no answer is wanted; does nothing where nobody hears it."""
        self._say([0, name, argument])

    def close(self) -> None:
        """Say what is to be said and end."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        asked, self._asked = self._asked, {}
        for future in asked.values():
            _fail(future, WireLost("the other process has gone"))

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except frames.FrameError:
            log.exception("what comes from the other process cannot be read")
            if self._transport is not None:
                self._transport.abort()
            return
        for number, name, argument in messages:
            if isinstance(name, str):
                self._hear(number, name, argument)
            else:
                self._settle(number, argument, failed=name is False)

    def _settle(self, number: int, argument: Any, *, failed: bool) -> None:
        future = self._asked.pop(number, None)
        if future is None or future.done():
            return
        if failed:
            _fail(future, AskedFailed(str(argument)))
        else:
            future.set_result(argument)

    def _hear(self, number: int, name: str, argument: Any) -> None:
        try:
            result = self._answer(name, argument)
        except Exception as error:
            self._complain(number, name, error)
            return
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: self._finished(number, name, done))
        elif number:
            self._say([number, None, result])

    def _finished(self, number: int, name: str, done: asyncio.Future[Any]) -> None:
        if done.cancelled():
            self._complain(number, name, None)
        elif (error := done.exception()) is not None:
            self._complain(number, name, error)
        elif number:
            self._say([number, None, done.result()])

    def _complain(self, number: int, name: str, error: BaseException | None) -> None:
        log.error("what another process asked for failed: %s", name, exc_info=error)
        if number:
            self._say([number, False, f"{name}: {error}"])

    def _say(self, message: frames.Message) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(message)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None:
            self._transport.write(frames.encode(outgoing))


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # looked at: nobody has to wait for it
