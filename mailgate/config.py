"""The configuration: one TOML file into frozen models, each room handed its own section once.

Unknown keys are refused, and every complaint names file, key and reason. Paths are taken as relative to the file's
folder. Secrets are never in the file: it names the files that hold them.
"""

from __future__ import annotations

import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from mailgate.calls.trunks import Line, Transport, Trunk
from mailgate.errors import ConfigError
from smtp_hooks.endpoint import parse_endpoint


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("not of the form host:port, such as 127.0.0.1:10025")
    return text


def _host_port_or_none(text: str) -> str:
    return _host_port(text) if text else ""


def _milter_listen(text: str) -> str:
    if text:
        parse_endpoint(text)
    return text


def _mode(text: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError('not a file mode in octal, such as "0660"')
    return text


def _e164(text: str) -> str:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a telephone number in international form, such as +33199000000") from error
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _region(text: str) -> str:
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("not a country code of two letters, such as FR")
    return text.upper()


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("not an address that begins with https:// (or http://)")
    return text.rstrip("/")


def _mail_address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).ascii_email or ""
    except EmailNotValidError as error:
        raise ValueError(f"not a mail address: {error}") from error


def _ice_server(text: str) -> str:
    if not re.fullmatch(r"(?:stun|turn)s?:[A-Za-z0-9.:\[\]_-]+(?:\?transport=(?:udp|tcp))?", text):
        raise ValueError("not of the form stun:host:port or turn:host:port?transport=udp")
    return text


def _loopback(text: str) -> str:
    if not text.startswith("127."):
        raise ValueError("not an address of loopback, such as 127.0.0.1:8088")
    return _host_port(text)


IceServer = Annotated[str, AfterValidator(_ice_server)]
Loopback = Annotated[str, AfterValidator(_loopback)]
HostPort = Annotated[str, AfterValidator(_host_port)]
E164 = Annotated[str, AfterValidator(_e164)]
Region = Annotated[str, AfterValidator(_region)]
Url = Annotated[str, AfterValidator(_url)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
Network = IPv4Network | IPv6Network


class Section(BaseModel):
    """Frozen, and without keys of its own making."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Gateway(Section):
    """Who runs the gateway, and what everybody may see of it."""

    name: str = Field(min_length=1, max_length=80)
    public_url: Url
    number: E164
    """The number that both parties see."""
    region: Region
    """Where numbers without a country code belong."""
    language: str = "en"


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return value or None


OptionalPath = Annotated[Path | None, BeforeValidator(_none_if_empty)]
HostPorts = Annotated[tuple[HostPort, ...], BeforeValidator(_several), Field(min_length=1)]


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

    listen: Annotated[str, AfterValidator(_host_port_or_none)] = "127.0.0.1:10025"
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

    listen: Annotated[str, AfterValidator(_milter_listen)] = ""
    """`unix:/path` or `host:port`; empty: no milter."""
    socket_mode: Annotated[str, AfterValidator(_mode)] = "0660"
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


class Keys(Section):
    """Files with secrets, readable by the gateway's user only."""

    token_file: Path = Path("keys/token.keys")
    number_file: Path = Path("keys/number.keys")


class StoreSection(Section):
    """Where offers and accounts are kept."""

    path: Path = Path("mailgate.db")


class Web(Section):
    """The accept pages."""

    listen: HostPort = "127.0.0.1:8480"
    nonce_minutes: float = Field(default=30, gt=0)
    """How long an open page may be left before a press on it is asked to be repeated."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins that may show the pages in a frame; none by default."""
    browser_calls: bool = True
    """Whether the page offers to talk from it (WebRTC)."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for browsers, as URIs of RFC 7064 and RFC 7065."""
    turn_secret_file: Path | None = None
    """The secret shared with the TURN server, for credentials that are good for a while."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    metrics_networks: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    """Who may see /metrics, as far as the request comes from there itself."""


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


class TrunkTable(Section):
    """A way to the telephone network that `mailgate deploy asterisk` writes; see mailgate.calls.trunks."""

    name: str
    host: str
    prefixes: tuple[str, ...] = ()
    username: str = ""
    password_file: OptionalPath = None
    register_: bool = Field(default=False, alias="register")
    transport: Transport = Transport.UDP
    srtp: bool = False
    nat: bool = False
    keep_alive_s: int = 15
    capacity: int = 0
    caller: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        try:
            assert self.line and self.trunk("-")
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def line(self) -> Line:
        return Line(name=self.name, prefixes=self.prefixes, capacity=self.capacity)

    def trunk(self, password: str) -> Trunk:
        """With what stands in `password_file`; raises ConfigError."""
        return Trunk(
            name=self.name,
            host=self.host,
            username=self.username,
            password=password if self.username else "",
            register=self.register_,
            transport=self.transport,
            srtp=self.srtp,
            nat=self.nat,
            keep_alive_s=self.keep_alive_s,
            caller=self.caller,
        )


class Dialling(Section):
    """What may be dialled. Emergency and premium numbers never are."""

    countries: tuple[Region, ...] = ()
    """Countries that may be called beside the gateway's own region."""
    denied_prefixes: tuple[str, ...] = ()
    sip_users: bool = False
    """Whether an offeree may be called at an address registered here."""
    sip_domains: tuple[str, ...] = ()
    """Domains of outside SIP addresses that an offeree may be called at."""


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


class Notices(Section):
    """Mail that the gateway writes by itself: notices to offerors, codes, links to sign in."""

    sender: MailAddress = Field(default="", alias="from")
    """Whom it comes from; empty: `calls` at the first signing domain, else at the gateway's host name."""


class Log(Section):
    """How much is told."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Section):
    """The whole file."""

    gateway: Gateway
    smtp: Smtp = Smtp()
    milter: Milter = Milter()
    offer: Offer = Offer()
    policy: Policy = Policy()
    dkim: Dkim = Dkim()
    keys: Keys = Keys()
    store: StoreSection = StoreSection()
    web: Web = Web()
    asterisk: Asterisk = Asterisk()
    trunk: tuple[TrunkTable, ...] = ()
    dialling: Dialling = Dialling()
    call: Call = Call()
    notices: Notices = Notices()
    log: Log = Log()

    @model_validator(mode="after")
    def _mail_needs_a_way_in(self) -> Self:
        if not self.smtp.listen and not self.milter.listen:
            raise ValueError("smtp.listen and milter.listen are both empty: no mail would come in")
        return self

    @model_validator(mode="after")
    def _outside_sip_needs_a_way_out(self) -> Self:
        if self.dialling.sip_domains and not self.asterisk.sip_outbound:
            raise ValueError("dialling.sip_domains needs asterisk.sip_outbound, the endpoint to dial them through")
        return self


def load(path: Path) -> Config:
    """Read the file; raises ConfigError naming file, key and reason."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `mailgate init DIR` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {_complaint(e)}" for e in error.errors())) from error
    absolute: Config = _with_absolute_paths(config, path.resolve().parent)
    return absolute


def _complaint(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: there is no such key"
        case "missing":
            return f"{key}: is missing"
        case _:
            reason = error["msg"].removeprefix("Value error, ")
            return f"{key}: {reason}" if key else reason


def _with_absolute_paths(section: Any, folder: Path) -> Any:
    """The same section with every path in it made absolute."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, Section):
            changed[name] = _with_absolute_paths(value, folder)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            changed[name] = tuple(_with_absolute_paths(each, folder) for each in value)
    return section.model_copy(update=changed)
