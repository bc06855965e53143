"""Hours of do-not-disturb, as the store keeps them, to be asked of a moment."""

from __future__ import annotations

import logging

from mailgate.offers import hours as hours_of
from mailgate.offers.hours import Hours
from mailgate.store.devices import Quiet

log = logging.getLogger(__name__)


def read(quiet: Quiet) -> Hours | None:
    """None: there are none. Raises BadHours."""
    return hours_of.parse(quiet.hours, quiet.zone or "UTC") if quiet.hours else None


def kept(quiet: Quiet) -> Hours | None:
    """The same of what was stored once: what cannot be read (any more) disturbs nobody's offers."""
    try:
        return read(quiet)
    except hours_of.BadHours:
        log.warning("hours of do-not-disturb cannot be read")
        return None
