"""Sections about mail: how it comes in and goes out, what is put into it, who signs it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mailgate.config.kinds import (
    HostPortOrNone,
    HostPorts,
    MailAddress,
    MilterListen,
    Mode,
    Network,
    OptionalPath,
    Section,
)


class ServerTls(Section):
    """STARTTLS for the clients that hand mail over; offered once there is a certificate."""

    cert_file: OptionalPath = None
    """The chain, our own certificate first (PEM)."""
    key_file: OptionalPath = None
    client_ca_file: OptionalPath = None
    """Whoever hands mail over must show a certificate from one of these."""
    required: bool = False

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.cert_file is None and (self.required or self.client_ca_file):
            raise ValueError("required and client_ca_file need cert_file and key_file")
        return self


class NextHopTls(Section):
    """STARTTLS towards the next hop."""

    mode: Literal["none", "opportunistic", "verify"] = "none"
    ca_file: OptionalPath = None
    """Who vouches for the next hop's certificate; otherwise the system's own list."""
    name: str = ""
    """The name in the certificate, where it is not the host's."""


class NextHopAuth(Section):
    """Our login at the next hop."""

    username: str = ""
    password_file: OptionalPath = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        return self


class Smtp(Section):
    """Where mail comes in, and where it goes."""

    listen: HostPortOrNone = "127.0.0.1:10025"
    """Empty: no mail is taken by SMTP, only by the milter."""
    next_hop: HostPorts = ("127.0.0.1:10026",)
    """In their order; the first one that answers is taken."""
    tls: ServerTls = ServerTls()
    next_hop_tls: NextHopTls = NextHopTls()
    next_hop_auth: NextHopAuth = NextHopAuth()
    hostname: str = "localhost"
    trusted_networks: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    """Clients whose envelope senders, XFORWARD and XCLIENT are believed."""
    max_message_bytes: int = Field(default=52_428_800, ge=65_536)
    max_connections: int = Field(default=200, ge=1)
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that take mail; 1: the one that does everything else too."""
    on_fault: Literal["pass", "tempfail"] = "pass"
    several_recipients: Literal["split", "skip"] = "split"
    """A message that a client hands over for several recipients at once: a copy and an offer for each, or none."""
    max_copies: int = Field(default=100, ge=1, le=1000)
    """A message for more recipients goes to all of them as it is."""

    @model_validator(mode="after")
    def _not_to_itself(self) -> Self:
        if self.listen in self.next_hop:
            raise ValueError("next_hop names the address that listen names: every message would go round in circles")
        return self


class Milter(Section):
    """The other way in: the MTA asks about each message while it takes it (milter protocol)."""

    listen: MilterListen = ""
    """`unix:/path` or `host:port`; empty: no milter."""
    socket_mode: Mode = "0660"
    socket_group: str = ""
    login_domain: str = ""
    """What completes a login without a domain; empty: only logins with one name an account."""
    max_connections: int = Field(default=200, ge=1)


class Offer(Section):
    """What each offer is given, and how it looks in a message."""

    valid_days: float = Field(default=14, gt=0, le=366)
    longest_days: float = Field(default=90, gt=0, le=366)
    """The longest that a sender may ask for."""
    uses: int = Field(default=1, ge=1, le=1000)
    attempts: int = Field(default=10, ge=1, le=100)
    forwarding: Literal["bind", "verify", "bearer"] = "bind"
    """Who may take up an offer whose link was passed on."""
    pin_in_mail: bool = False
    """Whether messages show the gateway's number and the offer's PIN for who dials in, beside the link."""
    icon: Literal["inline", "remote", "none"] = "inline"
    number_replacement: str = Field(default="", max_length=80)
    """What stands where a number was; empty: words of the account's language."""


class Policy(Section):
    """Which messages get an offer, beyond what each account says of itself."""

    mode: Literal["live", "shadow"] = "live"
    """`shadow`: everything is decided, logged and counted, and no message is changed."""
    colleagues: tuple[str, ...] = ()
    """Domains (with all below them) and addresses of people who are reached without offers."""
    nobody: tuple[str, ...] = ()
    """Further addresses that no single person reads, as patterns: `*@tickets.example.org`."""
    share_percent: float = Field(default=100, ge=0, le=100)
    share_by: Literal["account", "recipient"] = "account"
    sender_note: bool = False
    """Tell each sender by mail when the first message went out with an offer, and how to decline."""
    once_in_thread: bool = True
    """No second offer where the message quotes an open one of the same sender to the same recipient."""


class DkimKey(Section):
    """One signing key. `selector._domainkey.domain` must hold its public half in the DNS."""

    domain: str
    selector: str
    key_file: Path


class Dkim(Section):
    """Signatures after the change (RFC 6376). Without keys nothing is signed."""

    keys: tuple[DkimKey, ...] = ()
    rotation: Path = Path("keys/dkim")
    """A folder for the keys that follow (`mailgate dkim rotate`)."""


class Notices(Section):
    """Mail that the gateway writes by itself: notices to offerors, codes, links to sign in."""

    sender: MailAddress = Field(default="", alias="from")
    """Whom it comes from; empty: `calls` at the first signing domain, else at the gateway's host name."""
