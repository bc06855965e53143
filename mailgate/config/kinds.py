"""Kinds of values that several sections have, each with its own complaint, and `Section` that all sections are."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from mailgate import colours
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


def _accent_colour(text: str) -> str:
    return colours.checked(text) if text else ""


def _loopback(text: str) -> str:
    if not text.startswith("127."):
        raise ValueError("not an address of loopback, such as 127.0.0.1:8088")
    return _host_port(text)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return value or None


AccentColour = Annotated[str, AfterValidator(_accent_colour)]
IceServer = Annotated[str, AfterValidator(_ice_server)]
Loopback = Annotated[str, AfterValidator(_loopback)]
HostPort = Annotated[str, AfterValidator(_host_port)]
E164 = Annotated[str, AfterValidator(_e164)]
Region = Annotated[str, AfterValidator(_region)]
Url = Annotated[str, AfterValidator(_url)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
Network = IPv4Network | IPv6Network
OptionalPath = Annotated[Path | None, BeforeValidator(_none_if_empty)]
HostPorts = Annotated[tuple[HostPort, ...], BeforeValidator(_several), Field(min_length=1)]
HostPortOrNone = Annotated[str, AfterValidator(_host_port_or_none)]
MilterListen = Annotated[str, AfterValidator(_milter_listen)]
Mode = Annotated[str, AfterValidator(_mode)]


class Section(BaseModel):
    """Frozen, and without keys of its own making."""

    model_config = ConfigDict(frozen=True, extra="forbid")
