"""One session with the next hop: commands go out together, replies come in their order."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast

from smtp_hooks.envelope import Reply
from smtp_hooks.protocol import Capabilities, ProtocolError, ReplyReader

log = logging.getLogger(__name__)


class Lost(Exception):
    """The connection cannot be used any more."""


class Late(Lost):
    """The next hop did not answer in time."""


class Connection(asyncio.Protocol):
    """One session with the next hop. Replies come in the order of the commands."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.capabilities = Capabilities()
        self.dirty = False  # a transaction was begun and not ended: RSET goes before the next one
        self.used = False
        self.closed = False
        self.idle_handle: asyncio.TimerHandle | None = None
        self._loop = loop
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0  # of the reply that is waited for, in the loop's time
        self._alarm: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.extend(self._reader.feed(data))
        except ProtocolError:
            log.warning("next hop sends no SMTP", extra={"action": "relay-protocol"})
            self.close()
        if self.idle_handle is not None:  # nothing was asked: a farewell such as 421, or nonsense
            self.close()
        self._wake()

    def eof_received(self) -> None:
        self._end()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._end()
        self._wake()

    def _end(self) -> None:
        self.closed = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def private(self) -> bool:
        """Whether nobody else can read along: TLS, or this very machine."""
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return self._transport is not None
        peer = self._transport.get_extra_info("peername")
        return not isinstance(peer, tuple) or ip_address(peer[0].partition("%")[0]).is_loopback

    async def encrypt(self, context: ssl.SSLContext, hostname: str, timeout_s: float) -> None:
        """STARTTLS (RFC 3207); EHLO comes again afterwards. Raises Lost."""
        (ready,) = await self.exchange(["STARTTLS"], timeout_s)
        if ready.code != 220 or self._replies or self._reader.pending or self._transport is None:
            log.warning("next hop does not begin TLS as it should", extra={"action": "relay-tls"})
            raise Lost  # also where more came in the clear: it could be taken for the answers to come
        try:
            transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=hostname, ssl_handshake_timeout=timeout_s
            )
        except (OSError, ssl.SSLError) as error:
            log.warning("no TLS with the next hop: %s", error, extra={"action": "relay-tls"})
            raise Lost from error
        if transport is None or self.closed:
            raise Lost
        self._transport = transport
        self.capabilities = Capabilities()

    def close(self) -> None:
        """At once, without QUIT: the next hop forgets what was not acknowledged."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def quit(self) -> None:
        """Politely, from idleness."""
        if self._transport is not None and not self.closed:
            self._end()
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def write(self, chunks: Sequence[bytes | memoryview]) -> None:
        """Raises Lost."""
        if self.closed or self._transport is None:
            raise Lost
        self._transport.writelines(chunks)

    async def reply(self, timeout_s: float) -> Reply:
        """The next reply. Raises Lost when the connection ends or the time is over."""
        if not self._replies:
            self._deadline = self._loop.time() + timeout_s
            if self._alarm is None or self._alarm.when() > self._deadline:
                self._set_alarm()
        while not self._replies:
            if self.closed:
                raise Lost
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.close()
                raise
            finally:
                self._waiter = None
            if not self._replies and self._loop.time() >= self._deadline:
                self.close()
                raise Late
        return self._replies.popleft()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        """One alarm serves for many replies, since most come long before it: those since have later deadlines."""
        self._alarm = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._wake()
        else:
            self._set_alarm()

    async def exchange(self, commands: Sequence[str], timeout_s: float) -> list[Reply]:
        """Send commands, together where the hop pipelines, and return a reply for each. Raises Lost."""
        lines = [command.encode() + b"\r\n" for command in commands]
        if self.capabilities.pipelining:
            self.write([b"".join(lines)])
            return [await self.reply(timeout_s) for _ in lines]
        replies = []
        for line in lines:
            self.write([line])
            replies.append(await self.reply(timeout_s))
        return replies
