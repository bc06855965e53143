"""Who is there: presences come in, availability comes out. Pure.

A person has several devices, each with a presence of its own; the most available one counts. A device that is known
here is one that was told to us because its owner lets us see it (RFC 6121, 3 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Availability(Enum):
    """Of a person. DND is nobody's to disturb."""

    AVAILABLE = "available"
    AWAY = "away"
    DND = "dnd"
    OFFLINE = "offline"  # or not known


_SHOWS = {"": Availability.AVAILABLE, "chat": Availability.AVAILABLE, "dnd": Availability.DND}
"""RFC 6121, 4.7.2.1; `away` and `xa` are both away."""


@dataclass(slots=True, kw_only=True)
class _Device:
    """`features`: what its program says it can (XEP-0030); None while it has not said."""

    availability: Availability
    features: frozenset[str] | None = None


@dataclass(slots=True)
class Presences:
    """By bare JID and resource."""

    _devices: dict[str, dict[str, _Device]] = field(default_factory=dict)

    def here(self, jid: str, resource: str, show: str) -> None:
        """A device is there, with this `show`."""
        availability = _SHOWS.get(show, Availability.AWAY)
        devices = self._devices.setdefault(jid, {})
        if resource in devices:
            devices[resource].availability = availability
        else:
            devices[resource] = _Device(availability=availability)

    def gone(self, jid: str, resource: str) -> None:
        """A device is there no more; with an empty resource, none is."""
        devices = self._devices.get(jid, {})
        devices.pop(resource, None)
        if not devices or not resource:
            self._devices.pop(jid, None)

    def nobody(self) -> None:
        """Nothing is known any more: the server is away."""
        self._devices.clear()

    def told(self, jid: str, resource: str, features: frozenset[str]) -> None:
        """What a device can; one that has gone meanwhile stays gone."""
        device = self._devices.get(jid, {}).get(resource)
        if device is not None:
            device.features = features

    def availability(self, jid: str) -> Availability:
        """A device that does not want to be disturbed speaks for its owner, wherever else they are logged in."""
        seen = {device.availability for device in self._devices.get(jid, {}).values()}
        order = (Availability.DND, Availability.AVAILABLE, Availability.AWAY)
        return next((each for each in order if each in seen), Availability.OFFLINE)

    def can(self, jid: str, feature: str) -> bool | None:
        """Whether one of the devices can do this; None where none has said yet."""
        told = [device.features for device in self._devices.get(jid, {}).values() if device.features is not None]
        return any(feature in features for features in told) if told else None
