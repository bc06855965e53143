"""Slots in the store: a row for each offer that has one. Each function takes the rows of a transaction or of a read."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mailgate.calls.model import Channel
from mailgate.offers.offer import Offer
from mailgate.offers.slots import Missed, Slot, Taken
from mailgate.offers.table import IN_CALL, State
from mailgate.store.database import Rows
from mailgate.store.seal import Sealer

_IN_CALL = json.dumps(sorted(state.value for state in IN_CALL))


def follow(rows: Rows, sealer: Sealer, seen: Offer, changed: Offer) -> None:
    """Bring the slot's row to where the step has led; part of the swap."""
    slot, waits = changed.slot, changed.state is State.BOOKED
    if slot is None:
        if seen.slot is not None:
            rows.run("delete_slot", offer_id=seen.offer_id)
        return
    if slot == seen.slot and waits == (seen.state is State.BOOKED):
        return
    rows.run(
        "put_slot",
        offer_id=seen.offer_id,
        waits=int(waits),
        start=slot.start,
        minutes=slot.minutes,
        zone=slot.zone,
        leg1=sealer.seal(slot.leg1.uri, f"slots {seen.offer_id}"),
        destination_first=int(slot.destination_first),
        mail=int(slot.mail),
        sequence=slot.sequence,
        attempt_id=slot.attempt_id,
        missed=slot.missed.value if slot.missed else None,
    )


def of(rows: Rows, sealer: Sealer, offer_id: str) -> Slot | None:
    row = rows.one("slot_of", offer_id=offer_id)
    if row is None:
        return None
    return Slot(
        start=row["start"],
        minutes=row["minutes"],
        zone=row["zone"],
        leg1=Channel.parse(sealer.open(row["leg1"], f"slots {offer_id}")),
        destination_first=bool(row["destination_first"]),
        mail=bool(row["mail"]),
        sequence=row["sequence"],
        attempt_id=row["attempt_id"],
        missed=Missed(row["missed"]) if row["missed"] else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlot:
    """A slot whose time has come."""

    offer_id: str
    start: float


def due(rows: Rows, now: float, most: int) -> list[DueSlot]:
    """Booked slots whose time has come, the longest due first."""
    return [DueSlot(**row) for row in rows.all("slots_due", now=now, most=most)]


def taken(rows: Rows, offer: Offer, *, after: float, before: float) -> Taken:
    """What others have taken between two moments, as far as it stands in the way of this offer."""
    found = rows.all(
        "slots_between",
        offer_id=offer.offer_id,
        account_id=offer.terms.account_id,
        destination_name=offer.terms.destination_name,
        after=after,
        before=before,
    )
    return Taken(slots={(row["start"], row["minutes"]): (row["every"], row["own"]) for row in found})


def calls_under_way(rows: Rows) -> int:
    """How many calls there are now, from the first ring on."""
    row = rows.one("count_in_states", states=_IN_CALL)
    return 0 if row is None else int(row["offers"])
