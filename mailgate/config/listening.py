"""The section about listening applications."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mailgate.config.kinds import Network, OptionalPath, Section


class Listening(Section):
    """Applications that show offers at once, over a socket."""

    enabled: bool = True
    ack_s: float = Field(default=5, gt=0, le=60)
    """How long a device may take to show what it is sent, before another way is taken."""
    most_sockets: int = Field(default=20_000, ge=1, le=1_000_000)
    most_of_account: int = Field(default=20, ge=1, le=1000)
    call_out: tuple[Network, ...] = ()
    """Networks that the gateway may connect to, for devices that listen at a socket of their own; none by default."""
    call_out_ca_file: OptionalPath = None
    """Who vouches for the certificates of such devices, beside the system's own authorities."""
    push: bool = True
    """Whether a page that is closed can be woken (Web Push)."""
    push_s: float = Field(default=20, gt=0, le=300)
    """How long a page that is woken may take to show what it is woken for, before another way is taken."""
    push_key_file: Path = Path("keys/push.pem")
    push_inside: tuple[Network, ...] = ()
    """Networks of one's own in which a push service may lie; others are sent to at public addresses only."""
    push_ca_file: OptionalPath = None
    """Who vouches for push services' certificates; none: the system's own list of authorities."""
