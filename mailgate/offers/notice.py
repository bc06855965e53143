"""What is to be told to somebody, apart from the way it takes: a notice, and the networks that may carry it. Pure.

A notice is written down before it is sent (mailgate.store.outbox) and sent at least once; `notice_id` stays the same
each time, so that a network whose messages have ids lets the reader's side see a repetition for what it is.
`mailgate.networks.mail` is the first network; others implement the same `deliver`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """What a notice is about; each has words of its own on every network."""

    DECLINED = "declined"  # to the offeror: values offeree, reason, text, message_id; offer, telephone
    REPLIED = "replied"  # to the offeror: values offeree, text, message_id; offer, telephone
    ACCEPTED = "accepted"  # to the offeror, at once or not at all: values offeree
    MISSED = "missed"  # to the offeror: values offeree, destination, outcome, message_id
    # about a chosen time, see mailgate.offers.slot_notices for the values
    SLOT_BOOKED = "slot-booked"
    SLOT_MOVED = "slot-moved"
    SLOT_CANCELLED = "slot-cancelled"
    SLOT_MISSED = "slot-missed"
    YOUR_SLOT = "your-slot"  # to an offeree who wants the calendar file by mail
    YOUR_SLOT_CANCELLED = "your-slot-cancelled"
    CODE = "code"  # to an offeree who wants no offers: value code
    OFFERED = "offered"  # to an offeree, of an offer that no message carries: values offeror, token, reply_to
    HOLDER_CODE = "holder-code"  # to an offeree, for another browser than the first: values code, offeror
    CHANNEL_CODE = "channel-code"  # to a destination with an address: values code, account
    SPOKEN_CODE = "spoken-code"  # to a destination's telephone (a channel's URI): value code
    MISSED_CALL = "missed-call"  # to who was called: values offeror, why, token, reply_to, on_line
    SIGN_IN = "sign-in"  # to an account: value secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. Times are UNIX seconds; what is not delivered by `expires_at` is worth nothing any more."""

    notice_id: str
    kind: Kind
    address: str = field(repr=False)
    language: str
    created_at: float
    expires_at: float
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


class Delivery(Enum):
    """What became of a try."""

    DELIVERED = "delivered"
    LATER = "later"  # try again
    REFUSED = "refused"  # it will never be taken


class Network(Protocol):
    """A way to reach somebody."""

    async def deliver(self, notice: Notice) -> Delivery:
        """One try. An exception counts as LATER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKind:
    """A network that hands each notice to the one that is there for its kind."""

    networks: Mapping[Kind, Network]
    otherwise: Network

    async def deliver(self, notice: Notice) -> Delivery:
        return await self.networks.get(notice.kind, self.otherwise).deliver(notice)
