"""What hops say to each other: replies and capabilities, read and written. No socket.

Standards: RFC 5321, 4.2 (replies), 4.5.3.1.5 (reply lines); RFC 2034 (enhanced codes); RFC 5321, 4.1.1.1 (EHLO).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from smtp_hooks.envelope import Envelope, Recipient, Reply

_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")  # RFC 2034, 4: the class agrees with the code

MAX_REPLY = 64 * 1024
"""Octets of one reply. RFC 5321, 4.5.3.1.5 has 512 for a line, and says nothing of the number of lines."""


class ProtocolError(Exception):
    """The peer sends what is no SMTP reply."""


class ReplyReader:
    """Cuts a stream of octets into replies."""

    __slots__ = ("_buffer", "_lines")

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether part of a reply has come."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now. Raises ProtocolError. A bare LF ends a line, as everywhere on the net."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) + sum(map(len, self._lines)) > MAX_REPLY:
            raise ProtocolError("reply too long")
        replies = []
        for line in lines:
            match = _LINE.match(line.rstrip(b"\r"))
            if match is None or (self._lines and self._lines[0][:3] != match[1]):
                raise ProtocolError("not an SMTP reply")
            self._lines.append(line.rstrip(b"\r"))
            if match[2] != b"-":
                replies.append(_reply(tuple(self._lines)))
                self._lines = []
        return replies


@lru_cache(maxsize=64)  # a hop says the same again and again
def _reply(lines: tuple[bytes, ...]) -> Reply:
    code = int(lines[0][:3])
    texts = [line[4:].decode("utf-8", "replace") for line in lines]
    match = _ENHANCED.match(texts[0])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code=code, text="\n".join(texts))
    enhanced = match[1]
    prefix = enhanced + " "
    stripped = [text[len(prefix) :] if text.startswith(prefix) else text for text in texts]
    if texts[0] == enhanced:
        stripped[0] = ""
    return Reply(code=code, enhanced=enhanced, text="\n".join(stripped))


@lru_cache(maxsize=64)
def write_reply(reply: Reply) -> bytes:
    """The reply as lines on the wire. An enhanced code is added where it lacks one and must have one (RFC 2034, 4)."""
    enhanced = reply.enhanced or ("" if reply.code in (220, 354) else f"{reply.code // 100}.0.0")
    lines = [f"{enhanced} {line}".strip() for line in reply.text.split("\n")]
    last = len(lines) - 1
    text = "".join(f"{reply.code}{' ' if n == last else '-'}{line}\r\n" for n, line in enumerate(lines))
    return _CONTROL.sub("?", text).encode()


_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a hop offers in EHLO. `size`: None not offered, 0 no fixed limit, else octets (RFC 1870, 4)."""

    size: int | None = None
    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    auth: bool = False
    mechanisms: frozenset[str] = frozenset()
    starttls: bool = False
    chunking: bool = False
    xforward: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, reply: Reply) -> Capabilities:
        """From the reply to EHLO; its first line is the greeting. What we do not know is passed over."""
        offers: dict[str, list[str]] = {}
        for line in reply.text.split("\n")[1:]:
            keyword, *values = line.split()[:32] or [""]
            offers[keyword.upper()] = values
        size = offers.get("SIZE")
        return cls(
            size=None if size is None else int(size[0]) if size and size[0].isdecimal() and len(size[0]) < 20 else 0,
            pipelining="PIPELINING" in offers,
            eight_bit="8BITMIME" in offers,
            smtputf8="SMTPUTF8" in offers,
            dsn="DSN" in offers,
            auth="AUTH" in offers,
            mechanisms=frozenset(name.upper() for name in offers.get("AUTH", ())),
            starttls="STARTTLS" in offers,
            chunking="CHUNKING" in offers,
            xforward=frozenset(name.upper() for name in offers.get("XFORWARD", ())),
        )


ASSUMED = Capabilities(size=0, pipelining=True, eight_bit=True, smtputf8=True, dsn=True)
"""Offered to clients while the next hop has never answered: each recipient then gets a transient reply anyway, and a
message that needs what the next hop turns out to lack is deferred, never mangled."""


def mail_command(envelope: Envelope, offers: Capabilities) -> str | None:
    """MAIL towards a hop with these capabilities; None where the message needs what the hop lacks.

    SIZE and AUTH= are only hints and left out where the hop does not know them (RFC 1870, 6.1; RFC 4954, 5).
    """
    kept = []
    for parameter in envelope.parameters:
        name, _, value = parameter.upper().partition("=")
        match name:
            case "SIZE":
                known = offers.size is not None
            case "AUTH":
                known = offers.auth
            case "BODY":
                known = offers.eight_bit
                if not known and value == "8BITMIME":
                    return None
            case "SMTPUTF8":
                known = offers.smtputf8
                if not known:
                    return None
            case _:
                known = offers.dsn
                if not known:
                    return None
        if known:
            kept.append(parameter)
    return " ".join([f"MAIL FROM:<{envelope.reverse_path}>", *kept])


def rcpt_command(recipient: Recipient, offers: Capabilities) -> str | None:
    """RCPT towards a hop with these capabilities; None where DSN parameters are given and the hop lacks DSN."""
    if recipient.parameters and not offers.dsn:
        return None
    return " ".join([f"RCPT TO:<{recipient.address}>", *recipient.parameters])
