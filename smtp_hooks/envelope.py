"""The envelope of a message on its way, and the replies that a hop gives to it.

Standards: RFC 5321 (SMTP), RFC 2034 and RFC 3463 (enhanced status codes), RFC 3461 (DSN parameters).
The null reverse-path is the empty string inside the program, `<>` only on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One SMTP reply.

    `code` is 200–559; `enhanced` is an RFC 3463 status such as `4.3.0`, or empty where the peer sent none;
    `text` may hold several lines, separated by `\\n`, without code or enhanced status.
    """

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return " ".join(p for p in (str(self.code), self.enhanced, self.text) if p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A recipient as given in RCPT TO: the address, and the ESMTP parameters exactly as they came."""

    address: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who hands the message over.

    `login` is the authenticated user where a trusted hop passed it on (XCLIENT LOGIN), else empty.
    `trusted` says whether the address lies in the configured networks whose envelope senders are believed.
    `forwarded` holds XFORWARD attributes (NAME, ADDR, IDENT …), to be passed to the next hop.
    """

    address: IPv4Address | IPv6Address | None = None
    helo: str = ""
    login: str = ""
    trusted: bool = False
    forwarded: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Reverse-path, recipients and parameters of one SMTP transaction (RFC 5321, 2.3.1)."""

    reverse_path: str
    recipients: tuple[Recipient, ...]
    parameters: tuple[str, ...] = ()
    client: Client = field(default_factory=Client)
