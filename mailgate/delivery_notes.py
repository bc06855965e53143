"""What was delivered of a message whose client was told to try again, in the store: what smtp_hooks.split remembers.

A row for each recipient delivered to. A retry claims rows, one for each of its recipients; while it runs they are
held in memory, so that a second retry of an identical message cannot rely on the same ones. After a crash they are
there again, which is right: the retry was not acknowledged.

Known limits: one process holds the claims, the one that has the store's writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailgate.store.database import Row, Rows, Store

KEPT_S = 7 * 86400.0
"""Longer than any queue tries (RFC 5321, 4.5.4.1: 4 to 5 days)."""


@dataclass(slots=True, kw_only=True)
class DeliveryNotes:
    """Notes in the store. `now` gives seconds since the epoch."""

    store: Store
    now: Callable[[], float]
    any: bool = field(init=False)
    """Whether there may be notes; kept, so that the ordinary message asks nobody."""
    _held: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.any = self.store.read(_count) > 0

    async def claim(self, key: bytes, recipients: Sequence[str]) -> Mapping[str, int]:
        """Recipient → note for those that were delivered to, held until `keep` or `done`."""
        found = self.store.read(lambda rows: rows.all("delivery_notes_of", key=key))
        free: dict[str, int] = {}
        for row in found:
            if row["note"] not in self._held:
                free.setdefault(row["recipient"], row["note"])
        claim = {recipient: free[recipient] for recipient in recipients if recipient in free}
        self._held.update(claim.values())
        return claim

    async def keep(self, key: bytes, claim: Mapping[str, int], delivered: Sequence[str]) -> None:
        """Durable when this returns."""
        now = self.now()

        def write(rows: Rows) -> int:
            rows.run("delete_old_delivery_notes", before=now - KEPT_S)
            made = [{"key": key, "recipient": recipient, "at": now} for recipient in delivered]
            rows.run_many("insert_delivery_note", made)
            return _count(rows)

        try:
            if delivered:
                self.any = await self.store.transact(write) > 0
        finally:
            self._held.difference_update(claim.values())

    async def done(self, claim: Mapping[str, int]) -> None:
        """The notes of a complete retry go."""

        def write(rows: Rows) -> int:
            rows.run_many("delete_delivery_note", [{"note": note} for note in claim.values()])
            return _count(rows)

        try:
            self.any = await self.store.transact(write) > 0
        finally:
            self._held.difference_update(claim.values())


def _count(rows: Rows) -> int:
    row: Row | None = rows.one("count_delivery_notes")
    return int(row["notes"]) if row else 0
