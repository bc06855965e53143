"""The SMTP server: aiosmtpd's session, with its reading, parsing and DATA replaced.

A client's commands come in; each MAIL begins a transaction with the next hop (`smtp_hooks.transaction.NextHop`), each
RCPT and the end of DATA are answered with that transaction's replies. There is no queue: nothing is acknowledged here
that the next hop has not acknowledged.

What is taken from aiosmtpd: the protocol and session classes, the table of `smtp_…` methods, the handling of a
connection's task. Replaced: reading (own buffer, commands end with CRLF only, DATA in chunks), MAIL and RCPT (strict
grammar, DSN parameters, null reverse-path), EHLO (what the next hop offers), errors (451 4.3.0, nothing revealed,
transaction ended), time-outs (one sweep for all sessions instead of a timer for each command), logging (none for each
line).

Standards: RFC 5321; RFC 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 2920 (PIPELINING), 2034 (ENHANCEDSTATUSCODES),
3461 (DSN); Postfix's XFORWARD and XCLIENT (LOGIN). STARTTLS (3207). CHUNKING, VRFY, EXPN and AUTH are
not offered.

Known limits: a message that is being changed and handed over is in memory, twice. Trust is by network address only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from ipaddress import IPv4Address, IPv6Address

from smtp_hooks.envelope import Reply
from smtp_hooks.listening import Taker
from smtp_hooks.server.line import IDLE, Line
from smtp_hooks.server.session import Session
from smtp_hooks.server.settings import LOOPBACK, Network, ServerSettings, within
from smtp_hooks.server.spool import Places
from smtp_hooks.transaction import NextHop

__all__ = ["LOOPBACK", "Network", "Server", "ServerSettings"]

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's own: addresses in it, several lines a session

_CUT_S = 5.0  # for a cut session to clean up
SHUTDOWN = Reply(code=421, enhanced="4.3.2", text="Going down, try again later")
BUSY = Reply(code=421, enhanced="4.7.0", text="Too many connections, try again later")
STRANGER = Reply(code=554, enhanced="5.7.1", text="No mail is taken from your address")


class Server:
    """Listens, and holds the sessions. `await start()`, then `port` is known; `await stop()` lets messages finish."""

    def __init__(self, settings: ServerSettings, next_hop: NextHop) -> None:
        self.settings = settings
        self.next_hop = next_hop
        self.port = settings.port  # the one really bound, once started
        self.places = Places(settings.big_messages)
        self.sessions: set[Line] = set()
        self._listener: asyncio.Server | Taker | None = None
        self._sweep: asyncio.Task[None] | None = None
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, *, listener: socket.socket | None = None) -> None:
        """Bind and serve, or serve on a bound socket that other processes serve too. Raises OSError."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        if listener is None:
            server = await loop.create_server(self._session, settings.host, settings.port, backlog=settings.backlog)
            self.port = int(server.sockets[0].getsockname()[1])
            self._listener = server
        else:
            self.port = int(listener.getsockname()[1])
            self._listener = Taker(listener, self._session, settings.backlog)
        self._sweep = loop.create_task(self._sweeping(min(1.0, settings.idle_s / 4)))

    def _session(self) -> Session:
        return Session(self, self.settings, self.next_hop, asyncio.get_running_loop())

    async def stop(self, grace_s: float = 30) -> None:
        """Take no new connections, say 421 to idle clients, let messages under way finish for `grace_s`, then cut."""
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        for session in list(self.sessions):
            session.leave(SHUTDOWN, in_content=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        for session in list(self.sessions):
            log.warning("a session is cut at shutdown", extra={"action": "smtp-cut"})
            session.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CUT_S):
                await self._empty.wait()
        if self._sweep is not None:
            self._sweep.cancel()

    async def _sweeping(self, interval_s: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval_s)
            now = loop.time()
            for session in [s for s in self.sessions if s.deadline < now]:
                session.leave(IDLE, in_content=True)

    def joined(self, line: Line) -> None:
        """A connection was admitted."""
        self.sessions.add(line)
        self._empty.clear()

    def left(self, line: Line) -> None:
        """A connection's coroutine is over."""
        self.sessions.discard(line)
        if not self.sessions:
            self._empty.set()

    def admit(self, address: IPv4Address | IPv6Address | None) -> Reply | None:
        """None for a client that may go on, else the farewell."""
        if self._stopping:
            return SHUTDOWN
        if len(self.sessions) >= self.settings.connections:
            return BUSY
        return None if within(address, self.settings.clients) else STRANGER
