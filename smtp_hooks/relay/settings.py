"""What the relay is told: where the next hop is, how it is spoken to, and how long to wait for it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are to the next hop. Sent by TLS or on the same machine only."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Where the next hop is, and how long to wait for it (seconds).

    `tls`: STARTTLS is used where the hop has it, and the context says what of its certificate is verified, against
    `tls_name` or else `host`; `tls_required`: no mail to a hop without it.
    """

    host: str
    port: int = 25
    helo: str = "localhost"
    tls: ssl.SSLContext | None = None
    tls_required: bool = False
    tls_name: str = ""
    login: Login | None = None
    connections: int = 100
    connect_timeout_s: float = 30
    command_timeout_s: float = 300
    data_timeout_s: float = 600
    idle_s: float = 20  # below smtpd_timeout of any next hop; Postfix under stress has 10, which costs one retry
