"""Which addresses a server may be sent to that somebody else has named: public ones, and none that leads back inside.

An address is public where it is in the global unicast space and in none of the special blocks; an IPv6 address that
carries an IPv4 address (mapped, NAT64, 6to4, Teredo) is none, whatever it carries. Pure.

Source: IANA, IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); RFC 6052 (NAT64), RFC 3056, RFC 4380.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local; metadata of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo and benchmarks among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",  # documentation
        ),
    )
)


def parse(text: str) -> Address:
    """The address, without the zone that a resolver may add. Raises ValueError."""
    return ip_address(text.partition("%")[0])


def is_public(address: Address) -> bool:
    """Whether it is a public host's."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    return address in _GLOBAL_6 and not any(address in network for network in _SPECIAL_6)


def is_inside(address: Address, inside: Iterable[Network]) -> bool:
    """Whether it is in one of these networks."""
    return any(address.version == network.version and address in network for network in inside)
