"""The beginning of a session with the next hop: greeting, EHLO, STARTTLS, login.

Standards: RFC 5321, 3.1 and 3.2; RFC 3207 (EHLO comes again after the handshake); RFC 4954 and 4616 (AUTH PLAIN),
LOGIN as everybody does it. A password is sent by TLS or on the same machine only.
"""

from __future__ import annotations

import logging
import ssl
from base64 import b64encode

from smtp_hooks.protocol import Capabilities
from smtp_hooks.relay.connection import Connection, Lost
from smtp_hooks.relay.settings import Login, RelaySettings

log = logging.getLogger(__name__)


class NoTls(Lost):
    """The handshake failed."""


async def greet(connection: Connection, settings: RelaySettings, tls: ssl.SSLContext | None) -> None:
    """From the greeting to where MAIL may come. Raises Lost; NoTls where TLS was what failed."""
    greeting = await connection.reply(settings.connect_timeout_s)
    if greeting.code != 220:
        raise Lost
    await _hello(connection, settings)
    if tls is not None and connection.capabilities.starttls:
        try:
            await connection.encrypt(tls, settings.tls_name or settings.host, settings.connect_timeout_s)
        except Lost as error:
            raise NoTls from error
        await _hello(connection, settings)
    elif settings.tls_required:
        log.warning("next hop does not offer STARTTLS", extra={"action": "relay-tls"})
        raise Lost
    if settings.login is not None:
        await _log_in(connection, settings.login, settings.connect_timeout_s)


async def _log_in(connection: Connection, login: Login, timeout_s: float) -> None:
    mechanisms = connection.capabilities.mechanisms
    code = 0
    if not connection.private:
        log.error("the password is not sent in the clear", extra={"action": "relay-auth"})
    elif "PLAIN" in mechanisms:
        whole = _base64(f"\0{login.username}\0{login.password}")
        (reply,) = await connection.exchange([f"AUTH PLAIN {whole}"], timeout_s)
        code = reply.code
    elif "LOGIN" in mechanisms:
        for line in ("AUTH LOGIN", _base64(login.username), _base64(login.password)):
            (reply,) = await connection.exchange([line], timeout_s)
            code = reply.code
            if code != 334:
                break
    if code != 235:
        log.error("next hop does not take our login (%d)", code, extra={"action": "relay-auth"})
        raise Lost


async def _hello(connection: Connection, settings: RelaySettings) -> None:
    timeout_s = settings.connect_timeout_s
    (hello,) = await connection.exchange([f"EHLO {settings.helo}"], timeout_s)
    if hello.accepted:
        connection.capabilities = Capabilities.parse(hello)
        return
    (hello,) = await connection.exchange([f"HELO {settings.helo}"], timeout_s)
    if not hello.accepted:
        raise Lost


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
