"""Whom the gateway may call, and whom never. Pure.

A text that a person typed goes in, a Channel comes out, or CallRefused with a reason that page and log can name. What
is refused is refused for money (toll fraud), for others' peace, or for lives (emergency numbers): emergency first, then
form, then the lists. The *type* of a number decides little (phonenumbers calls Iridium's +881 mobile, and Cuba too);
lists of countries and prefixes do. Only premium numbers, which it does know, are refused by type.
Standards: E.164, RFC 3966 (tel URIs), RFC 3261 (sip URIs). Known limits: numbers are judged by the metadata of the
installed phonenumbers; a national short code that it does not know is refused for being no E.164 number.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from mailgate.calls.model import Channel, Kind
from mailgate.errors import CallRefused, ConfigError

LONGEST_INPUT = 64
"""Characters; a number is at most 15 digits (E.164, 6.1), the rest is room for how people write."""

DENIED_PREFIXES = (
    "+800",  # international freephone: billed to somebody else, answered by machines
    "+808",  # international shared cost
    "+870",  # Inmarsat
    "+878",  # universal personal telecommunications
    "+881",  # global mobile satellite systems: Iridium, Globalstar
    "+882",  # international networks
    "+883",  # international networks
    "+888",  # disaster relief
    "+979",  # international premium rate
)
"""Country codes without a country (ITU-T E.164, list of assigned codes): dear, or answered by nobody. Always denied."""

_DEAR = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "premium",
    PhoneNumberType.UAN: "premium",
    PhoneNumberType.PAGER: "premium",
}

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiallingRules:
    """What the administrator allows.

    `countries`: ISO 3166 codes, beside `region`, the gateway's own. `denied`: prefixes with the plus sign, beside those
    that are always denied. `sip_users`: telephones registered here, all where None. `sip_domains`: domains of SIP
    addresses elsewhere, in lower case, a leading dot for all below; none by default.
    """

    region: str
    countries: frozenset[str] = frozenset()
    denied: tuple[str, ...] = ()
    sip_users: frozenset[str] | None = frozenset()
    sip_domains: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for code in {self.region, *self.countries}:
            if not phonenumbers.country_code_for_region(code):
                raise ConfigError(f"{code!r} is not the ISO 3166 code of a country, in capital letters")
        for prefix in self.denied:
            if not (prefix.startswith("+") and prefix[1:].isdecimal() and prefix.isascii()):
                raise ConfigError(f"a denied prefix is written with plus sign and digits, not {prefix!r}")

    @property
    def allowed_countries(self) -> frozenset[str]:
        return self.countries | {self.region}


def may_dial(number_text: str, region: str, rules: DiallingRules) -> Channel:
    """The channel behind what a person typed, where it may be called.

    A telephone number, national ones as of `region` (ISO 3166), or `tel:`; `sip:user` or `sip:user@domain` where the
    rules allow it. Raises CallRefused with one of the reasons `emergency`, `not-a-number`, `short-code`,
    `country-not-allowed`, `denied-prefix`, `premium`, `sip-not-allowed`.
    """
    text = _plain(number_text)
    scheme, colon, rest = text.partition(":")
    match scheme.lower() if colon else "":
        case "sip":
            return _sip(rest, rules)
        case "" | "tel":
            return _telephone(rest if colon else text, region, rules)
        case _:
            raise CallRefused("not-a-number")


def check_pair(leg1: Channel, leg2: Channel, gateway_number: str = "") -> None:
    """Refuse a call of a party with itself (`same-number`), or with the gateway's own number (`own-number`)."""
    if _same(leg1, leg2):
        raise CallRefused("same-number")
    if gateway_number in (leg1.address, leg2.address) and gateway_number:
        raise CallRefused("own-number")


def _plain(text: str) -> str:
    """One spelling of what was typed: compatibility forms, dashes and blanks made ordinary; the rest is refused."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = "".join(
        " " if unicodedata.category(c) == "Zs" else c for c in text if unicodedata.category(c) != "Cf"
    ).strip()
    if not text or len(text) > LONGEST_INPUT or not text.isprintable():
        raise CallRefused("not-a-number")
    return text


def _telephone(text: str, region: str, rules: DiallingRules) -> Channel:
    # RFC 3966, 5.1: visual separators may stand anywhere; parameters (;ext=, ;phone-context=) are not dialled.
    if not all(c.isdecimal() or c in "+-.()/ " for c in text):
        raise CallRefused("not-a-number")
    digits = "".join(c for c in text if c.isdecimal() or c == "+")
    for country in {region, rules.region}:
        _refuse_emergency(digits, country)
    if len(digits.lstrip("+")) < 7:  # no subscriber is reached by fewer digits from another country (E.164, 6.2)
        raise CallRefused("short-code")
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise CallRefused("not-a-number") from error
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    country = phonenumbers.region_code_for_number(number) or ""
    # A number that is complete but for its country in front: 0033 112, +33112.
    if country:
        _refuse_emergency(phonenumbers.national_significant_number(number), country)
    if e164.startswith((*DENIED_PREFIXES, *rules.denied)):
        raise CallRefused("denied-prefix")
    if not phonenumbers.is_valid_number(number):
        raise CallRefused("not-a-number")
    if country not in rules.allowed_countries:
        raise CallRefused("country-not-allowed")
    if reason := _DEAR.get(phonenumbers.number_type(number)):
        raise CallRefused(reason)
    try:
        return Channel(Kind.TEL, e164)
    except ValueError as error:
        raise CallRefused("not-a-number") from error


def _refuse_emergency(digits: str, country: str) -> None:
    """Also what a network would connect to an emergency service although more digits follow (112 0 in some)."""
    if phonenumbers.connects_to_emergency_number(digits, country):
        raise CallRefused("emergency")


def _sip(text: str, rules: DiallingRules) -> Channel:
    try:
        channel = Channel(Kind.SIP, text)
    except ValueError as error:
        raise CallRefused("not-a-number") from error
    user, at, host = channel.address.partition("@")
    if not at:
        if rules.sip_users is None or user in rules.sip_users:
            return channel
        raise CallRefused("sip-not-allowed")
    # A number dialled as the user of a SIP address would pass all of the above by.
    if user.lstrip("+").replace("-", "").replace(".", "").isdecimal():
        raise CallRefused("sip-not-allowed")
    domain = host.partition(":")[0].lower()
    parents = {domain[i:] for i, c in enumerate(domain) if c == "."}
    if domain in rules.sip_domains or parents & rules.sip_domains:
        return channel
    raise CallRefused("sip-not-allowed")


def _same(leg1: Channel, leg2: Channel) -> bool:
    if leg1.kind is not leg2.kind:
        return False
    user1, _, host1 = leg1.address.partition("@")
    user2, _, host2 = leg2.address.partition("@")
    # Host names know no case (RFC 3261, 19.1.4); users do, but no two people differ by it.
    return (user1.lower(), host1.lower()) == (user2.lower(), host2.lower())
