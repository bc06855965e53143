"""What an MTA tells and is answered, one SMTP client after the other, read from top to bottom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol, assert_never

from smtp_hooks.envelope import Client, Envelope, Recipient
from smtp_hooks.milter.answers import Accept, Answer, ChangeHeader, Continue, InsertHeader, ReplyWith, TryLater
from smtp_hooks.milter.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeader,
    EndOfMessage,
    Event,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    QuitSession,
    Rcpt,
    Unknown,
)
from smtp_hooks.milter.line import Line, PeerGone
from smtp_hooks.milter.message import Content, differences
from smtp_hooks.milter.settings import MilterSettings, within
from smtp_hooks.pipeline import Changed, Coupon, Refused, Untouched, Verdict

log = logging.getLogger(__name__)

TOO_LARGE = ReplyWith("552 5.3.4 Message too large")


class Judge(Protocol):
    """What `smtp_hooks.pipeline.Gate` is to a milter."""

    async def judge(self, envelope: Envelope, message: bytes, *, eight_bit: bool) -> Verdict: ...

    async def withdraw(self, coupon: Coupon) -> None: ...


class Session:
    """One connection. `later` runs something to its end, also when this session is over."""

    def __init__(
        self, line: Line, gate: Judge, settings: MilterSettings, later: Callable[[Awaitable[None]], None]
    ) -> None:
        self._line = line
        self._gate = gate
        self._settings = settings
        self._later = later
        self._client = Client()
        self._macros: dict[str, str] = {}

    async def converse(self) -> None:
        """From the negotiation to the farewell. Raises PeerGone."""
        line = self._line
        while True:
            line.resting = True
            event = await line.next(self._settings.idle_s)
            line.resting = False
            match event:
                case Negotiate():
                    line.agree(event)
                case Macros(values=values):
                    self._macros.update(values)
                case Connect(address=address):
                    self._client = self._connected(address)
                    self._continue(event)
                case Helo(name=name):
                    self._client = replace(self._client, helo=name)
                    self._continue(event)
                case Mail():
                    self._continue(event)
                    await self._transaction(event)
                    self._macros.clear()
                case QuitSession():
                    self._client = Client()
                    self._macros.clear()
                case Abort():
                    self._macros.clear()
                case Quit():
                    return
                case Unknown():
                    self._continue(event)
                case Rcpt() | Data() | Header() | EndOfHeader() | Body() | EndOfMessage():
                    raise AssertionError(f"{type(event).__name__} outside a transaction")  # `protocol.ORDER` forbids it
                case _:
                    assert_never(event)

    async def _transaction(self, mail: Mail) -> None:
        """From MAIL to the end of the message, or to its abort."""
        recipients: list[Recipient] = []
        content = Content(self._settings.size_limit)
        while True:
            event = await self._line.next(self._settings.idle_s)
            match event:
                case Rcpt(address=address, parameters=parameters):
                    if len(recipients) <= self._settings.recipients:
                        recipients.append(Recipient(address=address, parameters=parameters))
                case Header(name=name, value=value):
                    content.field(name, value if self._line.leading_space else b" " + value)
                case Body(chunk=chunk):
                    content.body(chunk)
                case Macros(values=values):
                    self._macros.update(values)
                case EndOfMessage(chunk=chunk):
                    content.body(chunk)
                    envelope = self._envelope(mail, recipients)
                    await self._end(event, envelope, content)
                    return
                case Abort():
                    return
                case Quit() | QuitSession():
                    raise PeerGone
                case _:
                    pass
            self._continue(event)

    async def _end(self, event: EndOfMessage, envelope: Envelope, content: Content) -> None:
        """Judge the message and answer; where the answer does not reach the MTA, or none can be made, the offer is
        taken back."""
        coupon: Coupon | None = None
        try:
            answers: list[Answer]
            try:
                message = content.message()
                verdict = await self._verdict(envelope, content, message)
                if isinstance(verdict, Changed):
                    coupon = verdict.coupon
                answers = self._answers(verdict, content, message)
            except Exception:
                log.exception("a message could not be answered", extra={"action": "milter-fault"})
                answers = [TryLater()]
            self._line.say(event, answers)
            if coupon is not None and answers[-1] == Accept():
                await self._line.flushed()
                coupon = None
        finally:
            if coupon is not None:
                self._later(self._gate.withdraw(coupon))

    async def _verdict(self, envelope: Envelope, content: Content, message: bytes) -> Verdict | ReplyWith:
        if envelope.client.trusted and content.too_large:
            return TOO_LARGE
        if envelope.client.trusted and content.fault:
            return ReplyWith(f"550 5.5.2 {content.fault}")
        judging = asyncio.ensure_future(self._gate.judge(envelope, message, eight_bit=False))
        try:
            async with asyncio.timeout(self._settings.judge_s):
                return await asyncio.shield(judging)
        except (asyncio.CancelledError, TimeoutError):
            self._later(self._undo(judging))
            raise

    async def _undo(self, judging: asyncio.Future[Verdict]) -> None:
        """Nobody waits for this verdict any more. It is not cut short, since an offer may be on its way into the store
        just now; where one was made, it is withdrawn."""
        try:
            async with asyncio.timeout(self._settings.judge_s):
                verdict = await judging
        except Exception:
            log.exception("a message was not judged to its end", extra={"action": "milter-fault"})
            return
        if isinstance(verdict, Changed) and verdict.coupon is not None:
            await self._gate.withdraw(verdict.coupon)

    def _answers(self, verdict: Verdict | ReplyWith, content: Content, message: bytes) -> list[Answer]:
        match verdict:
            case Untouched():
                return [Accept()]
            case Refused(reply=reply):
                return [ReplyWith(str(reply))]
            case ReplyWith():
                return [verdict]
            case Changed(message=changed):
                changes = differences(content.fields, message, changed)
                if not self._line.leading_space:
                    changes = [_without_space(change) for change in changes]
                return [*changes, Accept()]

    def _continue(self, event: Event) -> None:
        if self._line.expects_answer(event):
            self._line.say(event, [Continue()])

    def _connected(self, address: str) -> Client:
        """The client by what CONNECT names, else by the macro."""
        return Client(address=_address(address) or _address(self._macros.get("client_addr", "")))

    def _envelope(self, mail: Mail, recipients: list[Recipient]) -> Envelope:
        """Who is logged in is believed, since the MTA says so; else the client's network decides."""
        login = self._macros.get("auth_authen", "")
        if login and "@" not in login:
            login = f"{login}@{self._settings.login_domain}" if self._settings.login_domain else ""
        trusted = bool(login) or within(self._client.address, self._settings.trusted)
        return Envelope(
            reverse_path=mail.address,
            recipients=tuple(recipients),
            parameters=mail.parameters,
            client=replace(self._client, login=login, trusted=trusted),
        )


def _without_space(change: Answer) -> Answer:
    """For an MTA that adds the blank after the colon itself."""
    match change:
        case ChangeHeader(value=value) | InsertHeader(value=value):
            return replace(change, value=value.removeprefix(b" "))
        case _:
            return change


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0].removeprefix("IPv6:"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
