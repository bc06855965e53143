"""What the server is told: where to listen, whom to serve, and the limits that keep one client from harming others."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen and whom to serve. Sizes in octets, times in seconds.

    `clients` may hand in mail at all: whoever else could would use the trust that the next hop has in us. `trusted`
    are believed about envelope senders, XFORWARD and XCLIENT. `message_s` is for the whole of one message's content.
    `tls`: STARTTLS is offered with this context, whose certificates are also asked of clients where it says so;
    `tls_required`: no mail without it. `hops`: Received fields of a message that is taken for a loop.
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
    hops: int = 50  # RFC 5321, 6.3 asks for a large one, 100 at least for a host; Postfix has 50 (hopcount_limit)
    tls: ssl.SSLContext | None = None
    tls_required: bool = False
    idle_s: float = 300
    message_s: float = 1800
    backlog: int = 512
    in_memory: int = 128 * 1024  # of one message while it comes in; what is bigger waits on disk
    big_messages: int = 32 * 1024 * 1024  # octets of those that are read, changed and handed over at once


def within(address: IPv4Address | IPv6Address | None, networks: tuple[Network, ...]) -> bool:
    """Whether the address lies in one of the networks."""
    return address is not None and any(address in network for network in networks if network.version == address.version)
