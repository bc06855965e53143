"""From an accepted offer to an order for Asterisk: which way leads to the destination, and who presses a key. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mailgate.calls.model import COMES_IN, CallOrder, Channel, Kind
from mailgate.errors import CallRefused
from mailgate.offers.offer import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, and whether a telephone destination presses a key."""

    ring1_s: int = 45
    ring2_s: int = 45
    longest_s: int = 3600
    destination_presses_key: bool = True


def choose(channels: tuple[Channel, ...], unavailable: Collection[Channel]) -> Channel:
    """The first channel, in the party's order, that is not known to be unavailable; raises CallRefused."""
    for channel in channels:
        if channel not in unavailable:
            return channel
    raise CallRefused("destination-unavailable", "no way to the destination is available now")


def order(
    attempt: Attempt,
    leg2: Channel,
    limits: Limits,
    *,
    announcement: str = "",
    announcement2: str = "",
    calling: str = "",
) -> CallOrder:
    """The order for one attempt. A browser or a PIN has shown a person already, who is not asked for a key; a SIP
    destination has no voicemail of the telephone network before it.

    Where the destination is rung first, the order has both the other way round: leg 1 is whom Asterisk dials first.
    """
    if attempt.destination_first:
        return CallOrder(
            attempt_id=attempt.attempt_id,
            leg1=leg2,
            leg2=attempt.leg1,
            announcement=announcement2,
            confirm1=limits.destination_presses_key and leg2.kind is Kind.TEL,
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
        announcement=announcement,
        confirm1=attempt.leg1.kind not in COMES_IN,
        confirm2=limits.destination_presses_key and leg2.kind is Kind.TEL,
        announcement2=announcement2,
        calling=calling,
        ring1_s=limits.ring1_s,
        ring2_s=limits.ring2_s,
        longest_s=limits.longest_s,
    )
