"""What the milter is told: where to listen, whom to believe, and the limits that keep one MTA from harming others."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from smtp_hooks.endpoint import TcpEndpoint, UnixEndpoint

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterSettings:
    """Where to listen and whom to believe. Sizes in octets, times in seconds.

    `mode` and `group` (empty: as it comes) are those of a UNIX socket. `peers` are the MTAs that may connect over TCP:
    they say who is logged in, and are believed. Of clients in the `trusted` networks the envelope sender is believed.
    `login_domain` completes a login without a domain; empty: such a login says nothing of an account. `judge_s` is for
    one message to be judged in; it stays below the time that Postfix waits (milter_content_timeout, 300 s).
    """

    endpoint: UnixEndpoint | TcpEndpoint
    mode: int = 0o660
    group: str = ""
    peers: tuple[Network, ...] = LOOPBACK
    trusted: tuple[Network, ...] = LOOPBACK
    login_domain: str = ""
    size_limit: int = 50 * 1024 * 1024
    recipients: int = 1000
    connections: int = 200
    idle_s: float = 7200  # libmilter's own (smfi_settimeout)
    judge_s: float = 120
    backlog: int = 512


def within(address: IPv4Address | IPv6Address | None, networks: tuple[Network, ...]) -> bool:
    """Whether the address lies in one of the networks."""
    return address is not None and any(address in network for network in networks if network.version == address.version)
