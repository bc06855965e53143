"""What the pages need to know, read once from the configuration's `[web]` section."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from mailgate.web.brand import Logo
from tokens.keys import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkSettings:
    """Calls from the page: Asterisk's HTTP server (`host:port`), whence it is connected to, and what browsers are told
    of STUN and TURN. `turn_secret` is shared with the TURN server; empty: it asks for nothing."""

    asterisk: str
    relay_address: str = "127.0.0.88"
    ice_servers: tuple[str, ...] = ()
    turn_secret: str = field(default="", repr=False)
    grace_s: float = 3.0  # a page that lost its connection may so long try to be back


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Settings of the accept page.

    - `public_url`: what stands before `/a/…` in the coupons, without a slash at the end. A path in it is taken off
      by the reverse proxy and put before every link here.
    - `organisation`: who runs the gateway, as shown to offerees.
    - `gateway_number`: E.164; the only number that an offeree ever sees, named before the call.
    - `default_region`: ISO 3166-1 alpha-2, used where the browser's language names no country in `countries`.
    - `countries`: regions to choose from; empty: all.
    - `allow_sip`: whether the page asks for a SIP address, too; which ones may be called is the dialling rules' say.
    - `talk`: calls from the page itself; None: there are none.
    - `keys`: sign the page nonces, good for `nonce_ttl_s` seconds.
    - `frame_ancestors`: CSP source list of who may show the pages in a frame (`'none'`, `'self'`, origins).
    - `metrics_networks`: who may see /metrics.
    - `api_per_minute`, `api_burst`: requests of one key to the API, evenly and at once.
    - `accent`: the organisation's colour as `mailgate.colours.checked` gives it, "": the pages' own.
    - `logo`: its picture, beside the name.
    - `time_zone`: IANA name, for the date until which an offer holds.
    - `organizer`: the gateway's own mail address, for calendar files.
    """

    public_url: str
    organisation: str
    gateway_number: str
    default_region: str
    countries: tuple[str, ...] = ()
    allow_sip: bool = False
    keys: KeyRing = field(repr=False)
    nonce_ttl_s: float = 1800.0
    talk: TalkSettings | None = None
    frame_ancestors: str = "'none'"
    metrics_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    accent: str = ""
    logo: Logo | None = None
    time_zone: str = "UTC"
    api_per_minute: int = 300
    api_burst: int = 60
    organizer: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port of `public_url`, as browsers name them (RFC 6454, 6.2)."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def base_path(self) -> str:
        """The path of `public_url`, without a slash at the end; mostly empty."""
        return urlsplit(self.public_url).path.rstrip("/")
