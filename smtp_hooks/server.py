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
3461 (DSN); Postfix's XFORWARD and XCLIENT (LOGIN). CHUNKING, VRFY, EXPN, AUTH and STARTTLS are not offered.

Known limits: a message is held in memory. No STARTTLS yet. Trust is by network address only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import cast

from aiosmtpd.smtp import SMTP

from smtp_hooks.commands import XFORWARD_NAMES, BadCommand, bad, parse_attributes, parse_mail, parse_rcpt
from smtp_hooks.content import Content, unclean
from smtp_hooks.envelope import Client, Envelope, Reply
from smtp_hooks.errors import Refused
from smtp_hooks.protocol import Capabilities, write_reply
from smtp_hooks.transaction import NextHop, Transaction

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's own: addresses in it, several lines a session

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

MAX_COMMAND = 2048
"""Octets of a command line: RFC 5321, 4.5.3.1.4 has 512, RFC 3461, 4.2 and 4.4 add some 1,100 for DSN parameters."""
_HIGH_WATER = 64 * 1024  # octets of commands not yet answered, beyond which the client is not read
_COMMANDS = ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "XFORWARD", "XCLIENT")

FAULT = Reply(code=451, enhanced="4.3.0", text="Internal error, try again later")
SHUTDOWN = Reply(code=421, enhanced="4.3.2", text="Going down, try again later")
IDLE = Reply(code=421, enhanced="4.4.2", text="Idle for too long")
BUSY = Reply(code=421, enhanced="4.7.0", text="Too many connections, try again later")
STRANGER = Reply(code=554, enhanced="5.7.1", text="No mail is taken from your address")
ERRORS = Reply(code=421, enhanced="4.7.0", text="Too many errors")
TOO_LARGE = Reply(code=552, enhanced="5.3.4", text="Message too large")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen and whom to serve. Sizes in octets, times in seconds.

    `clients` may hand in mail at all: whoever else could would use the trust that the next hop has in us. `trusted`
    are believed about envelope senders, XFORWARD and XCLIENT. `message_s` is for the whole of one message's content.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hostname: str = "localhost"
    clients: tuple[Network, ...] = LOOPBACK
    trusted: tuple[Network, ...] = LOOPBACK
    size_limit: int = 50 * 1024 * 1024
    connections: int = 100  # as many as Postfix has processes for the way back (default_process_limit)
    recipients: int = 1000
    errors: int = 20
    idle_s: float = 300
    message_s: float = 1800
    backlog: int = 512


class Server:
    """Listens, and holds the sessions. `await start()`, then `port` is known; `await stop()` lets messages finish."""

    def __init__(self, settings: ServerSettings, next_hop: NextHop) -> None:
        self.settings = settings
        self.next_hop = next_hop
        self.port = settings.port  # the one really bound, once started
        self.sessions: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweep: asyncio.Task[None] | None = None
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, *, reuse_port: bool = False) -> None:
        """Bind and serve. Raises OSError."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        self._listener = await loop.create_server(
            lambda: Connection(self, loop),
            settings.host,
            settings.port,
            backlog=settings.backlog,
            reuse_port=reuse_port or None,
        )
        self.port = int(self._listener.sockets[0].getsockname()[1])
        self._sweep = loop.create_task(self._sweeping(min(1.0, settings.idle_s / 4)))

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

    def joined(self, session: Connection) -> None:
        """A connection was admitted."""
        self.sessions.add(session)
        self._empty.clear()

    def left(self, session: Connection) -> None:
        """A connection's coroutine is over."""
        self.sessions.discard(session)
        if not self.sessions:
            self._empty.set()

    def admit(self, address: IPv4Address | IPv6Address | None) -> Reply | None:
        """None for a client that may go on, else the farewell."""
        if self._stopping:
            return SHUTDOWN
        if len(self.sessions) >= self.settings.connections:
            return BUSY
        return None if _within(address, self.settings.clients) else STRANGER


def _within(address: IPv4Address | IPv6Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks if network.version == address.version)


class _Gone(Exception):
    """The session is over."""


class Connection(SMTP):
    """One client's connection. The coroutine `_handle_client` is its life; the rest is called by the event loop."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        settings = server.settings
        super().__init__(server, hostname=settings.hostname, loop=loop, data_size_limit=settings.size_limit)
        self._smtp_methods: dict[str, Callable[[str], Awaitable[None]]] = {
            name: getattr(self, f"smtp_{name}") for name in _COMMANDS
        }
        self.deadline = float("inf")  # in the loop's time; set while the client is waited for
        self._server = server
        self._settings = settings
        self._client = Client()
        self._offers = Capabilities()
        self._mail: Envelope | None = None
        self._transaction: Transaction | None = None
        self._extended = False
        self._accepted = 0
        self._recipients = 0
        self._errors = 0
        self._input = b""
        self._at = 0  # offset in _input of what was not used yet
        self._output: list[bytes] = []
        self._eof = False
        self._handing_over = False
        self._paused = False
        self._content: Content | None = None  # what DATA fills
        self._content_until = 0.0
        self._farewell: Reply | None = None
        self._at_once = False  # the farewell does not wait for the end of content
        self._waiter: asyncio.Future[None] | None = None
        self._wire: asyncio.Transport | None = None

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
        refusal = self._server.admit(address)
        if refusal is not None:
            wire.write(write_reply(refusal))
            wire.close()
            return
        self._client = Client(address=address, trusted=_within(address, self._settings.trusted))
        self._server.joined(self)
        self._wire = wire
        super().connection_made(transport)
        if self.task is not None:
            self.task.add_done_callback(lambda _: self._server.left(self))

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
        if not self._paused and len(self._input) > _HIGH_WATER and self._wire is not None:
            self._paused = True
            self._wire.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Commands that came before the end are still answered; a message is not delivered that nobody waits for.

        The client has no acknowledgement, so it keeps the message and sends it again: delivered now, it would double.
        """
        self._eof = True
        if self._handing_over and self.task is not None:
            self.task.cancel()
        self._wake()
        return self.task is not None

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
            await self._writer.drain()

    async def _more(self) -> None:
        """Send what is to be sent, then wait until something happens: input, its end, or a farewell."""
        if self._paused and self._wire is not None:
            self._paused = False
            self._wire.resume_reading()
        self._reset_timeout()
        await self._flush()
        self._waiter = self.loop.create_future()
        try:
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
        content = self._content = Content(self._settings.size_limit)
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

    # The session

    async def _handle_client(self) -> None:
        try:
            self._say(Reply(code=220, text=f"{self.hostname} ESMTP mailgate"))
            while (line := await self._command()) is not None:
                try:
                    await self._answer(line)
                except Refused as refused:
                    self._say(refused.reply)
                    self._errors += isinstance(refused, BadCommand)
                except _Gone:
                    break
                except Exception:
                    log.exception("a command failed", extra={"action": "smtp-fault"})
                    await self._end_transaction()
                    self._say(FAULT)
                if self._errors > self._settings.errors:
                    self._farewell = ERRORS
            await self._flush()
        except ConnectionError:
            pass
        finally:
            await self._end_transaction()
            if self._wire is not None:
                self._wire.close()

    async def _answer(self, line: bytes) -> None:
        if len(line) > MAX_COMMAND:
            raise bad(500, "5.5.2", "Command line too long")
        if not line.endswith(b"\r\n"):
            raise bad(500, "5.5.2", "A command ends with CR LF")
        try:
            text = line[:-2].decode()
        except UnicodeDecodeError:
            raise bad(500, "5.5.2", "A command is ASCII or UTF-8") from None
        if not text.isprintable() and any(c < " " or c == "\x7f" for c in text):
            raise bad(500, "5.5.2", "Control character in a command")
        verb, _, argument = text.partition(" ")
        method = self._smtp_methods.get(verb.upper())
        if method is None:
            raise bad(500, "5.5.1", "Command not known")
        await method(argument.strip(" "))

    async def _end_transaction(self) -> None:
        """Back to the state after EHLO. XFORWARD holds for one transaction, as in Postfix."""
        transaction, self._transaction = self._transaction, None
        self._mail = None
        self._accepted = self._recipients = 0
        if transaction is not None:
            self._client = replace(self._client, forwarded=())
            await transaction.abort()

    async def _greet(self, argument: str, extended: bool) -> None:
        if not argument or len(argument) > 255:
            raise bad(501, "5.5.4", "A host name is expected")
        await self._end_transaction()
        self._extended = extended
        self._client = replace(self._client, helo=argument)

    async def smtp_HELO(self, argument: str) -> None:
        await self._greet(argument, extended=False)
        self._output.append(b"250 " + self.hostname.encode() + b"\r\n")

    async def smtp_EHLO(self, argument: str) -> None:
        await self._greet(argument, extended=True)
        offers = self._offers = await self._server.next_hop.capabilities()
        limit = min(self._settings.size_limit, offers.size or self._settings.size_limit)
        lines = [self.hostname, f"SIZE {limit}", "PIPELINING", "ENHANCEDSTATUSCODES"]
        lines += [
            name
            for name, offered in (("8BITMIME", offers.eight_bit), ("SMTPUTF8", offers.smtputf8), ("DSN", offers.dsn))
            if offered
        ]
        if self._client.trusted:
            lines += ["XFORWARD " + " ".join(XFORWARD_NAMES), "XCLIENT LOGIN"]
        last = len(lines) - 1
        self._output.extend(f"250{' ' if n == last else '-'}{line}\r\n".encode() for n, line in enumerate(lines))

    async def smtp_MAIL(self, argument: str) -> None:
        if self._transaction is not None:
            raise bad(503, "5.5.1", "A transaction is under way")
        if not self._client.helo:
            raise bad(503, "5.5.1", "EHLO comes first")
        mail = parse_mail(argument, self._extended)
        if mail.size > self._settings.size_limit:
            raise Refused(TOO_LARGE)
        envelope = Envelope(
            reverse_path=mail.reverse_path, recipients=(), parameters=mail.parameters, client=self._client
        )
        self._transaction = await self._server.next_hop.begin(envelope)
        self._mail = envelope
        self._say(Reply(code=250, enhanced="2.1.0", text="Ok"))

    async def smtp_RCPT(self, argument: str) -> None:
        if self._transaction is None or self._mail is None:
            raise bad(503, "5.5.1", "MAIL comes first")
        utf8 = any(parameter.upper() == "SMTPUTF8" for parameter in self._mail.parameters)
        recipient = parse_rcpt(argument, self._extended, utf8)
        self._recipients += 1
        if self._recipients > self._settings.recipients:
            raise Refused(Reply(code=452, enhanced="4.5.3", text="Too many recipients"))
        reply = await self._transaction.rcpt(recipient)
        self._accepted += reply.accepted
        self._say(reply)

    async def smtp_DATA(self, argument: str) -> None:
        if argument:
            raise bad(501, "5.5.4", "DATA has no argument")
        transaction = self._transaction
        if transaction is None:
            raise bad(503, "5.5.1", "MAIL comes first")
        if not self._accepted:
            raise Refused(Reply(code=554, enhanced="5.5.1", text="No valid recipients"))
        self._output.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        content = await self._receive()
        if content is None:
            raise _Gone
        reply = TOO_LARGE if content.too_large else await self._hand_over(transaction, content.message())
        await self._end_transaction()
        self._say(reply)

    async def _hand_over(self, transaction: Transaction, message: bytes) -> Reply:
        fault = unclean(message)
        if fault:
            return Reply(code=550, enhanced="5.5.2", text=fault)
        if self._eof:
            raise _Gone
        self._handing_over = True
        try:
            return await transaction.data(message)
        finally:
            self._handing_over = False

    async def smtp_RSET(self, argument: str) -> None:
        await self._end_transaction()
        self._say(Reply(code=250, enhanced="2.0.0", text="Ok"))

    async def smtp_NOOP(self, argument: str) -> None:
        self._say(Reply(code=250, enhanced="2.0.0", text="Ok"))

    async def smtp_VRFY(self, argument: str) -> None:
        self._say(Reply(code=252, enhanced="2.5.0", text="Send some mail, it will be tried"))

    async def smtp_QUIT(self, argument: str) -> None:
        self._say(Reply(code=221, enhanced="2.0.0", text="Bye"))
        raise _Gone

    async def smtp_XFORWARD(self, argument: str) -> None:
        if not self._client.trusted:
            raise bad(550, "5.7.0", "Not authorised")
        if self._transaction is not None:
            raise bad(503, "5.5.1", "A transaction is under way")
        news = dict(self._client.forwarded) | dict(parse_attributes(argument, XFORWARD_NAMES))
        self._client = replace(self._client, forwarded=tuple(news.items()))
        self._say(Reply(code=250, enhanced="2.0.0", text="Ok"))

    async def smtp_XCLIENT(self, argument: str) -> None:
        if not self._client.trusted:
            raise bad(550, "5.7.0", "Not authorised")
        if self._transaction is not None:
            raise bad(503, "5.5.1", "A transaction is under way")
        ((_, login), *_) = parse_attributes(argument, ("LOGIN",))
        self._client = replace(self._client, login=login, helo="", forwarded=())  # the session begins anew
        self._say(Reply(code=220, text=f"{self.hostname} ESMTP mailgate"))
