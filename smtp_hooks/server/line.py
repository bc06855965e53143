"""A client's line to the server: octets become commands and content, replies become octets. No SMTP beyond that.

aiosmtpd's protocol class with its stream reader left aside. Commands end with CRLF or are refused by who reads them;
content goes into `Content` as it comes. Replies are written together, when the session waits for the client (RFC 2920,
3.2). While one is waited for, `deadline` is set; the server's sweep ends the session when it is past.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol, cast

from aiosmtpd.smtp import SMTP

from smtp_hooks.content import Content
from smtp_hooks.envelope import Reply
from smtp_hooks.protocol import write_reply
from smtp_hooks.server.settings import ServerSettings
from smtp_hooks.server.spool import Places, Spool

MAX_COMMAND = 2048
"""Octets of a command line: RFC 5321, 4.5.3.1.4 has 512, RFC 3461, 4.2 and 4.4 add some 1,100 for DSN parameters."""
_HANDSHAKE_S = 30.0
_HIGH_WATER = 64 * 1024  # octets of commands not yet answered, beyond which the client is not read

IDLE = Reply(code=421, enhanced="4.4.2", text="Idle for too long")


class House(Protocol):
    """What a line knows of the server that it belongs to."""

    @property
    def places(self) -> Places:
        """For big messages in memory."""

    def admit(self, address: IPv4Address | IPv6Address | None) -> Reply | None: ...

    def joined(self, line: Line) -> None: ...

    def left(self, line: Line) -> None: ...


class Line(SMTP):
    """One client's connection. The coroutine `_handle_client`, made by the subclass, is its life."""

    def __init__(self, house: House, settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(None, hostname=settings.hostname, loop=loop, data_size_limit=settings.size_limit)
        self.deadline = float("inf")  # in the loop's time
        self.address: IPv4Address | IPv6Address | None = None
        self._house = house
        self._settings = settings
        self._input = b""
        self._at = 0  # offset in _input of what was not used yet
        self._output: list[bytes] = []
        self._eof = False
        self._handing_over = False  # the message is with the next hop, the client waits for its reply
        self._held_back = False
        self._slow_reader = False  # what was written waits for the client to read
        self._content: Content | None = None  # what DATA fills
        self._content_until = 0.0
        self._farewell: Reply | None = None
        self._at_once = False  # the farewell does not wait for the end of content
        self._waiter: asyncio.Future[None] | None = None
        self._news = False  # something happened since the session last began to wait
        self._wire: asyncio.Transport | None = None
        self._in_clear: asyncio.StreamWriter | None = None
        self.encrypted = False

    # Called by the event loop and by the server

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The session's coroutine, while it runs."""
        task: asyncio.Task[None] | None = self._handler_coroutine
        return task

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        peer = transport.get_extra_info("peername")
        address = ip_address(peer[0].partition("%")[0]) if isinstance(peer, tuple) else None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        self.address = address
        refusal = self._house.admit(address)
        if refusal is not None:
            wire.write(write_reply(refusal))
            wire.close()
            return
        self._house.joined(self)
        self._wire = wire
        super().connection_made(transport)
        if self.task is not None:
            self.task.add_done_callback(lambda _: self._house.left(self))

    def connection_lost(self, error: Exception | None) -> None:
        if self.task is not None:
            asyncio.StreamReaderProtocol.connection_lost(self, error)
            self.task.cancel()
        self.transport = self._wire = None

    def data_received(self, data: bytes) -> None:
        if self.task is None:
            return
        if self._content is not None:
            self._take_content(self._content, data)
            return
        self._input = self._input[self._at :] + data if self._at < len(self._input) else data
        self._at = 0
        if not self._held_back and len(self._input) > _HIGH_WATER and self._wire is not None:
            self._held_back = True
            self._wire.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow_reader = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self._slow_reader = False

    def eof_received(self) -> bool:
        """Commands that came before the end are still answered; a message is not delivered that nobody waits for.

        The client has no acknowledgement, so it keeps the message and sends it again: delivered now, it would double.
        """
        self._eof = True
        if self._handing_over and self.task is not None:
            self.task.cancel()
        self._wake()
        return self.task is not None and not self.encrypted  # TLS has no half-closed connections

    def leave(self, farewell: Reply, *, in_content: bool) -> None:
        """End the session with this reply as soon as it waits for a command; in the midst of content if told so."""
        self._farewell = farewell
        self._at_once = in_content
        if self._waiter is None and in_content:  # it waits for a client that does not read
            self.cut()
        elif in_content or self._content is None:
            self._wake()

    def cut(self) -> None:
        """End the session at once."""
        if self._wire is not None:
            self._wire.abort()

    def _reset_timeout(self, duration: float | None = None) -> None:
        self.deadline = self.loop.time() + (duration or self._settings.idle_s)

    def _wake(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Reading and writing

    async def push(self, status: str | bytes) -> None:
        self._output.append((status.encode() if isinstance(status, str) else status) + b"\r\n")

    def _say(self, reply: Reply) -> None:
        self._output.append(write_reply(reply))

    async def _flush(self) -> None:
        if self._output:
            octets = b"".join(self._output)
            self._output.clear()
            self._writer.write(octets)
            if self._slow_reader:
                await self._writer.drain()

    @property
    def _unread(self) -> bool:
        """Whether the client has sent more than was used."""
        return self._at < len(self._input)

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        """Send what is to be sent in the clear, then shake hands. Raises ConnectionError."""
        await self._flush()
        if self._unread or self._wire is None:  # came before the handshake: nobody knows from whom (RFC 3207, 6)
            raise ConnectionAbortedError
        try:
            wire = await self.loop.start_tls(
                self._wire, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_S
            )
        except (OSError, ssl.SSLError) as error:
            raise ConnectionAbortedError from error
        if wire is None or self.task is None:  # lost in the very moment
            raise ConnectionAbortedError
        self.encrypted = True
        self._wire = self.transport = wire
        self._in_clear = self._writer  # from 3.13 on nobody else holds it, and it closes the connection when it goes
        self._writer = asyncio.StreamWriter(wire, self, self._reader, self.loop)

    async def _more(self) -> None:
        """Send what is to be sent, then wait until something happens: input, its end, or a farewell."""
        if self._held_back and self._wire is not None:
            self._held_back = False
            self._wire.resume_reading()
        self._reset_timeout()
        self._news = False
        try:
            await self._flush()
            if not self._news:  # the client may have sent more while it was slow to read
                self._waiter = self.loop.create_future()
                await self._waiter
        finally:
            self._waiter = None
            self.deadline = float("inf")

    async def _command(self) -> bytes | None:
        """The next command line with its end, at most MAX_COMMAND octets and a rest thrown away; None at the end."""
        too_long = b""
        while True:
            if self._farewell is not None:
                self._say(self._farewell)
                return None
            end = self._input.find(b"\n", self._at) + 1
            if end:
                line = too_long + self._input[self._at : end]
                self._at = end
                return line
            if len(self._input) - self._at > MAX_COMMAND:
                too_long = too_long or self._input[self._at : self._at + MAX_COMMAND]
                self._at = len(self._input)
            if self._eof:
                return None
            await self._more()

    def _take_content(self, content: Content, data: bytes) -> None:
        """Content goes where it belongs as it comes, the coroutine wakes at the end, or where there is too much."""
        rest = content.feed(data)
        if rest is not None:
            self._content = None
            self._input, self._at = rest, 0
            self._wake()
        elif content.received > 2 * self._settings.size_limit + _HIGH_WATER:
            self.cut()
        elif self._waiter is not None:
            self.deadline = min(self.loop.time() + self._settings.idle_s, self._content_until)

    async def _receive(self) -> Content | None:
        """Message content; None where the client went away or stopped sending."""
        content = self._content = Content(self._settings.size_limit, in_memory=self._settings.in_memory, store=Spool)
        self._content_until = self.loop.time() + self._settings.message_s
        early, self._input, self._at = self._input[self._at :], b"", 0
        try:
            if early:
                self._take_content(content, early)
            while not content.ended:
                if self._eof:
                    return None
                if self._farewell is not None and self._at_once:
                    self._say(self._farewell)
                    return None
                await self._more()
            return content
        finally:
            self._content = None
