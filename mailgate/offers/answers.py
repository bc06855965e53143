"""What offerees say that is no call: decline, answer, "not me". What was said is stored with the step it makes.

"Not me" ends more than one offer, so it takes more than holding the coupon: the address that the offer went to is
typed (the page does not hold it), a code is mailed there, and the code typed. The same answer is given whether the
address was the right one or not. How often codes are mailed and guessed is bounded for each offer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from mailgate.accounts.model import Account, NoticesBy
from mailgate.calls.model import SEES
from mailgate.errors import MailgateError
from mailgate.offers import slot_notices
from mailgate.offers.answer import Declined, News, Notify, NotMe, Reason, Replied, clean
from mailgate.offers.codes import Codes
from mailgate.offers.events import Effect, Event, name_of
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.offer import IllegalTransition, Offer
from mailgate.offers.view import View
from mailgate.store import accounts, outbox
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

NOTICE_S = 5 * 86400.0
"""How long a notice is tried: RFC 5321, 4.5.4.1 gives four to five days."""


class NothingSaid(MailgateError):
    """Neither a reason nor a word."""


class Answers:
    """The answers to a gateway's offers. `find` and `apply` are those of mailgate.offers.service.Offers."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        find: Callable[[str], Offer],
        apply: Callable[[str, Event], Awaitable[View]],
        now: Callable[[], float],
        codes: Codes,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._find = find
        self._apply = apply
        self._now = now
        self._codes = codes

    async def decline(self, token: str, reason: Reason | None, text: str) -> View:
        """Raises NothingSaid, TokenError, UnknownOffer, IllegalTransition."""
        said = clean(text)
        if reason is None and not said:
            raise NothingSaid("why?")
        return await self._apply(self._find(token).offer_id, Declined(reason=reason or Reason.OTHER, text=said))

    async def reply(self, token: str, text: str) -> View:
        """Raises NothingSaid, TokenError, UnknownOffer, IllegalTransition."""
        said = clean(text)
        if not said:
            raise NothingSaid("what?")
        return await self._apply(self._find(token).offer_id, Replied(text=said))

    def suppressed(self, token: str) -> bool:
        """Whether whoever reads the offeree's mailbox wants no offers there. Raises TokenError, UnknownOffer."""
        address = self._find(token).terms.offeree_address
        return self._store.read(lambda rows: rows_of.suppressed_address(rows, self._sealer, address))

    async def ask_code(self, token: str, address: str) -> None:
        """Mail a code to the offeree, where `address` is the offeree's. Raises TokenError, UnknownOffer."""
        offer = self._find(token)
        if address.strip().lower() != offer.terms.offeree_address.lower():
            log.info("code asked for another address", extra={"offer": offer.offer_id})
            return
        now = self._now()

        def work(rows: Rows) -> bool:
            code = self._codes.make(rows, offer.offer_id)
            if code is None:
                return False
            notice = Notice(
                notice_id=f"{offer.offer_id}.code.{code.count}",
                kind=Kind.CODE,
                address=offer.terms.offeree_address,
                language=offer.terms.language,
                created_at=now,
                expires_at=code.expires_at,
                values={"code": code.digits},
            )
            outbox.put(rows, self._sealer, notice)
            return True

        mailed = await self._store.transact(work)
        log.info("code mailed" if mailed else "code asked for too often", extra={"offer": offer.offer_id})

    async def confirm(self, token: str, code: str) -> bool:
        """Suppress the offeree's address, and end the offer; False where that is not the code.

        Raises TokenError, UnknownOffer.
        """
        offer = self._find(token)
        now = self._now()
        if not await self._store.transact(lambda rows: self._codes.fits(rows, offer.offer_id, code)):
            log.info("wrong code", extra={"offer": offer.offer_id})
            return False
        try:
            await self._apply(offer.offer_id, NotMe())
        except IllegalTransition:  # the offer has ended already; the wish holds all the same
            await self._store.transact(lambda rows: _never_again(rows, self._sealer, offer, now))
        log.info("address suppressed", extra={"offer": offer.offer_id})
        return True


def record(rows: Rows, sealer: Sealer, offer: Offer, event: Event, effects: Iterable[Effect], now: float) -> None:
    """Write down what was said in the step that led to `offer`, and what the offeror is to be told of it.

    Runs in the step's own transaction.
    """
    match event:
        case Declined(reason=reason, text=text):
            rows_of.put_answer(rows, sealer, offer, event=name_of(event).value, reason=reason, text=text, at=now)
        case Replied(text=text):
            rows_of.put_answer(rows, sealer, offer, event=name_of(event).value, reason=None, text=text, at=now)
        case NotMe():
            _never_again(rows, sealer, offer, now)
        case _:
            pass
    for effect in effects:
        if isinstance(effect, Notify):
            _put_notice(rows, sealer, offer, effect, now)


def _never_again(rows: Rows, sealer: Sealer, offer: Offer, now: float) -> None:
    rows_of.suppress_address(rows, sealer, offer.terms.offeree_address, now=now, reason="not-me")
    Codes.spend(rows, offer.offer_id)


def _put_notice(rows: Rows, sealer: Sealer, offer: Offer, told: Notify, now: float) -> None:
    terms = offer.terms
    account = accounts.by_id(rows, sealer, terms.account_id)
    if told.slot is not None:
        for each in slot_notices.notices(offer, account, told, told.slot, now):
            outbox.put(rows, sealer, each)
        return
    if account is None:
        return  # it was removed: nobody is there to be told
    spoken = account.notices_by is NoticesBy.TELEPHONE and told.news is not News.MISSED
    notice = Notice(
        notice_id=f"{offer.offer_id}.{offer.version}",
        kind=Kind(told.news.value),
        address=account.addresses[0],
        language=account.language,
        created_at=now,
        expires_at=now + NOTICE_S,
        values={
            "offeree": terms.offeree_shown,
            "destination": terms.destination_name,
            "reason": told.reason.value if told.reason else "",
            "text": told.text,
            "outcome": told.outcome.value if told.outcome else "",
            "message_id": terms.message_id,
            "offer": offer.offer_id,
            "offeree_language": terms.language,
            "telephone": _telephone(account) if spoken else "",
        },
    )
    outbox.put(rows, sealer, notice)


def _telephone(account: Account) -> str:
    """What is rung to tell the account's owner something; "" where they have a browser alone."""
    return next((c.uri for c in account.destinations[0].channels if c.kind not in SEES), "")
