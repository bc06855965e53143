"""What an MTA says to a milter: packets to events.

`read_event` makes one event of one packet's command and data, whatever came before it; the order is held by
`smtp_hooks.milter.protocol`. Texts are UTF-8, and what is none reads as U+FFFD; header fields stay octets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag

_MOST_MACROS = 200  # in one packet; Sendmail's and Postfix's longest defaults have some 15


class ProtocolError(Exception):
    """The peer does not speak the protocol."""


class Actions(IntFlag):
    """What a milter may do to a message (SMFIF_…)."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    CHANGE_HEADERS = 0x10
    SET_MACROS = 0x100


class Steps(IntFlag):
    """What is not sent, not answered, or sent otherwise (SMFIP_…)."""

    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SILENT_HEADER = 0x80
    SILENT_CONNECT = 0x1000
    SILENT_HELO = 0x2000
    SILENT_MAIL = 0x4000
    SILENT_RCPT = 0x8000
    SILENT_DATA = 0x10000
    SILENT_UNKNOWN = 0x20000
    SILENT_END_OF_HEADER = 0x40000
    SILENT_BODY = 0x80000
    LEADING_SPACE = 0x100000


@dataclass(frozen=True, slots=True)
class Negotiate:
    version: int
    actions: Actions
    steps: int


@dataclass(frozen=True, slots=True)
class Macros:
    """`stage` is the command that they belong to."""

    stage: bytes
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Connect:
    """`address` is empty where the MTA names none that is an Internet address."""

    hostname: str
    address: str


@dataclass(frozen=True, slots=True)
class Helo:
    name: str


@dataclass(frozen=True, slots=True)
class Mail:
    address: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rcpt:
    address: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Data:
    pass


@dataclass(frozen=True, slots=True)
class Header:
    """A field: lines within `value` end with LF. What follows the colon is there as negotiated."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class EndOfHeader:
    pass


@dataclass(frozen=True, slots=True)
class Body:
    chunk: bytes | memoryview


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    chunk: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Unknown:
    """An SMTP command that the MTA does not know."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The transaction is over, the session goes on."""


@dataclass(frozen=True, slots=True)
class QuitSession:
    """The SMTP session is over, another one follows on the same connection."""


@dataclass(frozen=True, slots=True)
class Quit:
    pass


Event = (
    Negotiate
    | Macros
    | Connect
    | Helo
    | Mail
    | Rcpt
    | Data
    | Header
    | EndOfHeader
    | Body
    | EndOfMessage
    | Unknown
    | Abort
    | QuitSession
    | Quit
)


def _strings(data: bytes) -> list[bytes]:
    if not data.endswith(b"\0"):
        raise ProtocolError("a text without its end")
    return data[:-1].split(b"\0")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _negotiate(data: bytes) -> Negotiate:
    if len(data) < 12:
        raise ProtocolError("a negotiation that is too short")
    version, actions, steps = struct.unpack_from("!III", data)
    return Negotiate(version, Actions(actions & sum(Actions)), steps)


def _macros(data: bytes) -> Macros:
    texts = [_text(each) for each in _strings(data[1:])] if len(data) > 1 else []
    if len(texts) % 2 or not data or len(texts) > 2 * _MOST_MACROS:
        raise ProtocolError("macros that are no pairs")
    names = (name.removeprefix("{").removesuffix("}") for name in texts[::2])
    return Macros(data[:1], dict(zip(names, texts[1::2], strict=True)))


def _connect(data: bytes) -> Connect:
    hostname, _, rest = data.partition(b"\0")
    family = rest[:1]
    if family in (b"4", b"6"):
        if len(rest) < 5 or not rest.endswith(b"\0"):
            raise ProtocolError("an address without its end")
        return Connect(_text(hostname), _text(rest[3:-1]).removeprefix("IPv6:"))
    if family not in (b"U", b"L"):
        raise ProtocolError(f"address family {family!r} is not known")
    return Connect(_text(hostname), "")


def _path(data: bytes) -> tuple[str, tuple[str, ...]]:
    address, *parameters = (_text(each) for each in _strings(data))
    if address.startswith("<") and address.endswith(">"):
        address = address[1:-1]
    return address, tuple(parameters)


def _header(data: bytes) -> Header:
    texts = _strings(data)
    if len(texts) != 2 or not texts[0]:
        raise ProtocolError("a header field that is not a name and a value")
    return Header(texts[0], texts[1])


_READERS: dict[bytes, Callable[[bytes], Event]] = {
    b"O": _negotiate,
    b"D": _macros,
    b"C": _connect,
    b"H": lambda data: Helo(_text(_strings(data)[0])),
    b"M": lambda data: Mail(*_path(data)),
    b"R": lambda data: Rcpt(*_path(data)),
    b"T": lambda _: Data(),
    b"L": _header,
    b"N": lambda _: EndOfHeader(),
    b"U": lambda _: Unknown(),
    b"A": lambda _: Abort(),
    b"K": lambda _: QuitSession(),
    b"Q": lambda _: Quit(),
}


def read_event(command: bytes, data: memoryview) -> Event:
    """The event of a packet; chunks of body stay where they are. Raises ProtocolError."""
    match command:
        case b"B":
            return Body(data)
        case b"E":
            return EndOfMessage(data)
    read = _READERS.get(command)
    if read is None:
        raise ProtocolError(f"command {command!r} is not known")
    return read(bytes(data))
