"""What a client asks and is answered: the SMTP commands, each with the next hop's reply where it is the next hop's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from smtp_hooks.commands import XFORWARD_NAMES, BadCommand, bad, parse_attributes, parse_mail, parse_rcpt
from smtp_hooks.content import Content, hops, unclean
from smtp_hooks.envelope import Client, Envelope, Reply
from smtp_hooks.errors import Refused
from smtp_hooks.server.line import MAX_COMMAND, House, Line
from smtp_hooks.server.settings import ServerSettings, within
from smtp_hooks.transaction import NextHop, Transaction

log = logging.getLogger(__name__)

_COMMANDS = ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "XFORWARD", "XCLIENT", "STARTTLS")

FAULT = Reply(code=451, enhanced="4.3.0", text="Internal error, try again later")
ERRORS = Reply(code=421, enhanced="4.7.0", text="Too many errors")
NO_ROOM = Reply(code=452, enhanced="4.3.1", text="Insufficient system storage")
TOO_LARGE = Reply(code=552, enhanced="5.3.4", text="Message too large")
LOOP = Reply(code=554, enhanced="5.4.6", text="Too many hops, the message goes round in circles")


class _Gone(Exception):
    """The session is over."""


class Session(Line):
    """One client's dialogue, from greeting to farewell."""

    def __init__(
        self, house: House, settings: ServerSettings, next_hop: NextHop, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(house, settings, loop)
        self._smtp_methods: dict[str, Callable[[str], Awaitable[None]]] = {
            name: getattr(self, f"smtp_{name}") for name in _COMMANDS
        }
        self._next_hop = next_hop
        self._client = Client()
        self._mail: Envelope | None = None
        self._transaction: Transaction | None = None
        self._extended = False
        self._accepted = 0
        self._recipients = 0
        self._errors = 0

    async def _handle_client(self) -> None:
        self._client = Client(address=self.address, trusted=within(self.address, self._settings.trusted))
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
            if self._client.forwarded:
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
        offers = await self._next_hop.capabilities()
        limit = min(self._settings.size_limit, offers.size or self._settings.size_limit)
        lines = [self.hostname, f"SIZE {limit}", "PIPELINING", "ENHANCEDSTATUSCODES"]
        lines += [
            name
            for name, offered in (("8BITMIME", offers.eight_bit), ("SMTPUTF8", offers.smtputf8), ("DSN", offers.dsn))
            if offered
        ]
        if self._settings.tls is not None and not self.encrypted:
            lines.append("STARTTLS")
        if self._client.trusted:
            lines += ["XFORWARD " + " ".join(XFORWARD_NAMES), "XCLIENT LOGIN"]
        last = len(lines) - 1
        self._output.extend(f"250{' ' if n == last else '-'}{line}\r\n".encode() for n, line in enumerate(lines))

    async def smtp_MAIL(self, argument: str) -> None:
        if self._transaction is not None:
            raise bad(503, "5.5.1", "A transaction is under way")
        if not self._client.helo:
            raise bad(503, "5.5.1", "EHLO comes first")
        if self._settings.tls_required and not self.encrypted:
            raise bad(530, "5.7.0", "STARTTLS comes first")
        mail = parse_mail(argument, self._extended)
        if mail.size > self._settings.size_limit:
            raise Refused(TOO_LARGE)
        envelope = Envelope(
            reverse_path=mail.reverse_path, recipients=(), parameters=mail.parameters, client=self._client
        )
        self._transaction = await self._next_hop.begin(envelope)
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
        try:
            reply = await self._reply_to(content, transaction)
        finally:
            content.close()
        await self._end_transaction()
        self._say(reply)

    async def _reply_to(self, content: Content, transaction: Transaction) -> Reply:
        if content.too_large:
            return TOO_LARGE
        if content.failed:
            log.error("a message cannot be spooled to disk", extra={"action": "smtp-spool"})
            return NO_ROOM
        if not content.spooled:
            return await self._hand_over(transaction, content.message())
        async with self._house.places.hold(content.spooled):
            return await self._hand_over(transaction, content.message())

    async def _hand_over(self, transaction: Transaction, message: bytes) -> Reply:
        fault = unclean(message)
        if fault:
            return Reply(code=550, enhanced="5.5.2", text=fault)
        if hops(message) > self._settings.hops:
            log.warning("a message goes round in circles", extra={"action": "smtp-loop"})
            return LOOP
        if self._eof:
            raise _Gone
        self._handing_over = True
        try:
            return await transaction.data(message)
        finally:
            self._handing_over = False

    async def smtp_STARTTLS(self, argument: str) -> None:
        """RFC 3207. Whatever was said before is forgotten; nothing may have come that could be taken for said after."""
        context = self._settings.tls
        if context is None:
            raise bad(500, "5.5.1", "Command not known")
        if argument:
            raise bad(501, "5.5.4", "STARTTLS has no argument")
        if self.encrypted:
            raise bad(503, "5.5.1", "TLS is in use already")
        if self._unread:
            self._say(Reply(code=554, enhanced="5.7.0", text="Nothing may follow STARTTLS in the clear"))
            raise _Gone
        await self._end_transaction()
        self._say(Reply(code=220, text="Ready to start TLS"))
        await self._encrypt(context)
        self._client = Client(address=self.address, trusted=self._client.trusted)
        self._extended = False

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
