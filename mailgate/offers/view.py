"""What may be shown of an offer: everything a page, a socket or a log line may know, and no channel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.calls.model import Kind, Outcome
from mailgate.offers.answer import MOST_REPLIES
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.offer import Offer
from mailgate.offers.table import IN_CALL, WAITING, State


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An offer without any number or address. Times are UNIX seconds, None where it has not come to that.

    `outcome` and the times are those of the latest attempt. `may_accept` says whether a press starts a call now,
    `may_decline` and `may_reply` whether the other answers are taken; `replies` counts those in words.
    `pin` is for who dials in, empty where nobody can. `forwarding` and `holders` say whose it is to take up;
    `reachable` is False while no channel of the destination is verified.
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
    forwarding: Forwarding = Forwarding.BIND
    holders: frozenset[str] = frozenset()
    reachable: bool = True


def view(offer: Offer, now: float, pin: str = "", *, reachable: bool = True) -> View:
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
        may_decline=offer.state is State.OPEN and not overdue,
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
    )
