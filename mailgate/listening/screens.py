"""What listening applications are shown: offers and news at once, what becomes of an offer, what waits for who comes.

Nothing here is the only way: what no device shows in time goes another way (mailgate.networks.ways).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from mailgate.errors import MailgateError
from mailgate.listen import protocol
from mailgate.listen.protocol import Changed
from mailgate.listening.settings import ListeningSettings, Say
from mailgate.offers.fresh import Fresh
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.offers.view import View
from mailgate.presence import OpenSocket, Presence
from mailgate.pushing import Pushes
from mailgate.store import devices
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens.errors import TokenError

log = logging.getLogger(__name__)

MOST_WAITING = 20
"""Offers that a device is shown when it comes, the newest."""

_OFFERS = frozenset({Kind.OFFERED, Kind.MISSED_CALL})


class Screens:
    """The screens of all devices that are here; `pushes` wakes pages that are closed, where there is such."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        say: Say,
        settings: ListeningSettings,
        now: Callable[[], float],
        present: Presence,
        pushes: Pushes | None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._say = say
        self._settings = settings
        self._now = now
        self._woken_for: dict[str, Notice] = {}
        self.taken_by: dict[str, str] = {}
        """Offer → the device that accepted."""
        self.present = present
        self.pushes = pushes

    def available(self, address: str) -> bool:
        """Whether whoever reads that mailbox listens just now, or can be woken."""
        return self.present.available(address) or (not self.present.anybody(address) and self._may_wake(address) != "")

    def _may_wake(self, address: str) -> str:
        """Whose closed page may be woken now: an account's id, or nothing."""
        if self.pushes is None or self.present.disturbed(address):
            return ""
        return self.pushes.reached(address)

    async def show(self, notice: Notice) -> bool:
        """Show a notice on the party's devices; whether one of them has it on its screen in time."""
        there = self.present.of_address(notice.address)
        if there and not any(self.present.status(each) == "available" for each in there):
            self.beside(notice)
            return False
        return bool(there and await self._shown(notice, there)) or await self._woken(notice)

    async def _shown(self, notice: Notice, there: Sequence[OpenSocket]) -> bool:
        waiting = asyncio.ensure_future(
            self.present.seen(notice.notice_id, there[0].account.account_id, self._settings.ack_s)
        )
        await asyncio.sleep(0)  # it listens before anything is sent
        self._tell(notice, there)
        return await waiting

    async def _woken(self, notice: Notice) -> bool:
        """Wake the party's pages; whether one of them, opened by then or now, shows it in time."""
        account_id = self._may_wake(notice.address)
        if not account_id or self.pushes is None:
            return False
        self._woken_for[notice.notice_id] = notice
        seen = asyncio.ensure_future(self.present.seen(notice.notice_id, account_id, self._settings.push_s))
        await asyncio.sleep(0)  # it listens before anybody is woken
        try:
            return await self.pushes.wake(notice) and await seen
        finally:
            del self._woken_for[notice.notice_id]
            seen.cancel()

    def beside(self, notice: Notice) -> None:
        """Show it where somebody listens, and wait for nothing."""
        self._tell(notice, self.present.of_address(notice.address))

    def kept(self, fresh: Fresh) -> None:
        """A message carries an offer to its recipient: who listens there is shown it at once."""
        there = self.present.of_address(fresh.offeree_address)
        if there:
            self._show_offer(fresh.offer_id, there)

    def withdrawn(self, offer_id: str) -> None:
        """The message of an offer that was shown has not gone out."""
        gone = Changed(offer=offer_id, state="revoked", may_accept=False, in_call=False).wire()
        for each in self.present.everybody():
            if offer_id in each.followed:
                each.say(gone)
                each.leave(offer_id)

    def _tell(self, notice: Notice, there: Sequence[OpenSocket]) -> None:
        token = notice.values.get("token", "")
        if notice.kind in _OFFERS and token:
            try:
                offer_id = self._offers.offer_id_of(token)
            except (TokenError, UnknownOffer):
                return
            self._show_offer(offer_id, there, notice)
            return
        if not there:
            return
        title, text = self._say(notice)
        for each in there:
            news = protocol.News(
                id=notice.notice_id,
                kind=notice.kind.value,
                title=title,
                text=text,
                url=f"{self._settings.public_url}/my",
                quiet=self.present.status(each) != "available",
            )
            each.say(news.wire())

    def _show_offer(self, offer_id: str, there: Sequence[OpenSocket], notice: Notice | None = None) -> None:
        """`notice` is what is to be acknowledged; without one the offer is in a message already.

        The token is minted again, since a mail worker that has made the offer keeps it to itself.
        """
        if not there:
            return
        try:
            url = f"{self._settings.public_url}/a/{self._offers.token_of(offer_id)}"
            views = [self.follow(each, offer_id) for each in there]
        except MailgateError as error:
            log.warning("an offer cannot be shown: %s", error, extra={"offer": offer_id})
            return
        for each, view in zip(there, views, strict=True):
            said = notice or _offered(view, each.account.addresses[0], each.account.language, self._now())
            title, text = self._say(said)
            message = protocol.OfferMessage(
                id=said.notice_id,
                offer=offer_id,
                offeror=view.offeror_name,
                destination=view.destination_name,
                language=view.language,
                title=title,
                text=text,
                url=url,
                expires_at=view.expires_at,
                state=view.state.value,
                on_line=view.on_line,
                quiet=self.present.status(each) != "available",
            )
            each.say(message.wire())

    def follow(self, opened: OpenSocket, offer_id: str) -> View:
        """What becomes of the offer is told to that device from now on. Raises UnknownOffer."""
        opened.leave(offer_id)
        view, stop = self._offers.follow(offer_id, partial(self._changed, opened))
        opened.follow(offer_id, stop)
        return view

    def _changed(self, opened: OpenSocket, view: View) -> None:
        changed = Changed(
            offer=view.offer_id,
            state=view.state.value,
            may_accept=view.may_accept,
            in_call=view.in_call,
            outcome=view.outcome.value if view.outcome and not view.in_call else "",
            on_line=view.on_line,
            by=self.taken_by.get(view.offer_id, "") if view.in_call else "",
            falls=view.falls,
        )
        opened.say(changed.wire())
        if not view.in_call:
            self.taken_by.pop(view.offer_id, None)
        if view.state in ENDED:
            opened.leave(view.offer_id)

    def show_waiting(self, opened: OpenSocket) -> None:
        """What could be accepted when the device was away."""

        def work(rows: Rows) -> list[str]:
            found = [
                offer
                for address in opened.account.addresses
                for offer in devices.waiting_offers(rows, self._sealer, address, self._now(), MOST_WAITING)
            ]
            found.sort(key=lambda offer: offer.created_at)
            return [offer.offer_id for offer in found[-MOST_WAITING:]]

        if opened.disturbed(self._now()):
            return
        for offer_id in self._store.read(work):
            self._show_offer(offer_id, [opened])

    def show_woken(self, opened: OpenSocket) -> None:
        """What a device was woken for, under the id that is waited for."""
        for notice in tuple(self._woken_for.values()):
            if notice.address.lower() in opened.account.addresses:
                self._tell(notice, [] if opened.disturbed(self._now()) else [opened])


def _offered(view: View, address: str, language: str, now: float) -> Notice:
    """An offer that a message carries, as a notice for the screen alone."""
    return Notice(
        notice_id=f"{view.offer_id}.shown",
        kind=Kind.OFFERED,
        address=address,
        language=language,
        created_at=now,
        expires_at=view.expires_at,
        values={"offeror": view.offeror_name, "token": "", "reply_to": ""},
    )
