"""The ways in for mail, and the way out behind them, built from the configuration: SMTP server, milter, relay.

What judges messages comes with its books (`mailgate.books`), so that the same parts stand in a process that has the
store and in a mail worker that has not. Started by entering, stopped by leaving: what is in flight finishes.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

from mailgate import smtp_tls
from mailgate.config import Config
from mailgate.errors import ConfigError
from mailgate.keyfiles import read_secret
from smtp_hooks import dsn
from smtp_hooks.endpoint import UnixEndpoint, parse_endpoint
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.listening import SocketFile, bind_tcp
from smtp_hooks.milter import Milter, MilterSettings
from smtp_hooks.milter import bind as bind_milter
from smtp_hooks.offering import Offering
from smtp_hooks.pipeline import Gate
from smtp_hooks.relay import Login, Relay, RelaySettings
from smtp_hooks.relay.several import Several
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.split import Notes, SplitSettings, Splitting
from smtp_hooks.transaction import NextHop


def host_of(address: str) -> str:
    """The host of a `host:port`."""
    return address.rpartition(":")[0].strip("[]")


def port_of(address: str) -> int:
    """The port of a `host:port`."""
    return int(address.rpartition(":")[2])


@contextlib.asynccontextmanager
async def smtp(
    config: Config, gate: Gate, notes: Notes, *, listener: socket.socket | None = None, connections: int = 0
) -> AsyncIterator[None]:
    """The SMTP server and what it hands messages to. `listener`: bound already, else `smtp.listen` is; `connections`
    at most (0: as configured). Raises ConfigError."""
    section = config.smtp
    async with contextlib.AsyncExitStack() as stack:
        relay = next_hops(config)
        stack.push_async_callback(relay.close)
        server = Server(
            ServerSettings(
                host=host_of(section.listen),
                port=port_of(section.listen),
                hostname=section.hostname,
                clients=section.trusted_networks,
                trusted=section.trusted_networks,
                size_limit=section.max_message_bytes,
                connections=connections or section.max_connections,
                tls=smtp_tls.server(section.tls),
                tls_required=section.tls.required,
            ),
            _way_out(config, stack, relay, gate, notes),
        )
        try:
            await server.start(listener=listener)
        except OSError as error:
            raise ConfigError(f"smtp.listen: {section.listen} cannot be listened on: {error.strerror}") from error
        stack.push_async_callback(server.stop)
        yield


def next_hops(config: Config) -> Relay | Several:
    """Where mail goes on, as configured; raises ConfigError."""
    smtp = config.smtp
    auth = smtp.next_hop_auth
    login = Login(username=auth.username, password=read_secret(auth.password_file)) if auth.password_file else None
    tls = smtp_tls.next_hop(smtp.next_hop_tls)
    relays = [
        Relay(
            RelaySettings(
                host=host_of(address),
                port=port_of(address),
                helo=smtp.hostname,
                tls=tls,
                tls_required=smtp.next_hop_tls.mode == "verify",
                tls_name=smtp.next_hop_tls.name,
                login=login,
            )
        )
        for address in smtp.next_hop
    ]
    return relays[0] if len(relays) == 1 else Several(relays)


def _way_out(config: Config, stack: contextlib.AsyncExitStack, relay: NextHop, gate: Gate, notes: Notes) -> NextHop:
    """What the server hands messages to: offers made, and copies for several recipients where they are wanted."""
    offering = Offering(relay, gate)
    if config.smtp.several_recipients == "skip":
        return offering

    def report(envelope: Envelope, refused: Sequence[tuple[Recipient, Reply]], message: bytes) -> bytes:
        name, unique = config.smtp.hostname, uuid.uuid4().hex
        return dsn.failure_report(envelope, refused, message, hostname=name, now=time.time(), unique=unique)

    splitting = Splitting(
        offering,
        relay,
        copies=gate.copies,
        report=report,
        notes=notes,
        settings=SplitSettings(copies=config.smtp.max_copies),
    )
    stack.push_async_callback(splitting.close)
    return splitting


@contextlib.asynccontextmanager
async def milter(
    config: Config, gate: Gate, *, listener: socket.socket | None = None, connections: int = 0
) -> AsyncIterator[None]:
    """The milter, where one is configured. `listener`: bound already, else `milter.listen` is; `connections` at most
    (0: as configured). Raises ConfigError."""
    if not config.milter.listen:
        yield
        return
    served = Milter(_milter_settings(config, connections), gate)
    with _complaints_of_milter(config):
        await served.start(listener=listener)
    try:
        yield
    finally:
        await served.stop()


def _milter_settings(config: Config, connections: int = 0) -> MilterSettings:
    section = config.milter
    return MilterSettings(
        endpoint=parse_endpoint(section.listen),
        mode=int(section.socket_mode, 8),
        group=section.socket_group,
        peers=config.smtp.trusted_networks,
        trusted=config.smtp.trusted_networks,
        login_domain=section.login_domain,
        size_limit=config.smtp.max_message_bytes,
        connections=connections or section.max_connections,
    )


@contextlib.contextmanager
def _complaints_of_milter(config: Config) -> Iterator[None]:
    section = config.milter
    try:
        yield
    except LookupError as error:
        raise ConfigError(f"milter.socket_group: {section.socket_group}: there is no such group") from error
    except OSError as error:
        raise ConfigError(f"milter.listen: {section.listen} cannot be listened on: {error.strerror}") from error


class Doors:
    """The sockets that mail comes in by, bound for several processes to serve. Raises ConfigError."""

    def __init__(self, config: Config) -> None:
        self.smtp: socket.socket | None = None
        self.milter: socket.socket | None = None
        self._file: SocketFile | None = None
        smtp = config.smtp.listen
        try:
            if smtp:
                self.smtp = bind_tcp(host_of(smtp), port_of(smtp))
        except OSError as error:
            raise ConfigError(f"smtp.listen: {smtp} cannot be listened on: {error.strerror}") from error
        if config.milter.listen:
            settings = _milter_settings(config)
            try:
                with _complaints_of_milter(config):
                    self.milter = bind_milter(settings)
            except ConfigError:
                self.close()
                raise
            if isinstance(settings.endpoint, UnixEndpoint):
                self._file = SocketFile(settings.endpoint.path)

    def close(self) -> None:
        for sock in (self.smtp, self.milter):
            if sock is not None:
                sock.close()
        if self._file is not None:
            self._file.remove()
