"""The section about the accept pages."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field

from mailgate.config.kinds import AccentColour, HostPort, IceServer, Network, OptionalPath, Section


class Web(Section):
    """The accept pages."""

    listen: HostPort = "127.0.0.1:8480"
    nonce_minutes: float = Field(default=30, gt=0)
    """How long an open page may be left before a press on it is asked to be repeated."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins that may show the pages in a frame; none by default."""
    browser_calls: bool = True
    """Whether the page offers to talk from it (WebRTC)."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for browsers, as URIs of RFC 7064 and RFC 7065."""
    turn_secret_file: Path | None = None
    """The secret shared with the TURN server, for credentials that are good for a while."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    accent_color: AccentColour = ""
    """The organisation's colour, as #rrggbb; empty: the pages' own green."""
    logo_file: OptionalPath = None
    """The organisation's logo: SVG, PNG, JPEG or WebP."""
    metrics_networks: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    """Who may see /metrics, as far as the request comes from there itself."""
