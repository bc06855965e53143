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
    sound_announcement: str = "followme/no-recording&followme/options"  # "you have a call; press 1 to accept, 2 …"
    sound_goodbye: str = "vm-goodbye"
    sound_sorry: str = "followme/sorry&vm-goodbye"

    def __post_init__(self) -> None:
        _fit(_NAME, self.transport, "transport")
        for name in ("sound_announcement", "sound_goodbye", "sound_sorry"):
            _fit(_SOUNDS, getattr(self, name), name)
        if not (1 <= self.key_wait_s <= 60 and 1 <= self.key_tries <= 10 and 0 <= self.qualify_s <= 3600):
            raise ConfigError("key_wait_s is 1 to 60, key_tries 1 to 10, qualify_s 0 to 3600")
