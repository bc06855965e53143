"""How applications listen, and what a connection with one is to the rest of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailgate.offers.notice import Notice

Say = Callable[[Notice], tuple[str, str]]
"""What a notice says, in its language: a title and a text."""


class Link(Protocol):
    """One connection. Each text is one message."""

    async def send(self, text: str) -> None:
        """Raises an exception where the connection is gone."""

    async def receive(self) -> str | None:
        """The next message; None at the end."""

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningSettings:
    """`ack_s`: how long a device may take to show what it is sent, `push_s` one whose page is woken first; `public_url`
    has no slash at its end; `region` is where numbers without a country code belong."""

    public_url: str
    region: str
    ack_s: float = 5.0
    push_s: float = 20.0
    most_sockets: int = 20_000
    most_of_account: int = 20
