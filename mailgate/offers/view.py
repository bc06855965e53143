"""What may be shown of an offer: everything a page, a socket or a log line may know, and no channel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.calls.model import Kind, Outcome
from mailgate.offers.answer import MOST_REPLIES
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.known import tail
from mailgate.offers.offer import Offer
from mailgate.offers.slots import Missed
from mailgate.offers.table import IN_CALL, WAITING, State


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An offer without any number or address. Times are UNIX seconds, None where it has not come to that.

    `outcome` and the times are those of the latest attempt. `may_accept` says whether a press starts a call now,
    `may_decline` and `may_reply` whether the other answers are taken; `replies` counts those in words.
    `pin` is for who dials in, empty where nobody can. `tail` are the last two digits of the offeree's number, where
    the offeror gave it. `slot_…`: the time that was chosen, where there is one, and of a missed one why it came to
    nothing; `slot_sequence` is 0 where there is none. `on_line`: the offeror waits on the telephone just now.
    `falls`: how often nobody was reached and another way was tried since it was accepted. `listed`: whether an account
    here has the offeree's address, and channels to be called on.
    `forwarding` and `holders` say whose it is to take up; `reachable` is False while no channel of the destination is
    verified.
    """

    offer_id: str
    version: int
    state: State
    offeror_name: str
    destination_name: str
    language: str
    expires_at: float
    may_accept: bool
    in_call: bool
    attempts: int
    may_decline: bool = False
    may_reply: bool = False
    replies: int = 0
    leg1_kind: Kind | None = None
    outcome: Outcome | None = None
    started_at: float | None = None
    answered_at: float | None = None
    bridged_at: float | None = None
    ended_at: float | None = None
    bridged_s: float = 0.0
    pin: str = field(default="", repr=False)
    tail: str = field(default="", repr=False)
    destination_first: bool = False
    falls: int = 0
    listed: bool = False
    slot_at: float | None = None
    slot_minutes: int = 0
    slot_zone: str = ""
    slot_sequence: int = 0
    slot_missed: Missed | None = None
    on_line: bool = False
    forwarding: Forwarding = Forwarding.BIND
    holders: frozenset[str] = frozenset()
    reachable: bool = True


def view(
    offer: Offer,
    now: float,
    pin: str = "",
    *,
    on_line: bool = False,
    reachable: bool = True,
    listed: bool = False,
) -> View:
    """The view of an offer at a moment: one whose time is over is shown as expired, whatever the store still says."""
    waiting = offer.state in WAITING
    overdue = waiting and now >= offer.expires_at
    attempt = offer.attempt
    return View(
        offer_id=offer.offer_id,
        version=offer.version,
        state=State.EXPIRED if overdue else offer.state,
        offeror_name=offer.terms.offeror_name,
        destination_name=offer.terms.destination_name,
        language=offer.terms.language,
        expires_at=offer.expires_at,
        may_accept=waiting and not overdue,
        may_decline=waiting and offer.state is not State.DECLINED and not overdue,
        may_reply=waiting and not overdue and offer.replies < MOST_REPLIES,
        replies=offer.replies,
        in_call=offer.state in IN_CALL,
        attempts=attempt.ordinal if attempt else 0,
        leg1_kind=attempt.leg1.kind if attempt else None,
        outcome=attempt.outcome if attempt else None,
        started_at=attempt.started_at if attempt else None,
        answered_at=attempt.answered_at if attempt else None,
        bridged_at=attempt.bridged_at if attempt else None,
        ended_at=attempt.ended_at if attempt else None,
        bridged_s=attempt.bridged_s if attempt else 0.0,
        pin=pin if waiting and not overdue else "",
        forwarding=offer.forwarding,
        holders=offer.holders,
        reachable=reachable,
        tail=tail(offer.terms.offeree) if waiting and not overdue else "",
        destination_first=attempt.destination_first if attempt else False,
        falls=attempt.falls + attempt.again if attempt else 0,
        listed=listed and waiting and not overdue,
        slot_at=offer.slot.start if offer.slot else None,
        slot_minutes=offer.slot.minutes if offer.slot else 0,
        slot_zone=offer.slot.zone if offer.slot else "",
        slot_sequence=offer.slot.sequence if offer.slot else 0,
        slot_missed=offer.slot.missed if offer.slot else None,
        on_line=on_line and waiting and not overdue,
    )
