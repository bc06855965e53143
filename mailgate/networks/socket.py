"""Notices over the sockets of listening applications, and sockets that the gateway opens itself.

`SocketNetwork` delivers to whoever listens: DELIVERED once a device has it on its screen, REFUSED where none does in
time, for the next network to take it.

`Caller` keeps a connection to each device that listens at a socket of its own (`mailgate listen --serve`). Where it
may connect to is the administrator's say (`[listening] call_out`): the name is resolved once, every address that it has
must lie in the allowed networks, and the connection goes to the address that was looked at, so that a name that changes
its mind leads nowhere. Redirects are not followed.

Standards: RFC 6455; RFC 6125 (the certificate is for the name). Source: websockets.readthedocs.io (asyncio client).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from mailgate.accounts.device import Device
from mailgate.errors import MailgateError
from mailgate.listen.protocol import MOST_OCTETS
from mailgate.listening import Listeners
from mailgate.networks import outside
from mailgate.offers.notice import Delivery, Notice

log = logging.getLogger(__name__)

PING_S = 10.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LOOK_S = 2.0
"""How often devices are looked for that came or went."""


class SocketNetwork:
    """The way to who listens just now."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    def reaches(self, address: str) -> bool:
        return self._listeners.screens.available(address)

    async def deliver(self, notice: Notice) -> Delivery:
        """One try; see mailgate.offers.notice.Network."""
        return Delivery.DELIVERED if await self._listeners.screens.show(notice) else Delivery.REFUSED


class NotAllowed(MailgateError):
    """A device's socket lies where the gateway may not connect to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingSettings:
    """`allowed`: the networks that may be connected to. `ca_file`: who vouches for devices' certificates, beside the
    system's own."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    ca_file: Path | None = None


class _Direct(connect):
    """A connection that is led nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Outgoing:
    """A connection of the gateway's own as mailgate.listening takes it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        await self._connection.send(text)

    async def receive(self) -> str | None:
        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            return None
        return message if isinstance(message, str) else ""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)


class Caller:
    """Connections to devices that listen by themselves; `devices` gives those that there are now."""

    def __init__(
        self, listeners: Listeners, devices: Callable[[], Sequence[Device]], settings: CallingSettings
    ) -> None:
        self._listeners = listeners
        self._devices = devices
        self._settings = settings
        self._calls: dict[str, tuple[Device, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until cancelled: a connection to each device, tried again where it ends."""
        try:
            while True:
                self._follow(self._devices())
                await asyncio.sleep(LOOK_S)
        finally:
            tasks = [task for _, task in self._calls.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, devices: Sequence[Device]) -> None:
        wanted = {device.device_id: device for device in devices}
        for device_id, (device, task) in tuple(self._calls.items()):
            there = wanted.get(device_id)
            if there is None or (there.url, there.key) != (device.url, device.key):
                task.cancel()
                del self._calls[device_id]
        for device_id, device in wanted.items():
            if device_id not in self._calls:
                self._calls[device_id] = (device, asyncio.create_task(self._keep(device)))

    async def _keep(self, device: Device) -> None:
        wait_s = FIRST_WAIT_S
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._call(device)
            except (OSError, TimeoutError, WebSocketException, MailgateError) as error:
                extra = {"action": "device_away", "device": device.device_id, "reason": f"{error!r:.160}"}
                log.info("a device's socket cannot be had", extra=extra)
            except Exception:
                log.exception("a device's connection failed", extra={"device": device.device_id})
            wait_s = FIRST_WAIT_S if loop.time() - began > LONGEST_WAIT_S else min(LONGEST_WAIT_S, wait_s * 2)
            await asyncio.sleep(wait_s)

    async def _call(self, device: Device) -> None:
        host, port, secure = where(device.url)
        address = await resolve(host, port, self._settings.allowed)
        tls: dict[str, Any] = {"ssl": self._context(), "server_hostname": host} if secure else {}
        connection = await _Direct(
            device.url,
            host=address,
            port=port,
            open_timeout=10,
            close_timeout=2,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=MOST_OCTETS,
            compression=None,
            proxy=None,
            **tls,
        )
        try:
            await self._listeners.call(_Outgoing(connection), device)
        finally:
            with contextlib.suppress(WebSocketException, OSError):
                await connection.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._settings.ca_file:
            context.load_verify_locations(self._settings.ca_file)
        return context


def where(url: str) -> tuple[str, int, bool]:
    """Host, port and whether by TLS, of `wss://host:port/path`. Raises NotAllowed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotAllowed(f"no address of a socket: {error}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise NotAllowed("the address of a socket is of the form wss://host:port/")
    secure = parts.scheme == "wss"
    return parts.hostname, port or (443 if secure else 80), secure


async def resolve(host: str, port: int, allowed: Sequence[IPv4Network | IPv6Network]) -> str:
    """An address of that host; raises NotAllowed where any of its addresses is outside the allowed networks."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM
    except OSError as error:
        raise NotAllowed(f"{host} has no address: {error.strerror}") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for each in addresses:
        address = outside.parse(each)
        if not outside.is_inside(getattr(address, "ipv4_mapped", None) or address, allowed):
            raise NotAllowed(f"{host} is at {each}, which is in none of the networks of listening.call_out")
    return addresses[0]
