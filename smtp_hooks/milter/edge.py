"""The milter's listener: binds the socket, admits MTAs, holds their sessions, and lets them finish.

A UNIX socket is recommended: its mode says who may speak for the MTA, and it is faster. Over TCP only `peers` are
taken. A socket file that a dead process left is replaced, one that somebody serves is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import socket
import stat
from collections.abc import Awaitable
from ipaddress import ip_address

from smtp_hooks.endpoint import UnixEndpoint
from smtp_hooks.milter.line import Line
from smtp_hooks.milter.session import Judge, Session
from smtp_hooks.milter.settings import MilterSettings, within

log = logging.getLogger(__name__)

_CUT_S = 5.0  # for cut sessions to clean up


class Milter:
    """`await start()`; over TCP `port` is known then. `await stop()` lets messages under way finish."""

    def __init__(self, settings: MilterSettings, gate: Judge) -> None:
        self.settings = settings
        self.port = 0
        self.lines: set[Line] = set()
        self._gate = gate
        self._listener: asyncio.Server | None = None
        self._bound: tuple[str, int] | None = None  # path and inode of our socket file
        self._errands: set[asyncio.Future[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Bind and serve. Raises OSError."""
        loop = asyncio.get_running_loop()
        settings = self.settings

        def factory() -> Line:
            return Line(loop, self._converse, self._admit, self.lines.discard)

        if isinstance(settings.endpoint, UnixEndpoint):
            sock = _bind(settings.endpoint.path, settings.mode, settings.group)
            self._bound = settings.endpoint.path, os.stat(settings.endpoint.path).st_ino
            self._listener = await loop.create_unix_server(factory, sock=sock, backlog=settings.backlog)
        else:
            self._listener = await loop.create_server(
                factory, settings.endpoint.host, settings.endpoint.port, backlog=settings.backlog
            )
            self.port = int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, grace_s: float = 30) -> None:
        """Take no new connections, close those that rest, let messages under way finish for `grace_s`, then cut."""
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        self._unlink()
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

    def _unlink(self) -> None:
        if self._bound is not None:
            path, inode = self._bound
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)


def _bind(path: str, mode: int, group: str) -> socket.socket:
    """A listening socket at that path with that mode, at no time with a wider one. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "is there already and no socket", path)
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        before = os.umask(0o777)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        if group:
            shutil.chown(path, group=group)
        os.chmod(path, mode)
    except BaseException:
        sock.close()
        raise
    return sock
