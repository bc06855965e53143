"""By which networks somebody is told something, and in which order. Pure.

What the party has wished for (`Wish`), what each network can carry, and what is there at this moment give an ordered
plan; who follows it goes to the next way where one does not deliver. Mail is the last resort of everybody who has an
address, whether it was wished for or not: nothing that was promised is dropped because an application is closed.
What must not take another way than mail (a code proves that somebody reads a mailbox) is told by mail alone.

Known limit: a notice by telephone is the account's own wish (`notices_by`), and is tried where it stands in the order;
it stands before mail where the order does not name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mailgate.errors import MailgateError
from mailgate.offers.notice import Kind


class Way(Enum):
    """A network by its name in settings."""

    SOCKET = "socket"
    IM = "im"
    TELEPHONE = "telephone"
    MAIL = "mail"


class BadOrder(MailgateError):
    """An order of networks that cannot be read; the text says why."""


DEFAULT = (Way.SOCKET, Way.IM, Way.MAIL)

_OFFERS = frozenset({Kind.OFFERED, Kind.MISSED_CALL})
_NEWS = frozenset({Kind.ACCEPTED, Kind.DECLINED, Kind.REPLIED, Kind.MISSED, Kind.SLOT_MISSED})
_CALENDAR = frozenset({Kind.SLOT_BOOKED, Kind.SLOT_MOVED, Kind.SLOT_CANCELLED})

CARRIES: Mapping[Way, frozenset[Kind]] = {
    Way.SOCKET: _OFFERS | _NEWS,
    Way.IM: _OFFERS | _NEWS,
    Way.TELEPHONE: frozenset({Kind.DECLINED, Kind.REPLIED}),
    Way.MAIL: frozenset(Kind) - {Kind.ACCEPTED},
}
"""What each network can carry. A notice with a calendar file goes by mail, where calendars read it; that a call is
being made is no news by the time that mail is read."""

BESIDE = _CALENDAR
"""Kinds that are shown on open sockets too, while their file goes by mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`ways` in the order in which they are tried; of `skipped` each with the reason, for who asks why."""

    ways: tuple[Way, ...]
    skipped: Mapping[Way, str]


def parse(text: str) -> tuple[Way, ...]:
    """`socket,im,mail` as it is written in settings. Raises BadOrder."""
    found: list[Way] = []
    for name in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            way = Way(name)
        except ValueError:
            raise BadOrder(f"{name!r} is no network; they are {', '.join(w.value for w in Way)}") from None
        if way not in found:
            found.append(way)
    if not found:
        raise BadOrder(f"no network at all; write for example {written(DEFAULT)}")
    return tuple(found)


def written(order: tuple[Way, ...]) -> str:
    """What `parse` reads the same order from."""
    return ",".join(way.value for way in order)


def plan(
    order: tuple[Way, ...],
    kind: Kind,
    available: Mapping[Way, bool],
    *,
    has_address: bool,
    carries: Mapping[Way, frozenset[Kind]] = CARRIES,
) -> Plan:
    """The ways to try for a notice of that kind, best first.

    `available`: whether each network reaches the party now; what is not named there does not, but for mail, which
    reaches everybody with an address at any time. A telephone that is available is tried even where the order does not
    name it, before mail.
    """
    wished = tuple(dict.fromkeys(order))
    if Way.TELEPHONE not in wished and available.get(Way.TELEPHONE):
        wished = (*(w for w in wished if w is not Way.MAIL), Way.TELEPHONE, *(w for w in wished if w is Way.MAIL))
    ways: list[Way] = []
    skipped: dict[Way, str] = {}
    for way in wished:
        if kind not in carries.get(way, frozenset()):
            skipped[way] = "does not carry this"
        elif way is Way.MAIL and not has_address:
            skipped[way] = "no address"
        elif way is not Way.MAIL and not available.get(way):
            skipped[way] = "not available"
        else:
            ways.append(way)
    if has_address and Way.MAIL not in ways and kind in carries.get(Way.MAIL, frozenset()):
        ways.append(Way.MAIL)  # the last resort
    return Plan(ways=tuple(ways), skipped=skipped)
