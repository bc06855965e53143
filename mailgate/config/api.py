"""Sections about programs: the API, and what is told to programs elsewhere."""

from __future__ import annotations

from pydantic import Field

from mailgate.config.kinds import Network, OptionalPath, Section


class Api(Section):
    """`/api/v1`, where programs make offers with a key of their account."""

    enabled: bool = True
    requests_per_minute: int = Field(default=300, ge=1, le=100_000)
    """Of one key, evenly."""
    burst: int = Field(default=60, ge=1, le=100_000)
    """Of one key, at once."""


class Webhooks(Section):
    """Events sent to programs of accounts."""

    inside: tuple[Network, ...] = ()
    """Networks of your own that may be sent to, also by plain http; everything else must be public and https."""
    ca_file: OptionalPath = None
    """Who vouches for certificates of receivers; otherwise the system's own list."""
