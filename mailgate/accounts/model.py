"""Who may offer calls: an account, the addresses it writes from, and where its calls lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from mailgate.calls.model import Channel, Kind
from mailgate.offers.forwarding import Forwarding


class Mode(Enum):
    """Which of the account's messages get an offer."""

    ALWAYS = "always"
    ON_REQUEST = "on-request"
    NEVER = "never"


class Hide(Enum):
    """What happens to a message that would show the account's number and cannot be changed safely."""

    BEST_EFFORT = "best-effort"  # it goes as it is, with a named reason in the log
    REQUIRED = "required"  # it is refused, naming the part


class NoticesBy(Enum):
    """How the account is told what was answered to its offers."""

    MAIL = "mail"
    TELEPHONE = "telephone"  # spoken, with mail where nobody picked up


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Whom an offeree is put through to: the offeror, or another party that the offeror names.

    `channels` are the ways to reach that party, the preferred one first. Only those that are `verified` ring: the party
    has typed a code that reached it there, or the administrator vouches for it. `hours` says of some when they may ring
    (as mailgate.offers.hours reads it, in the account's time zone); the others ring at any time.
    """

    name: str
    display_name: str
    channels: tuple[Channel, ...] = field(repr=False)
    verified: frozenset[Channel] = field(default=frozenset(), repr=False)
    hours: tuple[tuple[Channel, str], ...] = field(default=(), repr=False)

    def hours_of(self, channel: Channel) -> str:
        """When that channel may ring; empty: at any time."""
        return next((written for each, written in self.hours if each == channel), "")

    @property
    def ringing(self) -> tuple[Channel, ...]:
        """The channels that ring, the preferred one first."""
        return tuple(each for each in self.channels if each in self.verified)

    @property
    def is_verified(self) -> bool:
        """Whether all of it may ring."""
        return self.verified.issuperset(self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An offeror's contract with the service. `destinations[0]` is the default one.

    `numbers` are the E.164 numbers that are taken out of the account's messages: those of the telephone channels
    and whatever else the account wants hidden; `cards`: out of attached vCards too. `finds_language`: the language is
    that of each message, `language` where it does not tell. While `do_not_disturb` is on, offers wait: nobody is put
    through. `forwarding`: its own policy for offers that are passed on; None: the gateway's. So with `pin_in_mail`,
    whether messages show the PIN for who dials in.
    `hours` and `time_zone` say when calls may be booked (see mailgate.offers.hours; empty: the gateway's);
    with `rings_first` such a call rings the destination before the offeree.
    A failed call to one of `extensions` (as the dialplan calls them) becomes an offer to the account's first address.
    """

    account_id: str
    display_name: str
    addresses: tuple[str, ...]
    destinations: tuple[Destination, ...]
    extra_numbers: tuple[str, ...] = field(default=(), repr=False)
    mode: Mode = Mode.ALWAYS
    hide: Hide = Hide.BEST_EFFORT
    language: str = "en"
    finds_language: bool = False
    cards: bool = False
    do_not_disturb: bool = False
    forwarding: Forwarding | None = None
    pin_in_mail: bool | None = None
    hours: str = ""
    time_zone: str = ""
    rings_first: bool = False
    extensions: tuple[str, ...] = ()
    notices_by: NoticesBy = NoticesBy.MAIL
    created_at: float = 0.0

    @property
    def numbers(self) -> tuple[str, ...]:
        told = (c.address for d in self.destinations for c in d.channels if c.kind is Kind.TEL)
        return tuple(dict.fromkeys((*told, *self.extra_numbers)))

    def destination(self, name: str | None = None) -> Destination | None:
        """The destination of that name; without a name the default one."""
        if name is None:
            return self.destinations[0]
        return next((d for d in self.destinations if d.name == name), None)
