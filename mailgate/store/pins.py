"""PINs of offers in the store: keyed digests only, each of one offer that has not ended."""

from __future__ import annotations

import json

from mailgate.offers.table import ENDED
from mailgate.store.database import Rows
from mailgate.store.seal import Sealer

_ENDED = json.dumps(sorted(state.value for state in ENDED))


def offer_id_of(rows: Rows, sealer: Sealer, pin: str) -> str | None:
    """The offer that the PIN is of now."""
    row = rows.one("offer_id_of_pin", digest=_digest(sealer, pin), ended=_ENDED)
    return None if row is None else str(row["offer_id"])


def put(rows: Rows, sealer: Sealer, pin: str, *, offer_id: str, key_id: str, generation: int) -> None:
    rows.run("put_pin", digest=_digest(sealer, pin), offer_id=offer_id, key_id=key_id, generation=generation)


def made_from(rows: Rows, offer_id: str) -> tuple[str, int] | None:
    """Key and generation that the offer's PIN is made from; None where it has none."""
    row = rows.one("pin_of_offer", offer_id=offer_id)
    return None if row is None else (row["key_id"], row["generation"])


def _digest(sealer: Sealer, pin: str) -> bytes:
    return sealer.digest(f"pin {pin}")
