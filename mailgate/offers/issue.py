"""A new offer with its coupon, made from the terms: nothing is stored here.

`Terms` → `Issued`: the offer as it will be stored, the token that goes to the offeree, and the fingerprint by which the
store finds it again. The token is known before anything is durable, so that a message can be changed and signed while
the store is still writing; it may move on only when the offer is durable. Pure: time and ids are functions given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.offers.forwarding import Forwarding
from mailgate.offers.fresh import Fresh, fresh
from mailgate.offers.offer import Offer, Terms
from tokens import coupon, pin
from tokens.coupon import Purpose
from tokens.keys import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What each new offer is given. Times in seconds."""

    valid_s: float = 14 * 86400.0
    uses: int = 1
    attempts: int = 10
    longest_s: float = 90 * 86400.0
    """The longest that an offeror may wish for."""
    pin_digits: int = 0
    """Digits of the PIN for who dials in; 0: nobody can. It is given when the offer is stored (see pins.py)."""
    pin_in_mail: bool = False
    """Whether the PIN goes into the mail too, where the account does not say."""
    forwarding: Forwarding = Forwarding.BIND
    """Who may take up an offer that was passed on, where neither account nor offer says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An offer that is yet to be stored. `fingerprint`: 32 octets; `key_id`: of the key that minted the token."""

    offer: Offer
    fingerprint: bytes
    key_id: str
    token: str = field(default="", repr=False)  # the store has no use for it

    def fresh(self) -> Fresh:
        """What the store takes."""
        return fresh(self.offer, fingerprint=self.fingerprint, key_id=self.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Makes offers by the rules, with tokens of the newest key."""

    ring: KeyRing
    rules: Rules
    now: Callable[[], float]
    new_id: Callable[[], str]

    def issue(
        self,
        terms: Terms,
        *,
        valid_s: float | None = None,
        uses: int | None = None,
        forwarding: Forwarding | None = None,
    ) -> Issued:
        """A new offer of a new id, valid from now; for `valid_s` where the offeror wishes so, as far as that may be.
        `uses` and `forwarding` as wished for, else by the rules."""
        now, key, offer_id = self.now(), self.ring.newest, self.new_id()
        token = coupon.mint(key, offer_id=offer_id, purpose=Purpose.ACCEPT)
        offer = Offer(
            offer_id=offer_id,
            terms=terms,
            created_at=now,
            expires_at=now + (self.rules.valid_s if valid_s is None else min(valid_s, self.rules.longest_s)),
            uses_left=self.rules.uses if uses is None else uses,
            attempts_left=self.rules.attempts,
            forwarding=forwarding or self.rules.forwarding,
        )
        return Issued(offer=offer, fingerprint=coupon.fingerprint(token), key_id=key.key_id, token=token)

    def pin(self, issued: Issued) -> str:
        """The PIN that the offer is most likely given: its first one, unless that is somebody else's when the offer is
        stored, which has the last word. Empty where offers get none."""
        if not self.rules.pin_digits:
            return ""
        key = self.ring.find(issued.key_id)
        return pin.mint(key, offer_id=issued.offer.offer_id, generation=0, digits=self.rules.pin_digits)
