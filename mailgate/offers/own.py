"""An offeror's own offers: signed in by a mailed link, listed, taken back, led elsewhere; and a switch for peace.

Signing in takes two things that go two ways: the link's secret by mail, and a proof of six digits that stays with the
browser that asked (and is shown there, for a link that is opened elsewhere). A mail scanner that opens the link and
presses its button has no proof; whoever asks in another's name gets no link. Both are good once, for LINK_S.

Of secrets the store holds keyed digests only. What is asked for an address of no account gets the same answer.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.offers.answer import Redirected
from mailgate.offers.events import Cancelled
from mailgate.offers.hours import parse
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import ENDED, WAITING
from mailgate.offers.verifying import Verifying
from mailgate.offers.view import View, view
from mailgate.store import accounts, outbox
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.offers import Answer
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

LINK_S = 900.0
SESSION_S = 12 * 3600.0
MOST_LINKS = 10
"""Links that are mailed to one account within PERIOD_S."""
PERIOD_S = 3600.0
PROOF_TRIES = 5
MOST_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOffer:
    """An offer as its offeror sees it: to whom, and what came of it; not whether the page was looked at."""

    view: View
    to: str
    created_at: float
    answers: tuple[Answer, ...] = field(repr=False)
    may_revoke: bool
    may_redirect: bool


class Own:
    """What an offeror does with offers. `new_secret` gives 24 characters or more that nobody can guess, `new_proof`
    six digits."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        now: Callable[[], float],
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(24),
        new_proof: Callable[[], str] = lambda: f"{secrets.randbelow(1_000_000):06}",
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._now = now
        self._new_secret = new_secret
        self._new_proof = new_proof
        self.verifying = Verifying(store=store, sealer=sealer, codes=offers.codes, now=now)

    # --- signing in and out -------------------------------------------------------------------------------------

    async def ask(self, address: str) -> str:
        """Mail a link to the account of that address, where there is one; the proof to keep, in any case."""
        proof, secret, now = self._new_proof(), self._new_secret(), self._now()
        typed = address.strip().lower()

        def work(rows: Rows) -> str:
            account = accounts.by_address(rows, self._sealer, typed)
            if account is None:
                return "sign-in asked for no account's address"
            asked = rows.one("sign_ins_since", account_id=account.account_id, since=now - PERIOD_S)
            if asked is not None and asked["count"] >= MOST_LINKS:
                return "sign-in asked for too often"
            self._put_link(rows, account, typed, secret, proof)
            return "sign-in link mailed"

        log.info(await self._store.transact(work))
        return proof

    def _put_link(self, rows: Rows, account: Account, address: str, secret: str, proof: str) -> None:
        now, digest = self._now(), self._digest("link", secret)
        rows.run("purge_sign_ins", before=now - 2 * PERIOD_S)
        rows.run(
            "put_sign_in",
            digest=digest,
            account_id=account.account_id,
            proof=self._digest("proof", proof),
            tries_left=PROOF_TRIES,
            now=now,
            expires_at=now + LINK_S,
        )
        notice = Notice(
            notice_id=f"sign-in.{digest.hex()[:32]}",
            kind=Kind.SIGN_IN,
            address=address,
            language=account.language,
            created_at=now,
            expires_at=now + LINK_S,
            values={"secret": secret},
        )
        outbox.put(rows, self._sealer, notice)

    async def sign_in(self, secret: str, proof: str) -> str | None:
        """A new session's key; None where link and proof do not belong together, or are too old, or were used."""
        session, now, digest = self._new_secret(), self._now(), self._digest("link", secret)

        def work(rows: Rows) -> bool:
            row = rows.one("sign_in", digest=digest, now=now)
            if row is None:
                return False
            if not hmac.compare_digest(row["proof"], self._digest("proof", proof.strip())):
                rows.run("try_sign_in", digest=digest)
                return False
            rows.run("spend_sign_in", digest=digest)
            rows.run("purge_sessions", now=now)
            rows.run(
                "put_session",
                digest=self._digest("session", session),
                account_id=row["account_id"],
                now=now,
                expires_at=now + SESSION_S,
            )
            return True

        signed_in = await self._store.transact(work)
        log.info("signed in" if signed_in else "sign-in refused")
        return session if signed_in else None

    async def sign_out(self, session: str) -> None:
        digest = self._digest("session", session)
        await self._store.transact(lambda rows: rows.run("delete_session", digest=digest))

    def account(self, session: str) -> Account | None:
        """Whose session that is; None where it is nobody's (any more)."""
        if not session:
            return None
        digest, now = self._digest("session", session), self._now()

        def work(rows: Rows) -> Account | None:
            row = rows.one("session", digest=digest, now=now)
            return None if row is None else accounts.by_id(rows, self._sealer, row["account_id"])

        return self._store.read(work)

    def form_key(self, session: str) -> str:
        """What each form of a session's pages holds: a form of somebody else's making does not."""
        return self._digest("form", session).hex()[:32]

    # --- the offers ---------------------------------------------------------------------------------------------

    def list(self, account: Account) -> list[OwnOffer]:
        """The newest MOST_SHOWN offers, the newest first."""
        now = self._now()

        def work(rows: Rows) -> list[OwnOffer]:
            found = rows_of.recent(rows, self._sealer, account_id=account.account_id, most=MOST_SHOWN)
            return [_own(rows, self._sealer, offer, now) for offer in found]

        return self._store.read(work)

    async def revoke(self, account: Account, offer_id: str) -> None:
        """Raises UnknownOffer (also where it is another's), IllegalTransition."""
        self._owned(account, offer_id)
        await self._offers.revoke(offer_id)

    async def redirect(self, account: Account, offer_id: str, destination: str) -> None:
        """Let the call lead to another of the account's destinations. Raises as `revoke`; and UnknownOffer where the
        account has no destination of that name."""
        self._owned(account, offer_id)
        to = account.destination(destination)
        if to is None:
            raise UnknownOffer("the account has no such destination")
        event = Redirected(destination_name=to.display_name, destination=to.channels)
        await self._offers.apply(offer_id, event)

    async def cancel(self, account: Account, offer_id: str) -> None:
        """Give up the time at which a call was booked; the offer stays. Raises as `revoke`."""
        self._owned(account, offer_id)
        await self._offers.apply(offer_id, Cancelled())

    async def set_hours(self, account: Account, *, hours: str, time_zone: str, rings_first: bool) -> None:
        """When calls may be booked; empty: the gateway's usual hours. Raises BadHours."""
        written = hours.strip()
        if written or time_zone:
            parse(written or "Mon 9-10", time_zone)  # a zone alone is judged with any hours
        await self._store.transact(
            lambda rows: accounts.set_hours(
                rows, account.account_id, hours=written, time_zone=time_zone, rings_first=rings_first
            )
        )
        log.info("hours changed", extra={"account": account.account_id})

    async def set_do_not_disturb(self, account: Account, on: bool) -> None:
        await self._store.transact(lambda rows: accounts.set_do_not_disturb(rows, account.account_id, on))
        log.info("do not disturb", extra={"account": account.account_id, "on": on})

    def _owned(self, account: Account, offer_id: str) -> Offer:
        found = self._store.read(lambda rows: rows_of.by_id(rows, self._sealer, offer_id))
        if found is None or found.terms.account_id != account.account_id:
            raise UnknownOffer("the account has no such offer")
        return found

    def _digest(self, use: str, secret: str) -> bytes:
        return self._sealer.digest(f"{use} {secret}")


def _own(rows: Rows, sealer: Sealer, offer: Offer, now: float) -> OwnOffer:
    shown = view(offer, now)
    return OwnOffer(
        view=shown,
        to=offer.terms.offeree_shown,
        created_at=offer.created_at,
        answers=tuple(rows_of.answers(rows, sealer, offer.offer_id)),
        may_revoke=shown.state not in ENDED and offer.closing is None,
        may_redirect=shown.state in WAITING,
    )
