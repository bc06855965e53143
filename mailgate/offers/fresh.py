"""A new offer in plain values: as the store takes it, and as a frame between processes holds it. Pure.

An `Offer` is for what happens to it; of one that was just made only this is told, thousands of times a second.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from mailgate.calls.model import Channel
from mailgate.offers.offer import Offer


class Fresh(NamedTuple):
    """Open, untouched, its coupon the first. Times in UNIX seconds; `fingerprint` in hexadecimal; `destination` a JSON
    list of URIs, `offeree` an URI."""

    offer_id: str
    account_id: str
    fingerprint: str
    key_id: str
    created_at: float
    expires_at: float
    uses_left: int
    attempts_left: int
    forwarding: str
    offeror_name: str
    destination_name: str
    destination: str
    offeree_address: str
    offeree_name: str
    offeree: str | None
    language: str
    message_id: str

    def __repr__(self) -> str:  # numbers stay out of logs
        return f"Fresh({self.offer_id!r})"


def fresh(offer: Offer, *, fingerprint: bytes, key_id: str) -> Fresh:
    """Of an offer to which nothing has happened yet."""
    terms = offer.terms
    return Fresh(
        offer.offer_id,
        terms.account_id,
        fingerprint.hex(),
        key_id,
        offer.created_at,
        offer.expires_at,
        offer.uses_left,
        offer.attempts_left,
        offer.forwarding.value,
        terms.offeror_name,
        terms.destination_name,
        uris(terms.destination),
        terms.offeree_address,
        terms.offeree_name,
        terms.offeree.uri if terms.offeree else None,
        terms.language,
        terms.message_id,
    )


@lru_cache(maxsize=4096)  # the offers of an account lead to the same place
def uris(channels: tuple[Channel, ...]) -> str:
    """A JSON list."""
    return json.dumps([channel.uri for channel in channels])
