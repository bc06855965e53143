"""What XMPP is told. Pure, and without slixmpp."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mailgate.networks.chat import ChatSettings

RECEIPT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """`jid`: of the client account, or what the component writes from (`calls@call.example.org`). `host` and `port` are
    empty where DNS says where the server of a client account is."""

    jid: str
    secret: str = field(repr=False)
    component: bool
    host: str = ""
    port: int = 0
    ca_file: Path | None = None

    @property
    def domain(self) -> str:
        return self.jid.partition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class XmppSettings:
    """`chat`: what messages say; `receipt_s`: how long a receipt is waited for."""

    stream: StreamSettings
    chat: ChatSettings
    receipt_s: float = RECEIPT_S
