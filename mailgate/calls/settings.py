"""What the telephony room is configured with: the link to Asterisk, and what `mailgate deploy asterisk` prints.

Pure data; the configuration file is read elsewhere. Every value ends in a configuration file of Asterisk or in an
AMI action, so each is held to a narrow grammar here, once. A value that does not fit raises ConfigError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailgate.errors import ConfigError

_NUMBER = re.compile(r"\+[1-9][0-9]{3,14}\Z")  # E.164 with the plus sign
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")  # a section name of pjsip.conf that needs no quoting anywhere
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){3}\Z")
_LOOPBACK_PORT = re.compile(r"127(?:\.[0-9]{1,3}){3}:[0-9]{1,5}\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}\Z")
_SECRET = re.compile(r"[A-Za-z0-9_.~+/=-]{8,128}\Z")  # nothing that a configuration file could take for syntax
_SOUNDS = re.compile(r"[A-Za-z0-9_./&-]{1,400}\Z")


def _fit(pattern: re.Pattern[str], value: str, what: str) -> None:
    if not pattern.match(value):
        raise ConfigError(f"{what}: not a usable value")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSettings:
    """How mailgate reaches Asterisk (AMI), and what calls are placed through.

    `gateway_number` is the only number that either party ever sees. `trunk` and `outbound` are endpoints of
    `pjsip.conf`: the way to the telephone network, and to SIP addresses elsewhere ("" where none is allowed).
    """

    gateway_number: str
    host: str = "127.0.0.1"
    port: int = 5038
    username: str = "mailgate"
    secret: str
    trunk: str = "trunk"
    outbound: str = ""
    websocket: str = ""  # address and port of Asterisk's HTTP server, which pages call by; empty: they cannot
    relay_address: str = "127.0.0.88"  # whence the relay connects to it: an address that nothing else uses
    answer_timeout_s: float = 5.0  # an AMI action unanswered for so long counts as lost
    ping_interval_s: float = 10.0
    reconnect_s: tuple[float, float] = (0.5, 15.0)  # first and longest pause between two tries

    def __post_init__(self) -> None:
        _fit(_NUMBER, self.gateway_number, "gateway_number")
        _fit(_NAME, self.username, "username")
        _fit(_SECRET, self.secret, "secret (8 to 128 letters, digits and _.~+/=-)")
        _fit(_NAME, self.trunk, "trunk")
        if self.outbound:
            _fit(_NAME, self.outbound, "outbound")
        if self.websocket:
            _fit(_LOOPBACK_PORT, self.websocket, "websocket (an address of loopback and a port)")
            _fit(_LOOPBACK, self.relay_address, "relay_address (of loopback)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SipUser:
    """A SIP telephone that registers with Asterisk and can be a leg as `sip:name`."""

    name: str
    password: str

    def __post_init__(self) -> None:
        _fit(_NAME, self.name, "SIP user's name")
        _fit(_SECRET, self.password, f"password of SIP user {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """The provider's side of the way to the telephone network. `username` empty: known by address alone."""

    host: str  # name or address, with :port where it is not 5060
    username: str = ""
    password: str = ""
    register: bool = False
    transport: str = "udp"

    def __post_init__(self) -> None:
        _fit(_HOST, self.host, "trunk host")
        if self.username:
            _fit(re.compile(r"[A-Za-z0-9+][A-Za-z0-9_.+-]{0,63}\Z"), self.username, "trunk username")
            _fit(_SECRET, self.password, "trunk password")
        _fit(_NAME, self.transport, "trunk transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySettings:
    """What `mailgate deploy asterisk` fills its templates with. Sound names are as Asterisk's Playback takes them."""

    link: AsteriskSettings
    trunk: Trunk | None = None
    users: tuple[SipUser, ...] = ()
    transport: str = "udp"  # the transport of pjsip.conf that telephones register over
    key_wait_s: int = 6  # after each playing of the announcement
    key_tries: int = 3  # playings before it counts as silence
    qualify_s: int = 15  # how often the trunk is asked whether it lives
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
        _fit(_NAME, self.transport, "transport")
        for name in (
            "sound_announcement",
            "sound_goodbye",
            "sound_sorry",
            "sound_hold",
            "sound_pin",
            "sound_pin_wrong",
        ):
            _fit(_SOUNDS, getattr(self, name), name)
        if self.media_address:
            _fit(_ADDRESS, self.media_address, "media_address")
        if not 6 <= self.pin_digits <= 10:
            raise ConfigError("pin_digits is 6 to 10")
        if not (1 <= self.key_wait_s <= 60 and 1 <= self.key_tries <= 10 and 0 <= self.qualify_s <= 3600):
            raise ConfigError("key_wait_s is 1 to 60, key_tries 1 to 10, qualify_s 0 to 3600")
