"""What gateway and listening application say to one another: JSON texts on a WebSocket, one message each. Pure.

    device  → hello        key (or proof), name, channels, status
    gateway → welcome      whose device it is, and what it is told within which time
    gateway → offer        a call is offered: who, the words, the page; news: something to know
    device  → shown        it is on the screen, by the message's id
    device  → accept, decline, reply, presence, make
    gateway → changed      an offer moved on, by this device or another; made; refused: what was wished cannot be

Where the gateway has opened the connection it speaks first: `call` with a nonce (mailgate.listen.proof). A message of
unknown type or with a wrong field is Malformed; fields that a newer side has added are left unread.

Standards: RFC 6455 (WebSocket), RFC 8259 (JSON). Known limit: a device that needs more than MOST_OCTETS is cut off.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mailgate.errors import MailgateError
from mailgate.offers.answer import MOST_TEXT

MOST_OCTETS = 16_384
VERSION = 1

Status = Literal["available", "busy", "away", "dnd"]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Short = Annotated[str, Field(max_length=200)]


class Malformed(MailgateError):
    """A message that is none of the protocol's."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def wire(self) -> str:
        """As it goes out."""
        return self.model_dump_json()


# --- what a device says --------------------------------------------------------------------------------------------


class Hello(_Message):
    """Signs in: by `key` where the device has connected, by `nonce` and `proof` where the gateway has. `channels` are
    how the device's owner can be called: `sip:ben`, `+33199000002`, the preferred one first."""

    type: Literal["hello"] = "hello"
    version: int = VERSION
    key: str = Field(default="", max_length=100, repr=False)
    nonce: str = Field(default="", max_length=100)
    proof: str = Field(default="", max_length=100, repr=False)
    name: str = Field(default="", max_length=80)
    channels: tuple[_Short, ...] = Field(default=(), max_length=5, repr=False)
    status: Status = "available"


class Shown(_Message):
    """The message of that id is on the screen."""

    type: Literal["shown"] = "shown"
    id: _Id


class Accept(_Message):
    """Call now, by that channel; empty: the first one of the hello; `own:MARK`: the account's own, as its page names it
    (mailgate.offers.own_channels)."""

    type: Literal["accept"] = "accept"
    offer: _Id
    channel: str = Field(default="", max_length=200, repr=False)


class Decline(_Message):
    """With a reason of mailgate.offers.answer.Reason, or words, or both."""

    type: Literal["decline"] = "decline"
    offer: _Id
    reason: Literal["", "not-now", "by-mail", "no-need", "wrong-person", "other"] = ""
    text: str = Field(default="", max_length=MOST_TEXT, repr=False)


class Reply(_Message):
    """An answer in words; the offer stays."""

    type: Literal["reply"] = "reply"
    offer: _Id
    text: str = Field(max_length=MOST_TEXT, repr=False)


class Presence(_Message):
    """How the device is now; with `hours` (mailgate.offers.hours; empty: none) when its owner is never disturbed."""

    type: Literal["presence"] = "presence"
    status: Status
    hours: str | None = Field(default=None, max_length=300)
    zone: str = Field(default="", max_length=64)


class Make(_Message):
    """Offer a call to that address, leading to one of the account's destinations."""

    type: Literal["make"] = "make"
    to: str = Field(min_length=3, max_length=320, repr=False)
    destination: str = Field(default="", max_length=64)


FromDevice = Hello | Shown | Accept | Decline | Reply | Presence | Make

# --- what the gateway says -----------------------------------------------------------------------------------------


class Call(_Message):
    """The gateway has connected: who is there?"""

    type: Literal["call"] = "call"
    version: int = VERSION
    nonce: str


class Welcome(_Message):
    """Signed in. What is sent with an `id` goes another way where no `shown` comes within `ack_s` seconds."""

    type: Literal["welcome"] = "welcome"
    version: int = VERSION
    address: str
    name: str
    device: str
    ack_s: float
    proof: str = Field(default="", repr=False)


class OfferMessage(_Message):
    """A call is offered. `url` is the offer's page; `quiet`: show it without a sound."""

    type: Literal["offer"] = "offer"
    id: str
    offer: str
    offeror: str
    destination: str
    language: str
    title: str
    text: str = ""
    url: str = Field(repr=False)
    expires_at: float
    state: str
    on_line: bool = False
    quiet: bool = False


class News(_Message):
    """Something to know that is no offer to its reader. `url` is where to see more."""

    type: Literal["news"] = "news"
    id: str
    kind: str
    title: str
    text: str = ""
    url: str = ""
    quiet: bool = False


class Changed(_Message):
    """An offer moved on. `by`: the device that accepted it, empty where it was none of the account's."""

    type: Literal["changed"] = "changed"
    offer: str
    state: str
    may_accept: bool
    in_call: bool
    outcome: str = ""
    on_line: bool = False
    by: str = ""


class Made(_Message):
    """The offer that this device wished for; what comes of it follows as `changed` and `news`."""

    type: Literal["made"] = "made"
    offer: str
    to: str
    url: str = Field(repr=False)


class Refused(_Message):
    """What the message `about` wished for cannot be; `reason` is a stable name."""

    type: Literal["refused"] = "refused"
    about: str
    offer: str = ""
    reason: str
    text: str = ""


FromGateway = Call | Welcome | OfferMessage | News | Changed | Made | Refused

_FROM_DEVICE: TypeAdapter[FromDevice] = TypeAdapter(Annotated[FromDevice, Field(discriminator="type")])
_FROM_GATEWAY: TypeAdapter[FromGateway] = TypeAdapter(Annotated[FromGateway, Field(discriminator="type")])


def from_device(text: str) -> FromDevice:
    """Raises Malformed."""
    try:
        return _FROM_DEVICE.validate_json(text)
    except ValidationError as error:
        raise Malformed(_complaint(error)) from None


def from_gateway(text: str) -> FromGateway:
    """Raises Malformed."""
    try:
        return _FROM_GATEWAY.validate_json(text)
    except ValidationError as error:
        raise Malformed(_complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
