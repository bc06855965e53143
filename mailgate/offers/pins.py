"""PINs of offers: given when an offer is made, shown on its page, and taken from who dials in.

A PIN is unique among the offers that have not ended; where the digits are taken the next generation is tried. A right
PIN begins an attempt whose leg 1 is the channel that waits in Asterisk: from there on it is a call like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from mailgate.calls.model import Channel, Kind
from mailgate.errors import MailgateError
from mailgate.offers.guesses import Guesses
from mailgate.store import pins as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens import pin as digits_of
from tokens.errors import KeyRingError
from tokens.keys import KeyRing

log = logging.getLogger(__name__)

_GENERATIONS = 50  # tried for an offer: in vain only where nearly all PINs are taken

Verdict = Literal["come", "wrong", "no"]
Accept = Callable[[str, Channel], Awaitable[object]]
"""`accept(offer_id, leg1)` begins an attempt; raises MailgateError where it cannot begin now."""


class Pins:
    """All PINs of a gateway; `digits` 0: offers get none."""

    def __init__(self, *, store: Store, sealer: Sealer, ring: KeyRing, digits: int, now: Callable[[], float]) -> None:
        self._store = store
        self._sealer = sealer
        self._ring = ring
        self._digits = digits
        self._guesses = Guesses(now)

    def give(self, rows: Rows, offer_ids: Iterable[str]) -> None:
        """A PIN for each of the new offers, in their transaction."""
        if not self._digits:
            return
        key = self._ring.newest
        for offer_id in offer_ids:
            for generation in range(_GENERATIONS):
                pin = digits_of.mint(key, offer_id=offer_id, generation=generation, digits=self._digits)
                if rows_of.offer_id_of(rows, self._sealer, pin) is None:
                    rows_of.put(rows, self._sealer, pin, offer_id=offer_id, key_id=key.key_id, generation=generation)
                    break
            else:
                log.error("no PIN is free: make them longer", extra={"action": "pins_exhausted", "offer": offer_id})

    def of(self, offer_id: str) -> str:
        """The offer's PIN, "" where it has none."""
        if not self._digits:
            return ""
        made_from = self._store.read(lambda rows: rows_of.made_from(rows, offer_id))
        if made_from is None:
            return ""
        try:
            key = self._ring.find(made_from[0])
        except KeyRingError:
            return ""
        pin = digits_of.mint(key, offer_id=offer_id, generation=made_from[1], digits=self._digits)
        # Made while PINs had another length, or passed on to another offer since this one ended.
        holder = self._store.read(lambda rows: rows_of.offer_id_of(rows, self._sealer, pin))
        return pin if holder == offer_id else ""

    async def dialled(self, pin: str, caller: str, channel: str, accept: Accept) -> Verdict:
        """What becomes of a call that came in with these digits; `channel` is where it waits."""
        if not self._digits or not self._guesses.allowed(caller):
            log.warning("a PIN was not looked at", extra={"action": "pin_limit"})
            return "no"
        offer_id = self._store.read(lambda rows: rows_of.offer_id_of(rows, self._sealer, pin))
        if offer_id is None:
            self._guesses.wrong(caller)
            return "wrong"
        try:
            await accept(offer_id, Channel(Kind.DIAL_IN, channel))
        except (MailgateError, ValueError) as error:
            log.info("a PIN came too late: %s", error, extra={"action": "pin_late", "offer": offer_id})
            return "no"
        return "come"
