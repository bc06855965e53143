"""The listening application itself: a connection that is kept, what comes over it shown, what is typed sent.

Either it connects to the gateway (`mailgate listen https://…`) and signs in by its key, or it opens a socket for itself
(`--serve`) that the gateway connects to; there both sides show that they have the key before anything is believed.
A connection that is lost is tried again, after a wait that grows and has chance in it; one that is half open is found
by pings. What was shown is told to the gateway once it is on the screen.

Known limits: one gateway at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, assert_never
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from mailgate.errors import MailgateError
from mailgate.listen import commands, protocol
from mailgate.listen.commands import HELP, Be, Command, KeepQuiet, MakeOffer, NoCommand, OnOffer, Simply
from mailgate.listen.proof import device_proof, gateway_proof, same
from mailgate.listen.protocol import (
    MOST_OCTETS,
    Accept,
    Changed,
    Decline,
    Hello,
    Made,
    Make,
    News,
    OfferMessage,
    Presence,
    Refused,
    Reply,
    Shown,
    Status,
    Welcome,
)
from mailgate.listen.screen import Screen

PING_S = 10.0
HELLO_S = 10.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class SignInRefused(MailgateError):
    """The gateway does not know the key, or does not have it."""


class Connection(Protocol):
    """What is needed of a WebSocket of either side."""

    async def send(self, message: str, /) -> None: ...
    async def recv(self) -> str | bytes: ...
    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """`channels` are how its owner can be called, the preferred one first."""

    key: str = field(repr=False)
    name: str
    channels: tuple[str, ...] = field(default=(), repr=False)
    status: Status = "available"


def socket_address(url: str) -> str:
    """The socket of a gateway's public address: `https://call.example.org` → `wss://call.example.org/listen`.

    Raises MailgateError: the key goes over it, so that without TLS it leads to this machine only."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https", "ws", "wss") or not host:
        raise MailgateError(f"{url!r} is not a gateway's address, such as https://call.example.org")
    secure = parts.scheme in ("https", "wss")
    if not secure and host not in ("localhost", "::1") and not host.startswith("127."):
        raise MailgateError(f"{url}: without https:// the key would go in the clear; only this machine is reached so")
    return f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}/listen"


@dataclass(slots=True, kw_only=True)
class _Seen:
    number: int
    offer: OfferMessage
    state: str


class Client:
    """One listening application. `wait` gives how long to wait before the nth try, in seconds."""

    def __init__(
        self,
        settings: ClientSettings,
        screen: Screen,
        *,
        wait: Callable[[int], float] = lambda tries: (
            min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(tries, 8)) * (0.5 + random.random())
        ),
    ) -> None:
        self._settings = settings
        self._screen = screen
        self._wait = wait
        self._status: Status = settings.status
        self._offers: dict[str, _Seen] = {}
        self._mine: dict[str, str] = {}  # offers made here → to whom
        self._connection: Connection | None = None
        self._ending = asyncio.Event()

    # --- connecting ---------------------------------------------------------------------------------------------

    async def connect(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        """Stay connected to the gateway until `end`. Raises SignInRefused."""
        address, tries = socket_address(url), 0
        while not self._ending.is_set():
            try:
                async with connect(
                    address,
                    ssl=tls if address.startswith("wss:") else None,
                    open_timeout=HELLO_S,
                    close_timeout=2,
                    ping_interval=PING_S,
                    ping_timeout=PING_S,
                    max_size=4 * MOST_OCTETS,
                    compression=None,
                ) as connection:
                    hello = self._hello(key=self._settings.key)
                    await connection.send(hello.wire())
                    tries = 0
                    await self._talk(connection)
            except (OSError, TimeoutError, WebSocketException) as error:
                if isinstance(error, InvalidStatus) and error.response.status_code == 404:
                    raise SignInRefused(f"{url}: there is no socket for listening applications") from None
            if self._ending.is_set():
                return
            pause = self._wait(tries)
            tries += 1
            self._screen.say("away", f"no connection to {urlsplit(address).netloc}; again in {pause:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    async def serve(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Wait at a socket of its own for the gateway, until `end`. Raises OSError where it cannot be had."""
        async with serve(
            self._called,
            host,
            port,
            ssl=tls,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=4 * MOST_OCTETS,
            compression=None,
        ) as server:
            bound = next(iter(server.sockets)).getsockname()
            self._screen.say("waiting", f"for the gateway at {bound[0]}:{bound[1]}")
            await self._ending.wait()

    async def _called(self, connection: ServerConnection) -> None:
        """Somebody has connected: it is the gateway if it has the key."""
        nonce, key = secrets.token_hex(16), self._settings.key
        try:
            async with asyncio.timeout(HELLO_S):
                call = _message(await connection.recv())
                if not isinstance(call, protocol.Call):
                    raise protocol.Malformed("no call")
                hello = self._hello(nonce=nonce, proof=device_proof(key, call.nonce, nonce))
                await connection.send(hello.wire())
                welcome = _message(await connection.recv())
            shown = welcome.proof if isinstance(welcome, Welcome) else ""
            if not same(shown, gateway_proof(key, call.nonce, nonce)):
                raise protocol.Malformed("no proof")
            assert isinstance(welcome, Welcome)
            self._welcome(welcome)
            await self._talk(connection)
        except (TimeoutError, protocol.Malformed):
            self._screen.say("refused", "somebody connected who does not have the key")
        except ConnectionClosed:
            self._screen.say("away", "the gateway has left")

    def end(self) -> None:
        self._ending.set()

    def _hello(self, *, key: str = "", nonce: str = "", proof: str = "") -> Hello:
        own = self._settings
        return Hello(key=key, nonce=nonce, proof=proof, name=own.name, channels=own.channels, status=self._status)

    # --- what comes ---------------------------------------------------------------------------------------------

    async def _talk(self, connection: Connection) -> None:
        self._connection = connection
        reading = asyncio.ensure_future(self._read(connection))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            self._connection = None
            for task in (reading, ending):
                task.cancel()
            await asyncio.gather(reading, ending, return_exceptions=True)
            await connection.close()

    async def _read(self, connection: Connection) -> None:
        while True:
            try:
                message = _message(await connection.recv())
            except protocol.Malformed:
                continue  # of a newer gateway
            match message:
                case Welcome():
                    self._welcome(message)
                case OfferMessage():
                    self._offered(message)
                    await connection.send(Shown(id=message.id).wire())
                case News():
                    self._screen.news(message)
                    await connection.send(Shown(id=message.id).wire())
                case Changed():
                    self._changed(message)
                case Made():
                    self._mine[message.offer] = message.to
                    self._screen.say("made", f"a call is offered to {message.to}: {message.url}")
                case Refused(about="hello"):
                    raise SignInRefused(message.text or "the gateway does not know the key")
                case Refused():
                    self._screen.say("refused", f"{message.reason}: {message.text or message.about}")
                case protocol.Call():
                    pass
                case _:
                    assert_never(message)

    def _welcome(self, welcome: Welcome) -> None:
        self._screen.say("signed-in", f"as {welcome.device}, for {welcome.address} ({welcome.name})")

    def _offered(self, offer: OfferMessage) -> None:
        known = self._offers.get(offer.offer)
        if known is None:
            known = _Seen(number=len(self._offers) + 1, offer=offer, state=offer.state)
            self._offers[offer.offer] = known
            self._screen.offer(known.number, offer)
        known.offer, known.state = offer, offer.state

    def _changed(self, changed: Changed) -> None:
        seen = self._offers.get(changed.offer)
        if seen is not None:
            seen.state = changed.state
            self._screen.changed(seen.number, changed, seen.offer.offeror)
        elif changed.offer in self._mine:
            self._screen.changed(0, changed, self._mine[changed.offer])

    # --- what is typed ------------------------------------------------------------------------------------------

    async def typed(self, line: str) -> None:
        """Do what a line says."""
        try:
            command = commands.read(line)
            if command is not None:
                await self._do(command)
        except NoCommand as error:
            self._screen.say("wrong", str(error))
        except ConnectionClosed:
            self._screen.say("wrong", "there is no connection just now; try again")

    async def _do(self, command: Command) -> None:
        match command:
            case OnOffer():
                await self._on_offer(command)
            case MakeOffer():
                await self._send(Make(to=command.address))
            case Be():
                self._status = command.status
                await self._send(Presence(status=command.status))
                self._screen.say("status", command.status)
            case KeepQuiet():
                await self._send(Presence(status=self._status, hours=command.hours, zone=command.zone))
            case Simply(what="list"):
                for seen in self._offers.values():
                    self._screen.say("listed", f"{seen.number} {seen.offer.offeror} {seen.state} {seen.offer.url}")
            case Simply(what="help"):
                for each in HELP.splitlines():
                    self._screen.say("help", each)
            case Simply():
                self.end()
            case _:
                assert_never(command)

    async def _on_offer(self, command: OnOffer) -> None:
        seen = next((s for s in reversed(self._offers.values()) if command.number in (0, s.number)), None)
        if seen is None:
            raise NoCommand("there is no such offer; list names them")
        offer_id = seen.offer.offer
        match command.what:
            case "accept":
                await self._send(Accept(offer=offer_id, channel=command.text))
            case "later":
                self._screen.say("page", f"{seen.offer.url}#later")
            case "decline":
                await self._send(Decline(offer=offer_id, reason="" if command.text else "not-now", text=command.text))
            case "answer":
                await self._send(Reply(offer=offer_id, text=command.text))
            case _:
                assert_never(command.what)

    async def _send(self, message: protocol.FromDevice) -> None:
        if self._connection is None:
            raise NoCommand("there is no connection just now; try again")
        await self._connection.send(message.wire())


def _message(text: str | bytes) -> protocol.FromGateway:
    """Raises Malformed."""
    if not isinstance(text, str):
        raise protocol.Malformed("octets")
    return protocol.from_gateway(text)
