"""STARTTLS on both sides, login at the next hop, and several next hops. The hop with TLS is plain aiosmtpd."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from lab import sink
from lab.certificates import Authority
from lab.ports import free_port

from mailgate import smtp_tls
from mailgate.config import NextHopTls, ServerTls
from mailgate.errors import ConfigError
from smtp_hooks.relay import Login, Relay, RelaySettings
from smtp_hooks.relay.connection import Connection
from smtp_hooks.relay.several import Several
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.transaction import NextHop

MESSAGE = b"Subject: x\r\n\r\ny\r\n"
ADA, BEN = "ada@example.org", "ben@example.net"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "Another authority")


def server_context(authority: Authority, name: str = "localhost", **more: Any) -> ssl.SSLContext:
    cert, key = authority.issue(name)
    context = smtp_tls.server(ServerTls(cert_file=cert, key_file=key, **more))
    assert context is not None
    return context


def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.path))


@asynccontextmanager
async def gate(next_hop: NextHop, **settings: Any) -> AsyncIterator[int]:
    server = Server(ServerSettings(hostname="gate", **settings), next_hop)
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop(grace_s=0.5)


@asynccontextmanager
async def before_sink(**settings: Any) -> AsyncIterator[tuple[int, list[sink.Taken]]]:
    taken: list[sink.Taken] = []
    hop = await sink.start(taken.append)
    relay = Relay(RelaySettings(host="127.0.0.1", port=hop.sockets[0].getsockname()[1]))
    async with gate(relay, **settings) as port:
        yield port, taken
    await relay.close()
    hop.close()
    await asyncio.sleep(0.01)


def send(port: int, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """The reply to RCPT, or to the message where that was accepted."""
    with smtplib.SMTP("localhost", port, timeout=20) as client:
        client.ehlo("client")
        if context is not None:
            assert client.starttls(context=context)[0] == 220
            assert client.mail(ADA)[0] == 503, "the first EHLO must be forgotten"
            client.ehlo("client")
            assert not client.has_extn("starttls")
        code, text = client.mail(ADA)
        if code == 250:
            code, text = client.rcpt(BEN)
        if code == 250:
            code, text = client.data(MESSAGE)
    return code, text.decode()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_client_may_encrypt(authority: Authority, run: Callable[..., None]) -> None:
    async def encrypted() -> None:
        async with before_sink(tls=server_context(authority)) as (port, taken):
            for context in (client_context(authority), None):
                assert (await asyncio.to_thread(send, port, context))[0] == 250
            assert [message.content for message in taken] == [MESSAGE] * 2

    run(encrypted())


async def test_no_mail_without_tls_where_it_is_required(authority: Authority) -> None:
    async with before_sink(tls=server_context(authority), tls_required=True) as (port, _):
        assert (await asyncio.to_thread(send, port))[0] == 530
        assert (await asyncio.to_thread(send, port, client_context(authority)))[0] == 250


async def test_clients_show_a_certificate_where_one_is_asked_for(authority: Authority, stranger: Authority) -> None:
    context = server_context(authority, client_ca_file=authority.path)
    async with before_sink(tls=context) as (port, taken):
        for issuer in (None, stranger, authority):
            client = client_context(authority)
            if issuer is not None:
                client.load_cert_chain(*issuer.issue("client"))
            expected = (
                contextlib.nullcontext() if issuer is authority else pytest.raises((OSError, smtplib.SMTPException))
            )
            with expected:
                assert (await asyncio.to_thread(send, port, client))[0] == 250
        assert len(taken) == 1


async def read(reader: asyncio.StreamReader, last: bytes) -> None:
    while not (await asyncio.wait_for(reader.readline(), 5)).startswith(last):
        pass


@pytest.mark.parametrize("when", ["with", "after"])
async def test_nothing_is_smuggled_in_before_the_handshake(authority: Authority, when: str) -> None:
    """Commands sent in the clear by somebody on the way are not taken for the client's (RFC 3207, 6)."""
    evil = b"MAIL FROM:<eve@example.org>\r\nRCPT TO:<ben@example.net>\r\n"
    async with before_sink(tls=server_context(authority)) as (port, taken):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await read(reader, b"220")
        writer.write(b"EHLO client\r\n")
        await read(reader, b"250 ")
        writer.write(b"STARTTLS\r\n" + (evil if when == "with" else b""))
        await read(reader, b"554" if when == "with" else b"220")
        if when == "after":
            writer.write(evil)
        rest = b""
        with contextlib.suppress(ConnectionError):
            rest = await asyncio.wait_for(reader.read(), 5)
        assert b"250" not in rest
        assert taken == []
        writer.close()


@dataclass
class Handler:
    """What plain aiosmtpd took, and how."""

    taken: list[tuple[bool, str | None]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:
        login = session.auth_data.login.decode() if session.authenticated else None
        self.taken.append((session.ssl is not None, login))
        return "250 2.0.0 ok"


def check_login(server: SMTP, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(
        success=(data.login, data.password) == (b"gate", "pässword".encode()), auth_data=data, handled=False
    )


@asynccontextmanager
async def plain_hop(**settings: Any) -> AsyncIterator[tuple[int, Handler]]:
    loop = asyncio.get_running_loop()
    handler = Handler()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, hostname="hop", **settings), "localhost", 0)
    try:
        yield server.sockets[0].getsockname()[1], handler
    finally:
        server.close()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def before_hop(port: int, **settings: Any) -> AsyncIterator[int]:
    relay = Relay(RelaySettings(**{"host": "localhost", "port": port, "connect_timeout_s": 3, **settings}))
    async with gate(relay) as own:
        yield own
    await relay.close()


def hop_context(authority: Authority, mode: str) -> dict[str, Any]:
    settings = NextHopTls(mode=mode, ca_file=authority.path)  # type: ignore[arg-type]
    return {"tls": smtp_tls.next_hop(settings), "tls_required": mode == "verify"}


@pytest.mark.parametrize(
    ("mode", "certificate", "code", "encrypted"),
    [
        ("none", "localhost", 250, False),
        ("opportunistic", "localhost", 250, True),
        ("opportunistic", "other.example", 250, True),
        ("opportunistic", "", 250, False),
        ("verify", "localhost", 250, True),
        ("verify", "other.example", 451, None),
        ("verify", "stranger", 451, None),
        ("verify", "", 451, None),
    ],
)
async def test_the_next_hop_is_verified_as_configured(
    authority: Authority, stranger: Authority, mode: str, certificate: str, code: int, encrypted: bool | None
) -> None:
    issuer, name = (stranger, "localhost") if certificate == "stranger" else (authority, certificate)
    own = {"tls_context": server_context(issuer, name)} if certificate else {}
    async with plain_hop(**own) as (port, hop), before_hop(port, **hop_context(authority, mode)) as gateway:
        assert (await asyncio.to_thread(send, gateway))[0] == code
        assert hop.taken == ([] if encrypted is None else [(encrypted, None)])


async def test_the_certificate_may_bear_another_name(authority: Authority) -> None:
    async with plain_hop(tls_context=server_context(authority, "mx.example")) as (port, hop):
        settings = {**hop_context(authority, "verify"), "tls_name": "mx.example", "host": "127.0.0.1"}
        async with before_hop(port, **settings) as gateway:
            assert (await asyncio.to_thread(send, gateway))[0] == 250
        assert hop.taken == [(True, None)]


@pytest.mark.parametrize("mode", ["opportunistic", "verify"])
@pytest.mark.parametrize("answer", [b"220 go\r\n250-hop\r\n250 SIZE\r\n250 ok\r\n", b"220 go\r\n", b"454 no\r\n"])
async def test_a_hop_that_begins_tls_wrongly(authority: Authority, mode: str, answer: bytes) -> None:
    """Answers that came in the clear are not taken for those to come; opportunistic tries again without TLS."""
    connections = 0

    async def hop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"220 hop\r\n")
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if line.startswith(b"STARTTLS"):
                    writer.write(answer)
                    await reader.readline()
                    break
                writer.write(b"250-hop\r\n250 STARTTLS\r\n" if line.startswith(b"EHLO") else b"250 2.0.0 ok\r\n")
        writer.close()

    server = await asyncio.start_server(hop, "localhost", 0)
    async with before_hop(server.sockets[0].getsockname()[1], **hop_context(authority, mode)) as gateway:

        def rcpt() -> int:
            with smtplib.SMTP("localhost", gateway, timeout=20) as client:
                client.ehlo("client")
                client.mail(ADA)
                return client.rcpt(BEN)[0]

        assert await asyncio.to_thread(rcpt) == (250 if mode == "opportunistic" else 451)
    assert connections >= 1
    server.close()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", ["pässword", "wrong"])
async def test_login_at_the_next_hop(authority: Authority, mechanism: str, password: str) -> None:
    settings = {
        "tls_context": server_context(authority),
        "authenticator": check_login,
        "auth_required": True,
        "auth_exclude_mechanism": {"PLAIN", "LOGIN"} - {mechanism},
    }
    login = Login(username="gate", password=password)
    assert password not in repr(login)
    async with plain_hop(**settings) as (port, hop):
        async with before_hop(port, login=login, **hop_context(authority, "verify")) as gateway:
            code, _ = await asyncio.to_thread(send, gateway)
        assert (code, hop.taken) == ((250, [(True, "gate")]) if password != "wrong" else (451, []))


async def test_a_hop_without_login(authority: Authority) -> None:
    async with plain_hop() as (port, hop):
        async with before_hop(port, login=Login(username="gate", password="x")) as gateway:
            assert (await asyncio.to_thread(send, gateway))[0] == 451
        assert hop.taken == []


@pytest.mark.parametrize(("peer", "private"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
async def test_where_a_password_may_go_in_the_clear(peer: str, private: bool) -> None:
    class Wire(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return (peer, 25) if name == "peername" else None

    connection = Connection(asyncio.get_running_loop())
    connection.connection_made(Wire())
    assert connection.private is private


@pytest.mark.parametrize("problem", ["missing", "not-pem", "readable", "mismatch"])
def test_what_is_wrong_with_a_certificate_is_named(authority: Authority, tmp_path: Path, problem: str) -> None:
    cert, key = authority.issue("one")
    other = tmp_path / "other.key"
    other.touch(mode=0o644 if problem == "readable" else 0o600)
    other.write_bytes(
        {"not-pem": b"x", "readable": key.read_bytes()}.get(problem, authority.issue("two")[1].read_bytes())
    )
    path = tmp_path / "none.key" if problem == "missing" else other
    with pytest.raises(ConfigError, match=path.name):
        smtp_tls.server(ServerTls(cert_file=cert, key_file=path))
    with pytest.raises(ConfigError, match="ca_file"):
        smtp_tls.next_hop(NextHopTls(mode="verify", ca_file=other))


# --- several next hops ----------------------------------------------------------------------------------------


@dataclass
class Hop:
    port: int
    taken: list[sink.Taken] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    connections: int = 0
    server: asyncio.Server | None = None

    def asked(self, command: str) -> None:
        if command.startswith("MAIL"):
            self.connections += 1
        if self.replies:
            raise sink.Refusal(self.replies.pop(0))

    async def start(self) -> None:
        self.server = await sink.start(self.taken.append, port=self.port, asked=self.asked)

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
            await asyncio.sleep(0.01)


@asynccontextmanager
async def two_hops(avoid_s: float) -> AsyncIterator[tuple[int, Hop, Hop]]:
    hops = Hop(free_port()), Hop(free_port())
    relays = [Relay(RelaySettings(host="127.0.0.1", port=hop.port, idle_s=0.001)) for hop in hops]
    several = Several(relays, avoid_s=avoid_s)
    async with gate(several) as port:
        yield port, *hops
    await several.close()
    for hop in hops:
        await hop.stop()


async def test_a_dead_hop_is_passed_over_and_comes_back() -> None:
    async with two_hops(avoid_s=0.5) as (port, first, second):
        await second.start()
        for _ in range(2):
            assert (await asyncio.to_thread(send, port))[0] == 250
        assert len(second.taken) == 2
        await first.start()
        assert (await asyncio.to_thread(send, port))[0] == 250
        assert (len(first.taken), len(second.taken)) == (0, 3), "it is still avoided"
        await asyncio.sleep(0.5)
        assert (await asyncio.to_thread(send, port))[0] == 250
        assert (len(first.taken), len(second.taken)) == (1, 3)
        await second.stop()
        assert (await asyncio.to_thread(send, port))[0] == 250
        await first.stop()
        assert (await asyncio.to_thread(send, port))[0] == 451
        await second.start()
        assert (await asyncio.to_thread(send, port))[0] == 250


@pytest.mark.parametrize("way", ["421 4.3.2 closing", ""])
async def test_a_hop_that_goes_at_mail_is_passed_over(way: str) -> None:
    async with two_hops(avoid_s=5) as (port, first, second):
        await first.start()
        await second.start()
        first.replies = [way] * 4
        assert (await asyncio.to_thread(send, port))[0] == 250
        assert (len(first.taken), len(second.taken)) == (0, 1)


@pytest.mark.parametrize("refusal", ["451 4.7.1 greylisted", "550 5.1.1 nobody"])
async def test_a_refusal_is_a_word(refusal: str) -> None:
    async with two_hops(avoid_s=5) as (port, first, second):
        await first.start()
        await second.start()
        first.replies = [refusal] * 4
        assert (await asyncio.to_thread(send, port))[0] == int(refusal[:3])
        assert second.connections == 0


@pytest.mark.parametrize(("hops", "reply"), [(50, (250, "2.0.0 taken")), (51, (554, "5.4.6"))])
async def test_a_message_that_goes_round_in_circles_ends(hops: int, reply: tuple[int, str]) -> None:
    looped = (
        b"Received: from a\r\n by b\r\n" * (hops - 1) + b"received : from c\r\n" + MESSAGE + b"Received: no\r\n" * 60
    )
    async with before_sink() as (port, taken):

        def talk() -> tuple[int, bytes]:
            with smtplib.SMTP("localhost", port, timeout=20) as client:
                client.ehlo("client")
                client.mail(ADA)
                client.rcpt(BEN)
                return client.data(looped)

        code, text = await asyncio.to_thread(talk)
        assert code == reply[0]
        assert text.decode().startswith(reply[1])
        assert len(taken) == (code == 250)
