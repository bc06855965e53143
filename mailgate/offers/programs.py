"""What programs do with offers: make one at the account's wish, page through them, look at one, take it back.

Making is safe to repeat: with an idempotency key the first request makes the offer, in one transaction with a note of
key and request, and each later one gets that offer. What is handed out holds links and PINs, which are the account's
own to give, and no number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.calls.model import Channel, Kind
from mailgate.errors import MailgateError
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.offer import Attempt, IllegalTransition, Offer, Terms
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import State
from mailgate.offers.view import View
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.offers import Answer
from mailgate.store.seal import Sealer
from tokens import coupon
from tokens.coupon import Purpose
from tokens.errors import KeyRingError
from tokens.keys import KeyRing

KEPT_S = 30 * 86400.0
"""How long a repetition is known for one."""
FROM_NOW = (1e18, "")
"""The place before the newest offer."""


class WishRefused(MailgateError):
    """What was wished for cannot be; `field` is a JSON pointer, `reason` a stable name."""

    def __init__(self, field: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.reason = reason


class KeyReused(MailgateError):
    """The idempotency key came with another request before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An offer to be made; None: as account and configuration have it. `address` and `number` are the offeree's, one
    of them at least; `valid_s` in seconds."""

    address: str = ""
    number: Channel | None = field(default=None, repr=False)
    destination: str | None = None
    language: str | None = None
    valid_s: float | None = None
    uses: int | None = None
    forwarding: Forwarding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOffer:
    """An offer as its account's programs see it. `token` is empty where its key has left the ring."""

    offer: Offer
    view: View
    token: str = field(repr=False)
    answers: tuple[Answer, ...] = field(default=(), repr=False)

    @property
    def number_end(self) -> str:
        """The last two digits of the offeree's number, where the account has given one."""
        number = self.offer.terms.offeree
        return number.address[-2:] if number is not None and number.kind is Kind.TEL else ""


class Programs:
    """Offers by program. `offers` makes and steps them, `ring` mints their tokens anew."""

    def __init__(
        self, *, store: Store, sealer: Sealer, ring: KeyRing, offers: Offers, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._ring = ring
        self._offers = offers
        self._now = now

    async def make(self, account: Account, wish: Wish, *, key: str = "", request: bytes = b"") -> tuple[str, bool]:
        """The id of the offer, and whether it was there already by this idempotency key and request.

        Raises WishRefused, KeyReused.
        """
        issued = self._offers.issuer.issue(
            self._terms(account, wish),
            valid_s=wish.valid_s,
            uses=wish.uses,
            forwarding=wish.forwarding or account.forwarding,
        )
        if issued.offer.forwarding is Forwarding.VERIFY and not wish.address:
            raise WishRefused("/offeree/address", "address-needed", "a code can be mailed to an address only")
        now, known_by = self._now(), self._sealer.digest(f"idempotent {key}")
        digest = hashlib.sha256(request).digest()

        def work(rows: Rows) -> tuple[str, bool]:
            if key:
                rows.run("purge_idempotent", before=now - KEPT_S)
                seen = rows.one("idempotent", account_id=account.account_id, key=known_by)
                if seen is not None and seen["request"] != digest:
                    raise KeyReused("the same Idempotency-Key came with another request before")
                if seen is not None:
                    return str(seen["offer_id"]), True
            self._refuse_suppressed(rows, wish)
            self._offers.put(rows, [issued.fresh()])
            offer_id = issued.offer.offer_id
            if key:
                rows.run(
                    "put_idempotent",
                    account_id=account.account_id,
                    key=known_by,
                    request=digest,
                    offer_id=offer_id,
                    at=now,
                )
            return offer_id, False

        return await self._store.transact(work)

    def find(self, account: Account, offer_id: str) -> ProgramOffer:
        """Raises UnknownOffer, also where it is another account's."""

        def work(rows: Rows) -> ProgramOffer:
            offer = rows_of.by_id(rows, self._sealer, offer_id)
            if offer is None or offer.terms.account_id != account.account_id:
                raise UnknownOffer("the account has no such offer")
            answers = tuple(rows_of.answers(rows, self._sealer, offer_id))
            return ProgramOffer(
                offer=offer, view=self._offers.seen(offer), token=self._token(rows, offer_id), answers=answers
            )

        return self._store.read(work)

    def page(
        self, account: Account, *, state: State | None = None, before: tuple[float, str] = FROM_NOW, most: int = 50
    ) -> list[ProgramOffer]:
        """The account's offers, the newest first, from behind `before`: creation time and id of the last one seen."""

        def work(rows: Rows) -> list[ProgramOffer]:
            found = rows_of.page(
                rows,
                self._sealer,
                account_id=account.account_id,
                state=state.value if state else None,
                before=before,
                most=most,
            )
            return [
                ProgramOffer(offer=offer, view=self._offers.seen(offer), token=self._token(rows, offer.offer_id))
                for offer in found
            ]

        return self._store.read(work)

    async def revoke(self, account: Account, offer_id: str) -> None:
        """Take it back; once is as good as twice. Raises UnknownOffer, IllegalTransition where it has ended."""
        self.find(account, offer_id)
        try:
            await self._offers.revoke(offer_id)
        except IllegalTransition:
            if self.find(account, offer_id).offer.state is not State.REVOKED:
                raise

    def calls(self, account: Account, offer_id: str) -> list[Attempt]:
        """Every attempt, the earliest first. Raises UnknownOffer."""
        self.find(account, offer_id)
        return self._store.read(lambda rows: rows_of.attempts(rows, self._sealer, offer_id))

    def _terms(self, account: Account, wish: Wish) -> Terms:
        destination = account.destination(wish.destination)
        if destination is None:
            names = ", ".join(each.name for each in account.destinations)
            raise WishRefused("/destination", "unknown-destination", f"the account's destinations are {names}")
        rules = self._offers.issuer.rules
        if wish.valid_s is not None and wish.valid_s > rules.longest_s:
            raise WishRefused("/valid_s", "too-long", f"an offer holds {rules.longest_s:.0f} seconds at the most")
        return Terms(
            account_id=account.account_id,
            offeror_name=account.display_name,
            destination_name=destination.display_name,
            destination=destination.channels,
            offeree_address=wish.address,
            offeree=wish.number,
            language=wish.language or account.language,
        )

    def _refuse_suppressed(self, rows: Rows, wish: Wish) -> None:
        if wish.address and rows_of.suppressed_address(rows, self._sealer, wish.address):
            raise WishRefused("/offeree/address", "suppressed", "whoever reads there has asked for no more offers")
        if wish.number and rows_of.suppressed(rows, self._sealer, wish.number):
            raise WishRefused("/offeree/number", "suppressed", "whoever answers there has asked not to be called")

    def _token(self, rows: Rows, offer_id: str) -> str:
        made = rows_of.coupon_of(rows, offer_id)
        if made is None:
            return ""
        try:
            key = self._ring.find(made.key_id)
        except KeyRingError:
            return ""
        return coupon.mint(key, offer_id=offer_id, purpose=Purpose.ACCEPT, generation=made.generation)
