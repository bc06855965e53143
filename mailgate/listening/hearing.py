"""What a listening application says, done with the rights of who reads its owner's mail, by the same services as the
offer's page. What a device may see and do is bound to its account's addresses.

Several devices of one person: whoever accepts first has the call (the store's compare-and-set), the others are told by
which device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from mailgate import quiet as quiet_hours
from mailgate.accounts.model import Account
from mailgate.calls.model import Channel
from mailgate.calls.model import Kind as ChannelKind
from mailgate.calls.pairs import Way
from mailgate.errors import CallRefused, MailgateError
from mailgate.listen import protocol
from mailgate.listen.protocol import Accept, Decline, Hello, Make, Malformed, Presence, Refused, Reply, Shown
from mailgate.listening.screens import Screens
from mailgate.listening.settings import ListeningSettings
from mailgate.offers import hours as hours_of
from mailgate.offers import own_channels
from mailgate.offers.answer import Reason
from mailgate.offers.answers import NothingSaid
from mailgate.offers.making import Making, MakingRefused
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.presence import OpenSocket
from mailgate.store import devices
from mailgate.store.database import Store
from mailgate.store.devices import Quiet
from mailgate.store.seal import Sealer

Dial = Callable[[str, str], Channel]


class Hearing:
    """`posted` is called when a notice waits in the outbox."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        making: Making,
        own_order: OwnOrder,
        dial: Dial,
        settings: ListeningSettings,
        now: Callable[[], float],
        posted: Callable[[], None],
        screens: Screens,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._making = making
        self._own_order = own_order
        self._dial = dial
        self._settings = settings
        self._now = now
        self._posted = posted
        self._screens = screens
        self._present = screens.present

    async def heard(self, opened: OpenSocket, message: protocol.FromDevice) -> None:
        """Do it. Raises Malformed."""
        match message:
            case Shown():
                self._present.shown(opened, message.id)
            case Presence():
                await self._presence(opened, message)
            case Make():
                await self._make(opened, message)
            case Accept() | Decline() | Reply():
                await self._answer(opened, message)
            case Hello():
                raise Malformed("a second hello")
            case _:
                assert_never(message)

    async def _presence(self, opened: OpenSocket, message: Presence) -> None:
        was_quiet = opened.disturbed(self._now())
        opened.status = message.status
        if message.hours is not None:
            quiet = Quiet(hours=message.hours.strip(), zone=message.zone or "UTC")
            try:
                hours = quiet_hours.read(quiet)
            except hours_of.BadHours as error:
                opened.say(Refused(about="presence", reason="hours", text=str(error)).wire())
                return
            account_id = opened.account.account_id
            await self._store.transact(lambda rows: devices.put_quiet(rows, account_id, quiet))
            for each in self._present.of_account(account_id):
                each.quiet_hours = hours
        if was_quiet and not opened.disturbed(self._now()):
            self._screens.show_waiting(opened)

    async def _make(self, opened: OpenSocket, message: Make) -> None:
        try:
            made = await self._store.transact(
                lambda rows: self._making.put(rows, opened.account, message.to, message.destination)
            )
        except MakingRefused as error:
            opened.say(Refused(about="make", reason=error.reason, text=str(error)).wire())
            return
        self._posted()
        self._screens.follow(opened, made.offer_id)
        url = f"{self._settings.public_url}/a/{made.token}"
        opened.say(protocol.Made(offer=made.offer_id, to=message.to, url=url).wire())

    async def _answer(self, opened: OpenSocket, message: Accept | Decline | Reply) -> None:
        offer_id = message.offer

        def no(reason: str, text: str) -> None:
            opened.say(Refused(about=message.type, offer=offer_id, reason=reason, text=text).wire())

        try:
            if self._offers.offeree_of(offer_id) not in opened.account.addresses:
                raise UnknownOffer("another's offer")
            token = self._offers.token_of(offer_id)
            if offer_id not in opened.followed:
                self._screens.follow(opened, offer_id)
            match message:
                case Accept():
                    await self._accept(opened, token, message)
                case Decline():
                    reason = Reason(message.reason) if message.reason else None
                    await self._offers.answers.decline(token, reason, message.text)
                case Reply():
                    await self._offers.answers.reply(token, message.text)
        except CallRefused as error:
            no(error.reason, str(error))
        except NothingSaid:
            no("empty", "say a reason, or a word")
        except IllegalTransition as error:
            by = self._screens.taken_by.get(offer_id, "")
            no(
                "taken" if by else "too-late",
                f"{by} was first" if by else f"the offer has moved on ({error.state.value})",
            )
        except MailgateError:
            no("unknown", "there is no such offer for this account")

    def _owners(self, account: Account, wished: str) -> str:
        """The channel that was wished for, as it is typed; one of the account's own where it is named by its mark."""
        if not wished.startswith(own_channels.OWN):
            return wished
        channel = own_channels.of_mark(self._sealer, account, wished.removeprefix(own_channels.OWN))
        if channel is None:
            raise CallRefused("no-channel", "the account has no such channel that rings")
        return channel.address if channel.kind is ChannelKind.TEL else channel.uri

    async def _accept(self, opened: OpenSocket, token: str, message: Accept) -> None:
        before = self._screens.taken_by.get(message.offer)
        self._screens.taken_by.setdefault(message.offer, opened.name)
        try:
            browser = f"device {opened.account.account_id}"
            if message.channel:
                leg1 = self._dial(self._owners(opened.account, message.channel), self._settings.region)
                await self._offers.accept(token, leg1, browser=browser, proven=True)
            elif opened.channels:
                await self._own_order.accept(token, self._named(opened.account, opened.channels), browser=browser)
            else:
                await self._own_order.accept_listed(token, browser=browser)
        except MailgateError:
            if before is None and self._screens.taken_by.get(message.offer) == opened.name:
                self._screens.taken_by.pop(message.offer, None)
            raise

    def _named(self, account: Account, channels: Sequence[str]) -> list[Way]:
        """A device's channels as far as they may be dialled. Raises CallRefused where none may."""
        found: list[Way] = []
        refusals: list[CallRefused] = []
        for channel in channels:
            try:
                typed = self._owners(account, channel)
                found.append(Way(channel=self._dial(typed, self._settings.region)))
            except CallRefused as error:
                refusals.append(error)
        if refusals and not found:
            raise refusals[0]
        return found
