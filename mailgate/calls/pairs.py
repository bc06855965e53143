"""Which channel of one party with which of the other, and in what order: a plan of leg pairs. Pure.

In go both parties' channels, each list in its party's own order, each channel with the hours in which it may ring, and
what cannot be reached at this moment; out come the pairs to try, the best first. Neither party's list shows in the
other's part of anything: what leaves here is a pair for Asterisk.

The order is Pareto: where both parties would rather have one pair than another (neither prefers the other one, and at
least one of them prefers this), it comes first. Among pairs on which they differ the sum of both places decides, and
where that is the same, the offeree, who is rung first and has asked for the call now.

Known limits: a place counts as one step, whatever a party thinks of the distance; a channel that both could be reached
on (a household's telephone) makes no pair with itself, so that another comes before it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from mailgate.calls.dialling import check_pair
from mailgate.calls.model import COMES_IN, Channel, Kind, Outcome
from mailgate.errors import CallRefused
from mailgate.offers.hours import Hours, within

MOST_WAYS = 5
"""Channels of one party that are looked at: more is no list of preferences."""
MOST_PAIRS = 12
"""Pairs of one plan: each may ring for the better part of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A channel in a party's list, and when it may ring; None: at any time."""

    channel: Channel = field(repr=False)
    hours: Hours | None = None

    def open(self, at: float) -> bool:
        """Whether it may ring at that moment (UNIX seconds)."""
        return self.hours is None or within(self.hours, at)


@dataclass(frozen=True, slots=True)
class Pair:
    """The offeree on one channel, the destination on another."""

    leg1: Channel = field(repr=False)
    leg2: Channel = field(repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """What one attempt tries: the offeree on one channel, and while they stay on the line each of these in turn."""

    leg1: Channel = field(repr=False)
    legs2: tuple[Channel, ...] = field(repr=False)


def plan(
    offeree: Sequence[Way],
    destination: Sequence[Way],
    *,
    at: float,
    unavailable: Collection[Channel] = (),
    own_number: str = "",
) -> tuple[Pair, ...]:
    """The pairs to try at that moment (UNIX seconds), the best first, MOST_PAIRS at the most; empty where nothing can
    be tried. `own_number`: the gateway's, in E.164, which is called by nobody."""
    pairs = [
        (n + m, n, Pair(first.channel, second.channel))
        for n, first in enumerate(_once(offeree))
        for m, second in enumerate(_once(destination))
        if first.open(at)
        and second.open(at)
        and first.channel not in unavailable
        and second.channel not in unavailable
        and supported(first.channel, second.channel, own_number)
    ]
    return tuple(pair for _, _, pair in sorted(pairs, key=lambda each: each[:2])[:MOST_PAIRS])


def supported(leg1: Channel, leg2: Channel, own_number: str = "") -> bool:
    """Whether the two can be connected at all: who calls in is no leg 2, who waits on the line no leg 1, and nobody is
    connected with themselves or with the gateway."""
    if leg1.kind is Kind.HELD or leg2.kind in COMES_IN:
        return False
    try:
        check_pair(leg1, leg2, own_number)
    except CallRefused:
        return False
    return True


def runs(pairs: Sequence[Pair]) -> tuple[Run, ...]:
    """The same plan as attempts. Who has answered is not hung up on for another try: all that goes with a leg 1 is
    tried while it stays, and the next leg 1 only where that one was not reached."""
    order = dict.fromkeys(pair.leg1 for pair in pairs)
    return tuple(Run(leg1, tuple(pair.leg2 for pair in pairs if pair.leg1 == leg1)) for leg1 in order)


FALLS = frozenset(
    {
        Outcome.OFFEREE_BUSY,
        Outcome.OFFEREE_NO_ANSWER,
        Outcome.OFFEREE_WRONG_NUMBER,
        Outcome.OFFEREE_UNREACHABLE,
        Outcome.NO_KEY,  # perhaps a machine
        Outcome.LINES_BUSY,  # another channel may need none
    }
)
"""Outcomes of a leg 1 after which the offeree's next channel is tried: nobody was there. Who refuses, presses another
key or hangs up has been reached, and is not called again."""


def _once(ways: Sequence[Way]) -> list[Way]:
    """The list as far as it is looked at, each channel at its first place."""
    found: dict[Channel, Way] = {}
    for way in ways[:MOST_WAYS]:
        found.setdefault(way.channel, way)
    return list(found.values())
