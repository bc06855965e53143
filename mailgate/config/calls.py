"""Sections about calls: the link to Asterisk, what may be dialled, how a call goes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mailgate.config.kinds import HostPort, Loopback, OptionalPath, Region, Section


class Asterisk(Section):
    """The link to Asterisk (AMI), and the names that the dialplan uses."""

    ami: HostPort = "127.0.0.1:5038"
    username: str = "mailgate"
    secret_file: Path = Path("keys/ami.secret")
    trunk: str = "trunk"
    """The endpoint through which telephone numbers are dialled, where there are no `[[trunk]]` tables."""
    tcp_bind: HostPort = "0.0.0.0:5060"
    """Where Asterisk listens for trunks by TCP …"""
    tls_bind: HostPort = "0.0.0.0:5061"
    """… and for trunks by TLS."""
    tls_ca_file: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    """Who vouches for the certificates of trunks by TLS; read by Asterisk."""
    tls_cert_file: OptionalPath = None
    """What is shown to a provider that asks for a certificate, or calls by TLS; read by Asterisk."""
    tls_key_file: OptionalPath = None
    sip_outbound: str = ""
    """The endpoint through which outside SIP addresses are dialled; empty: none are."""
    websocket: Loopback = "127.0.0.1:8088"
    """Asterisk's HTTP server, on loopback, which calls from the page are handed to."""
    relay_address: str = "127.0.0.88"
    """The address of loopback that they are handed over from; nothing else may use it."""
    media_address: str = Field(default="", pattern=r"^[0-9A-Fa-f.:]*$")
    """Where browsers send their audio to, where Asterisk is behind a router; empty: what Asterisk finds."""
    sounds: Path = Path("sounds")
    """Where spoken announcements are kept; Asterisk must be able to read it."""


class Dialling(Section):
    """What may be dialled. Emergency and premium numbers never are."""

    countries: tuple[Region, ...] = ()
    """Countries that may be called beside the gateway's own region."""
    denied_prefixes: tuple[str, ...] = ()
    sip_users: bool = False
    """Whether an offeree may be called at an address registered here."""
    sip_domains: tuple[str, ...] = ()
    """Domains of outside SIP addresses that an offeree may be called at."""


class FailedCalls(Section):
    """Ordinary calls to an account's extension that fail: they become offers, and the caller may wait."""

    offers: bool = True
    hold_s: int = Field(default=60, ge=0, le=900)
    """How long a caller is asked to wait; 0: nobody is."""
    word_every_s: int = Field(default=20, ge=2, le=120)
    """How often who waits is spoken to."""
    music: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """A class of musiconhold.conf; empty: music of the gateway's own."""
    most_by_caller: int = Field(default=10, ge=1)
    """Messages in an hour that one caller's calls can lead to; what comes beyond is only counted."""
    most_to_party: int = Field(default=30, ge=1)
    """The same to one party, whoever calls."""


class Call(Section):
    """How a call goes."""

    ring_offeree_s: int = Field(default=45, ge=5, le=120)
    ring_destination_s: int = Field(default=45, ge=5, le=120)
    longest_minutes: float = Field(default=60, gt=0, le=600)
    destination_presses_key: bool = True
    """A telephone destination presses 1 before it is bridged, so that no voicemail greeting is heard."""
    say_who_is_called: bool = True
    """Whether who has pressed 1 hears who is called now, before that telephone rings."""
    dial_in: bool = False
    """Whether who calls the gateway's number is asked for an offer's PIN."""
    pin_digits: int = Field(default=6, ge=6, le=10)
    speech_command: tuple[str, ...] = ()
    """A program that speaks, as words; empty: espeak-ng."""
