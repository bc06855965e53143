"""What the telephony room is configured with: the link to Asterisk, and what `mailgate deploy asterisk` prints.

Pure data; the configuration file is read elsewhere. Every value ends in a configuration file of Asterisk or in an
AMI action, so each is held to a narrow grammar here, once. A value that does not fit raises ConfigError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailgate.calls import grammar
from mailgate.calls.grammar import fit
from mailgate.calls.trunks import Line, Transport, Trunk
from mailgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSettings:
    """How mailgate reaches Asterisk (AMI), and what calls are placed through.

    `gateway_number` is the only number that either party ever sees. `lines` and `outbound` are endpoints of
    `pjsip.conf`: the ways to the telephone network, and to SIP addresses elsewhere ("" where none is allowed).
    `pages`: where pages that ring are at this moment, by account (see mailgate.calls.pages).
    """

    gateway_number: str
    host: str = "127.0.0.1"
    port: int = 5038
    username: str = "mailgate"
    secret: str
    lines: tuple[Line, ...] = (Line(name="trunk"),)
    outbound: str = ""
    websocket: str = ""  # address and port of Asterisk's HTTP server, which pages call by; empty: they cannot
    relay_address: str = "127.0.0.88"  # whence the relay connects to it: an address that nothing else uses
    pages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answer_timeout_s: float = 5.0  # an AMI action unanswered for so long counts as lost
    ping_interval_s: float = 10.0
    reconnect_s: tuple[float, float] = (0.5, 15.0)  # first and longest pause between two tries

    def __post_init__(self) -> None:
        fit(grammar.NUMBER, self.gateway_number, "gateway_number")
        fit(grammar.NAME, self.username, "username")
        fit(grammar.SECRET, self.secret, "secret (8 to 128 letters, digits and _.~+/=-)")
        if len({line.name for line in self.lines}) < len(self.lines):
            raise ConfigError("two trunks have the same name")
        if self.outbound:
            fit(grammar.NAME, self.outbound, "outbound")
        if self.websocket:
            fit(grammar.LOOPBACK_PORT, self.websocket, "websocket (an address of loopback and a port)")
            fit(grammar.LOOPBACK, self.relay_address, "relay_address (of loopback)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SipUser:
    """A SIP telephone that registers with Asterisk and can be a leg as `sip:name`."""

    name: str
    password: str

    def __post_init__(self) -> None:
        fit(grammar.NAME, self.name, "SIP user's name")
        fit(grammar.SECRET, self.password, f"password of SIP user {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySettings:
    """What `mailgate deploy asterisk` fills its templates with. Sound names are as Asterisk's Playback takes them."""

    link: AsteriskSettings
    trunks: tuple[Trunk, ...] = ()
    users: tuple[SipUser, ...] = ()
    transport: str = "udp"  # the transport of pjsip.conf that telephones register over, and trunks by UDP use
    tcp_bind: str = "0.0.0.0:5060"  # where the transport for trunks by TCP listens …
    tls_bind: str = "0.0.0.0:5061"  # … and that for trunks by TLS
    tls_ca_file: str = "/etc/ssl/certs/ca-certificates.crt"  # who vouches for providers
    tls_cert_file: str = ""  # what we show a provider that calls us or asks for it; empty: nothing
    tls_key_file: str = ""
    key_wait_s: int = 6  # after each playing of the announcement
    key_tries: int = 3  # playings before it counts as silence
    qualify_s: int = 15  # how often registered telephones are asked whether they live
    media_address: str = ""  # where browsers send audio to, where it is not the address Asterisk finds by itself
    dial_in: bool = False  # whether who calls the gateway's number is asked for a PIN
    pin_digits: int = 6
    sound_pin: str = "conf-getpin"  # "please enter the conference PIN number"
    sound_pin_wrong: str = "conf-invalidpin"
    sound_announcement: str = "followme/no-recording&followme/options"  # "you have a call; press 1 to accept, 2 …"
    sound_goodbye: str = "vm-goodbye"
    sound_sorry: str = "followme/sorry&vm-goodbye"
    sound_hold: str = "pls-hold-while-try"
    word_every_s: int = 20  # who waits hears a word so often

    def __post_init__(self) -> None:
        fit(grammar.NAME, self.transport, "transport")
        for name in (
            "sound_announcement",
            "sound_goodbye",
            "sound_sorry",
            "sound_hold",
            "sound_pin",
            "sound_pin_wrong",
        ):
            fit(grammar.SOUNDS, getattr(self, name), name)
        for name in ("tcp_bind", "tls_bind"):
            fit(grammar.ADDRESS_PORT, getattr(self, name), name)
        for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
            if getattr(self, name):
                fit(grammar.FILE, getattr(self, name), name)
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ConfigError("tls_cert_file and tls_key_file go together")
        if self.media_address:
            fit(grammar.ADDRESS, self.media_address, "media_address")
        if not 6 <= self.pin_digits <= 10:
            raise ConfigError("pin_digits is 6 to 10")
        names = [trunk.name for trunk in self.trunks] + [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ConfigError("two of trunks and users have the same name")
        if not (1 <= self.key_wait_s <= 60 and 1 <= self.key_tries <= 10 and 0 <= self.qualify_s <= 3600):
            raise ConfigError("key_wait_s is 1 to 60, key_tries 1 to 10, qualify_s 0 to 3600")

    def uses(self, transport: Transport) -> bool:
        """Whether a trunk goes by it."""
        return any(trunk.transport is transport for trunk in self.trunks)
