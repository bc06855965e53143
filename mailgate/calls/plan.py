"""From an accepted offer to an order for Asterisk: whom it dials in which order, and who presses a key. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.calls.model import UNASKED, CallOrder, Channel, Further, Kind
from mailgate.offers.offer import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, and whether a telephone destination presses a key."""

    ring1_s: int = 45
    ring2_s: int = 45
    longest_s: int = 3600
    destination_presses_key: bool = True


def order(
    attempt: Attempt,
    legs2: tuple[Channel, ...],
    limits: Limits,
    *,
    announcement: str = "",
    announcement2: str = "",
    calling: str = "",
) -> CallOrder:
    """The order for one attempt. A browser or a PIN has shown a person already, who is not asked for a key; a SIP
    destination, or a page, has no voicemail of the telephone network before it.

    `legs2`: the destination's channels, one at least, each tried where the one before was not reached. Where the
    destination is rung first, the order has both the other way round (leg 1 is whom Asterisk dials first), and only the
    first of them is tried.
    """
    leg2, *others = legs2
    if attempt.destination_first:
        return CallOrder(
            attempt_id=attempt.attempt_id,
            leg1=leg2,
            leg2=attempt.leg1,
            announcement=announcement2,
            confirm1=_presses(leg2, limits),
            confirm2=True,
            announcement2=announcement,
            ring1_s=limits.ring2_s,
            ring2_s=limits.ring1_s,
            longest_s=limits.longest_s,
        )
    return CallOrder(
        attempt_id=attempt.attempt_id,
        leg1=attempt.leg1,
        leg2=leg2,
        then2=tuple(Further(channel=each, confirm=_presses(each, limits)) for each in others),
        announcement=announcement,
        confirm1=attempt.leg1.kind not in UNASKED,
        confirm2=_presses(leg2, limits),
        announcement2=announcement2,
        calling=calling,
        ring1_s=limits.ring1_s,
        ring2_s=limits.ring2_s,
        longest_s=limits.longest_s,
    )


def _presses(destination: Channel, limits: Limits) -> bool:
    return limits.destination_presses_key and destination.kind is Kind.TEL
