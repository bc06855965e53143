"""The next hop: a pipelining SMTP client with connections kept alive.

A message goes in one chunk where the next hop takes chunks: there is nothing to ask for before it and nothing to stuff,
and what it is refused with leaves the connection as good as before. Else by DATA.

A transaction takes a connection at its first recipient and sends MAIL and RCPT together; the next hop's replies are
the client's. A kept connection that turns out to be dead is replaced once, and only before DATA. Refused, timed-out
and broken connections and 421 become 451 4.4.1 (or 4.4.2), never an exception; after DATA nothing is sent again: the
client's queue does that.

Standards: RFC 5321; RFC 2920 (PIPELINING); RFC 3030 (CHUNKING, not BINARYMIME); RFC 1870, 6152, 6531, 3461 (parameters
passed on); RFC 3207 (STARTTLS); RFC 4954 and 4616 (AUTH PLAIN, and LOGIN as everybody does it); Postfix's XFORWARD.
Time-outs by RFC 5321, 4.5.3.2.

Of XFORWARD, SOURCE=LOCAL is passed on as REMOTE: Postfix completes the header of local mail, after our signature.

Several next hops: `smtp_hooks.relay.several`. Known limits: no TLS from the first octet (port 465); no DANE or
MTA-STS, the next hop is named by whoever runs the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

from smtp_hooks.commands import to_xtext
from smtp_hooks.content import DATA_END, stuff, unclean
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.protocol import ASSUMED, Capabilities, mail_command, rcpt_command
from smtp_hooks.relay.connection import Connection, Late, Lost
from smtp_hooks.relay.greeting import NoTls, greet
from smtp_hooks.relay.settings import Login, RelaySettings

__all__ = [
    "LACKING",
    "LOST",
    "TOO_LARGE",
    "UNCLEAN",
    "UNREACHABLE",
    "Login",
    "Relay",
    "RelaySettings",
    "RelayTransaction",
]

log = logging.getLogger(__name__)

UNREACHABLE = Reply(code=451, enhanced="4.4.1", text="The next hop does not answer, try again later")
LOST = Reply(code=451, enhanced="4.4.2", text="The connection to the next hop was lost, try again later")
LACKING = Reply(code=451, enhanced="4.3.5", text="The next hop lacks an extension that the message needs")
TOO_LARGE = Reply(code=552, enhanced="5.3.4", text="Message too large for the next hop")
UNCLEAN = Reply(code=550, enhanced="5.5.2", text="Bare CR, bare LF or NUL in message content")


_UNKNOWN = (500, 502, 503, 504)
"""Replies to a chunk by what does not know it after all, such as a firewall that hides commands (RFC 5321, 4.2.4)."""
_MAX_COMMAND = 510  # RFC 5321, 4.5.3.1.4, without CRLF


class Relay:
    """The next hop. `await relay.begin(envelope)` gives a transaction; `close()` ends the kept connections."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(settings.connections)
        self._capabilities: Capabilities | None = None
        self._closed = False
        self.chunks = True  # what offers them is believed, until it does not know them when they come

    async def capabilities(self) -> Capabilities:
        """What the next hop last offered; asks it if it was never asked; `ASSUMED` while it cannot be reached."""
        if self._capabilities is None:
            try:
                self.release(await self.acquire(fresh=True))
            except Lost:
                return ASSUMED
        return self._capabilities or ASSUMED

    async def begin(self, envelope: Envelope) -> RelayTransaction:
        """A transaction; the next hop hears of it with the first recipient."""
        return RelayTransaction(self, self._settings, envelope)

    async def close(self) -> None:
        """End idle connections; those of transactions under way end when given back."""
        self._closed = True
        for connection in self._idle:
            self._wake_up(connection)
            connection.quit()
        self._idle.clear()

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """A kept connection, or a new one. Raises Lost."""
        try:
            if self._places.locked():  # a time-out costs a task, so only where there is something to wait for
                await asyncio.wait_for(self._places.acquire(), self._settings.connect_timeout_s)
            else:
                await self._places.acquire()
        except TimeoutError:
            log.warning("all connections to the next hop are busy", extra={"action": "relay-busy"})
            raise Lost from None
        try:
            while self._idle and not fresh:
                connection = self._idle.pop()
                self._wake_up(connection)
                if not connection.closed:
                    return connection
            return await self._connect()
        except BaseException:
            self._places.release()
            raise

    def release(self, connection: Connection) -> None:
        """Give a connection back; it is kept while it lives."""
        self._places.release()
        if self._closed:
            connection.quit()
        elif not connection.closed:
            connection.used = True
            loop = asyncio.get_running_loop()
            connection.idle_handle = loop.call_later(self._settings.idle_s, self._retire, connection)
            self._idle.append(connection)

    def _retire(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        connection.quit()

    @staticmethod
    def _wake_up(connection: Connection) -> None:
        if connection.idle_handle is not None:
            connection.idle_handle.cancel()
            connection.idle_handle = None

    async def _connect(self) -> Connection:
        settings = self._settings
        if settings.tls is None or settings.tls_required:
            return await self._prepared(settings.tls)
        try:
            return await self._prepared(settings.tls)
        except NoTls:  # RFC 7435: in the clear is what there would be otherwise
            return await self._prepared(None)

    async def _prepared(self, tls: ssl.SSLContext | None) -> Connection:
        """A new connection, ready for MAIL. Raises Lost; NoTls where TLS was what failed."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                _, connection = await loop.create_connection(lambda: Connection(loop), settings.host, settings.port)
        except (OSError, TimeoutError) as error:
            log.warning("next hop unreachable: %s", error, extra={"action": "relay-unreachable"})
            raise Lost from error
        try:
            await greet(connection, settings, tls)
        except BaseException:
            connection.close()
            raise
        self._capabilities = connection.capabilities
        return connection


class RelayTransaction:
    """A transaction with the next hop, as `smtp_hooks.transaction.Transaction` has it."""

    def __init__(self, relay: Relay, settings: RelaySettings, envelope: Envelope) -> None:
        self._relay = relay
        self._settings = settings
        self._envelope = envelope
        self._connection: Connection | None = None
        self._refusal: Reply | None = None  # of MAIL, or of the connection: it holds for each recipient
        self._asked = False  # DATA was sent: only the message, or the end of the connection, may follow

    async def rcpt(self, recipient: Recipient) -> Reply:
        """The next hop's reply to this recipient; its reply to MAIL where it refuses that."""
        if self._refusal is not None:
            return self._refusal
        if self._connection is None:
            return await self._open(recipient)
        command = rcpt_command(recipient, self._connection.capabilities)
        if command is None:
            return LACKING
        try:
            (reply,) = await self._connection.exchange([command], self._settings.command_timeout_s)
        except Lost:
            return await self._fail(LOST)
        if reply.accepted:
            return reply
        checked = self._checked(reply)
        return checked if checked is reply else await self._fail(checked)

    async def _open(self, recipient: Recipient) -> Reply:
        """MAIL and the first RCPT, once more on a new connection where a kept one turns out to be dead."""
        for fresh in (False, True):
            try:
                connection = await self._relay.acquire(fresh=fresh)
            except Lost:
                return await self._fail(UNREACHABLE)
            self._connection = connection
            commands = self._opening(connection, recipient)
            if commands is None:
                return await self._fail(LACKING)
            try:
                *_, mail, rcpt = await connection.exchange(commands, self._settings.command_timeout_s)
                if 421 not in (mail.code, rcpt.code):
                    return await self._opened(connection, mail, rcpt)
            except Late:
                break
            except Lost:
                pass
            if not connection.used:
                break
            connection.close()
            await self.abort()
        if self._connection is not None:
            self._connection.close()
        return await self._fail(UNREACHABLE)

    async def _opened(self, connection: Connection, mail: Reply, rcpt: Reply) -> Reply:
        connection.dirty = mail.accepted
        if not mail.accepted:
            return await self._fail(self._checked(mail))
        return rcpt if rcpt.accepted else self._checked(rcpt)

    def _opening(self, connection: Connection, recipient: Recipient) -> list[str] | None:
        mail = mail_command(self._envelope, connection.capabilities)
        rcpt = rcpt_command(recipient, connection.capabilities)
        if mail is None or rcpt is None:
            return None
        offered = connection.capabilities.xforward
        forwarded = [
            f"{name}={'REMOTE' if name == 'SOURCE' else to_xtext(value) or '[UNAVAILABLE]'}"
            for name, value in self._envelope.client.forwarded
            if name in offered
        ]
        whole = " ".join(["XFORWARD", *forwarded])
        xforward = [whole] if len(whole) <= _MAX_COMMAND else [f"XFORWARD {attribute}" for attribute in forwarded]
        return [*(["RSET"] if connection.dirty else []), *(xforward if forwarded else []), mail, rcpt]

    def prepare(self) -> None:
        """Send DATA; its reply is read by `data`. For a chunk there is nothing to ask for."""
        connection = self._connection
        if connection is not None and not self._asked and not connection.closed and not self._takes_chunks(connection):
            connection.write([b"DATA\r\n"])
            self._asked = True

    async def data(self, message: bytes) -> Reply:
        """Hand the message over; the next hop's reply. Call it once, after at least one accepted recipient."""
        connection = self._connection
        if connection is None:
            return self._refusal or LOST
        limit = connection.capabilities.size
        if limit and len(message) > limit:
            return await self._fail(TOO_LARGE)
        if unclean(message):
            return await self._fail(UNCLEAN)
        if self._takes_chunks(connection):
            return await self._chunk(connection, message)
        try:
            self.prepare()
            ready = await connection.reply(self._settings.command_timeout_s)
            if ready.code != 354:
                self._asked = False
                return await self._fail(self._checked(ready))
            connection.write([*stuff(message), DATA_END])
            reply = await connection.reply(self._settings.data_timeout_s)
        except Lost:
            return await self._fail(LOST)
        self._asked = connection.dirty = False
        if not reply.accepted:
            reply = self._checked(reply)
        await self.abort()
        return reply

    def _takes_chunks(self, connection: Connection) -> bool:
        return connection.capabilities.chunking and self._relay.chunks and not self._asked

    async def _chunk(self, connection: Connection, message: bytes) -> Reply:
        """The whole message as the last chunk (RFC 3030, 2)."""
        end = b"" if message.endswith(b"\r\n") or not message else b"\r\n"
        try:
            connection.write([b"BDAT %d LAST\r\n" % (len(message) + len(end)), message, end])
            reply = await connection.reply(self._settings.data_timeout_s)
        except Lost:
            return await self._fail(LOST)
        if reply.code in _UNKNOWN:  # it may take the message for commands now
            log.error("next hop offers CHUNKING and does not know BDAT; DATA is used", extra={"action": "relay-chunks"})
            self._relay.chunks = False
            connection.close()
            return await self._fail(LOST)
        connection.dirty = not reply.accepted  # RFC 3030, 2: RSET after a chunk that was refused
        if not reply.accepted:
            reply = self._checked(reply)
        await self.abort()
        return reply

    async def abort(self) -> None:
        """Give the connection back. What was not acknowledged is forgotten by the next hop."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._asked:  # without the message it cannot be brought back to commands
                connection.close()
            self._relay.release(connection)

    def _checked(self, refusal: Reply) -> Reply:
        """A refusal as the client may see it: 421 and what is no answer to the command end the connection."""
        if refusal.code >= 400 and refusal.code != 421:
            return refusal
        if self._connection is not None:
            self._connection.close()
        return UNREACHABLE

    async def _fail(self, reply: Reply) -> Reply:
        self._refusal = reply
        await self.abort()
        return reply
