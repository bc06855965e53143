"""Listening sockets that are bound in one place and served in another, by one process or several.

`bind_tcp` and `bind_unix` give a bound socket; each process that serves it makes a `Taker` for it. A socket file that a
dead process left is replaced, one that somebody serves is not.
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
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

_PAUSE_S = 1.0  # after connections could not be taken
_TURN_S = 0.001  # after one was taken: the others' turn, who may still be waking up
_TURNS = 16  # in a flood; then each takes what it can, so that nobody waits for long


def bind_tcp(host: str, port: int) -> socket.socket:
    """A socket bound to the first address of that host. Raises OSError."""
    family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
    except OSError:
        sock.close()
        raise
    return sock


def bind_unix(path: str, mode: int, group: str = "") -> socket.socket:
    """A socket at that path with that mode, at no time with a wider one. Raises OSError; LookupError for a group that
    there is not."""
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
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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


class SocketFile:
    """The file of a socket that we have bound: taken away at the end, unless somebody else has made a new one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inode = os.stat(path).st_ino

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)


class Taker:
    """Takes connections from a bound socket, one at a time, and then leaves those that wait to the other processes for
    a moment: of ten that come at once, the first process to wake up would take all ten. A process that has much to do
    comes back later. Serves from when it is made; `close` ends that, and closes the socket."""

    def __init__(self, sock: socket.socket, protocol: Callable[[], asyncio.Protocol], backlog: int) -> None:
        """Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._protocol = protocol
        self._open = True
        self._row = 0  # connections taken one soon after the other
        self._taken_at = 0.0  # in the loop's time
        self._accepting: set[asyncio.Task[Any]] = set()
        sock.setblocking(False)
        sock.listen(backlog)
        self._loop.add_reader(sock, self._accept)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the client has gone
        except OSError as error:  # no descriptors left, say: it would be told at once again
            log.error("connections cannot be taken: %s", error, extra={"action": "accept"})
            self._rest(_PAUSE_S)
            return
        now = self._loop.time()
        self._row = self._row + 1 if now - self._taken_at < 5 * _TURN_S else 0
        self._taken_at = now
        if self._row < _TURNS:
            self._rest(_TURN_S)
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    def _rest(self, pause_s: float) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.call_later(pause_s, self._again)

    def _again(self) -> None:
        if self._open:
            self._loop.add_reader(self._sock, self._accept)
