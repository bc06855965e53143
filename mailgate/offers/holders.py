"""Whose an offer is to take up: hands made of what a press shows, and the code that proves the original recipient.

The rules are in `mailgate.offers.forwarding`. The code goes to the address that the offer went to, and only where that
address was typed (the page does not hold it); the same answer is given whether it was the right one or not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from mailgate.calls.model import Channel, Kind
from mailgate.offers.codes import Codes
from mailgate.offers.events import Event, Proven
from mailgate.offers.forwarding import BROWSER, NUMBER, Forwarding, Hand, Standing, standing
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.notice import Notice
from mailgate.offers.offer import IllegalTransition, Offer
from mailgate.offers.view import View
from mailgate.store import outbox
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

_FORGET_S = 86400.0
_MARK_HEX = 20
"""Hexadecimal digits of a mark: 80 bits, of an offer's few holders."""
_LAST_DIGITS = 8
"""Of a number: enough to know it again, written with or without its country."""


class Holders:
    """Hands, standings and proofs. `find` and `apply` are those of mailgate.offers.service.Offers."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        codes: Codes,
        find: Callable[[str], Offer],
        apply: Callable[[str, Event], Awaitable[View]],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._codes = codes
        self._find = find
        self._apply = apply
        self._now = now

    def hand(self, offer_id: str, browser: str, channel: Channel | None = None, caller: str = "") -> Hand:
        """The marks of a browser (the text of its cookie) and of a telephone (a channel, or a caller's number)."""
        number = channel.uri if channel and channel.kind is Kind.SIP else ""
        digits = channel.address if channel and channel.kind is Kind.TEL else caller
        plain = "".join(c for c in digits if c.isdecimal())
        return Hand(
            browser=self._mark(BROWSER, offer_id, browser),
            number=self._mark(NUMBER, offer_id, number or plain[-_LAST_DIGITS:]),
        )

    def bar(self, view: View, browser: str) -> str:
        """Why the page shows this browser no way to take the offer up: `unverified` (the destination), `unproven`,
        `stranger`; "" where there is one, or nothing is to be taken up."""
        if not view.may_accept:
            return ""
        if not view.reachable:
            return "unverified"
        if view.forwarding is Forwarding.BEARER or (view.forwarding is Forwarding.BIND and not view.holders):
            return ""
        found = standing(view.forwarding, view.holders, self.hand(view.offer_id, browser))
        return "" if found is Standing.HOLDER else found.value

    async def ask_code(self, token: str, address: str) -> None:
        """Mail a code to the offeree, where `address` is the offeree's. Raises TokenError, UnknownOffer."""
        offer = self._find(token)
        if not address.strip() or address.strip().lower() != offer.terms.offeree_address.lower():
            log.info("holder's code asked for another address", extra={"offer": offer.offer_id})
            return
        now = self._now()

        def work(rows: Rows) -> bool:
            code = self._codes.make(rows, _subject(offer), forget_s=_FORGET_S)
            if code is None:
                return False
            notice = Notice(
                notice_id=f"{offer.offer_id}.holder.{int(now)}",
                kind=NoticeKind.HOLDER_CODE,
                address=offer.terms.offeree_address,
                language=offer.terms.language,
                created_at=now,
                expires_at=code.expires_at,
                values={"code": code.digits, "offeror": offer.terms.offeror_name},
            )
            outbox.put(rows, self._sealer, notice)
            return True

        mailed = await self._store.transact(work)
        log.info("holder's code mailed" if mailed else "code asked for too often", extra={"offer": offer.offer_id})

    async def confirm(self, token: str, code: str, browser: str) -> bool:
        """Let this browser take the offer up; False where that is not the code. Raises TokenError, UnknownOffer."""
        offer = self._find(token)

        def work(rows: Rows) -> bool:
            fits = self._codes.fits(rows, _subject(offer), code)
            if fits:
                self._codes.spend(rows, _subject(offer))
            return fits

        if not await self._store.transact(work):
            log.info("wrong holder's code", extra={"offer": offer.offer_id})
            return False
        try:
            await self._apply(offer.offer_id, Proven(browser=self.hand(offer.offer_id, browser).browser))
        except IllegalTransition:  # a call is under way, or the offer is over: the page says so
            log.info("holder's code came too late", extra={"offer": offer.offer_id})
        return True

    def _mark(self, kind: str, offer_id: str, what: str) -> str:
        return f"{kind}{self._sealer.digest(f'holder {offer_id} {what}').hex()[:_MARK_HEX]}" if what else ""


def _subject(offer: Offer) -> str:
    return f"holder {offer.offer_id}"
