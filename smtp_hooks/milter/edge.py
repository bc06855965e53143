"""The milter's listener: binds the socket, admits MTAs, holds their sessions, and lets them finish.

A UNIX socket is recommended: its mode says who may speak for the MTA, and it is faster. Over TCP only `peers` are
taken.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable
from ipaddress import ip_address

from smtp_hooks.endpoint import UnixEndpoint
from smtp_hooks.listening import SocketFile, Taker, bind_tcp, bind_unix
from smtp_hooks.milter.line import Line
from smtp_hooks.milter.session import Judge, Session
from smtp_hooks.milter.settings import MilterSettings, within

log = logging.getLogger(__name__)

_CUT_S = 5.0  # for cut sessions to clean up


def bind(settings: MilterSettings) -> socket.socket:
    """The socket of these settings. Raises OSError, LookupError."""
    endpoint = settings.endpoint
    if isinstance(endpoint, UnixEndpoint):
        return bind_unix(endpoint.path, settings.mode, settings.group)
    return bind_tcp(endpoint.host, endpoint.port)


class Milter:
    """`await start()`; over TCP `port` is known then. `await stop()` lets messages under way finish."""

    def __init__(self, settings: MilterSettings, gate: Judge) -> None:
        self.settings = settings
        self.port = 0
        self.lines: set[Line] = set()
        self._gate = gate
        self._listener: Taker | None = None
        self._file: SocketFile | None = None
        self._errands: set[asyncio.Future[None]] = set()
        self._stopping = False

    async def start(self, *, listener: socket.socket | None = None) -> None:
        """Bind and serve, or serve on a bound socket that other processes serve too. Raises OSError, LookupError."""
        loop = asyncio.get_running_loop()
        settings = self.settings

        def factory() -> Line:
            return Line(loop, self._converse, self._admit, self.lines.discard)

        if listener is None:
            listener = bind(settings)
            if isinstance(settings.endpoint, UnixEndpoint):
                self._file = SocketFile(settings.endpoint.path)
        if not isinstance(settings.endpoint, UnixEndpoint):
            self.port = int(listener.getsockname()[1])
        self._listener = Taker(listener, factory, settings.backlog)

    async def stop(self, grace_s: float = 30) -> None:
        """Take no new connections, close those that rest, let messages under way finish for `grace_s`, then cut."""
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        if self._file is not None:
            self._file.remove()
        for line in list(self.lines):
            line.leave()
        if not await self._settled(grace_s):
            log.warning("milter sessions are cut at shutdown", extra={"action": "milter-cut", "count": len(self.lines)})
        for line in list(self.lines):
            line.cut()
        await self._settled(_CUT_S)

    async def _settled(self, within_s: float) -> bool:
        """Whether no session is left within that time, nor an errand that one left behind."""
        sessions = {line.task for line in self.lines if line.task is not None}
        for waited_for in (sessions, self._errands):
            if waited_for and (await asyncio.wait(waited_for, timeout=within_s))[1]:
                return False
        return True

    def _admit(self, line: Line) -> bool:
        if self._stopping or len(self.lines) >= self.settings.connections:
            return False
        if line.peer and not within(ip_address(line.peer.partition("%")[0]), self.settings.peers):
            log.warning("a stranger at the milter's port is turned away", extra={"action": "milter-stranger"})
            return False
        self.lines.add(line)
        return True

    async def _converse(self, line: Line) -> None:
        await Session(line, self._gate, self.settings, self._later).converse()

    def _later(self, errand: Awaitable[None]) -> None:
        future = asyncio.ensure_future(errand)
        self._errands.add(future)
        future.add_done_callback(self._errands.discard)
