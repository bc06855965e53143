"""A device that listens for an account: a terminal, a telephone's page, a program of somebody's own."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One application of an account. Times are UNIX seconds; `url` is empty where the device connects by itself."""

    device_id: str
    account_id: str
    name: str
    created_at: float
    seen_at: float | None = None
    url: str = ""
    key: str = field(default="", repr=False)
