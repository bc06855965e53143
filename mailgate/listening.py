"""The server's side of listening applications: they sign in, are shown offers and news at once, and answer.

A `Link` is one connection, whichever side has opened it. `Listeners.serve` runs it from hello to end: signs the device
in, shows it the offers that wait for its owner, and does what it says with the rights of who reads the owner's mail, by
the same services as the offer's page. What a device may see and do is bound to its account's addresses.

Several devices of one person: whoever accepts first has the call (the store's compare-and-set), the others are told by
which device. Nothing here is the only way: what no device shows in time goes another way (mailgate.networks.ways).

Known limits: an address that is added to an account counts from the device's next connection.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, assert_never

from mailgate import quiet as quiet_hours
from mailgate.accounts.device import Device
from mailgate.accounts.model import Account
from mailgate.calls.model import Channel
from mailgate.calls.model import Kind as ChannelKind
from mailgate.errors import CallRefused, MailgateError
from mailgate.listen import protocol
from mailgate.listen.proof import device_proof, gateway_proof, same
from mailgate.listen.protocol import Accept, Changed, Decline, Hello, Make, Malformed, Presence, Refused, Reply, Shown
from mailgate.offers import hours as hours_of
from mailgate.offers import own_channels
from mailgate.offers.answer import Reason
from mailgate.offers.answers import NothingSaid
from mailgate.offers.issue import Issued
from mailgate.offers.making import Making, MakingRefused
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own_channels import OwnChannel
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.offers.view import View
from mailgate.presence import OpenSocket
from mailgate.presence import Presence as Present
from mailgate.pushing import Pushes
from mailgate.store import accounts, devices
from mailgate.store.database import Rows, Store
from mailgate.store.devices import Quiet
from mailgate.store.seal import Sealer
from tokens.errors import TokenError

log = logging.getLogger(__name__)

HELLO_S = 10.0
"""How long a connection may take to sign in."""
MOST_WAITING = 20
"""Offers that a device is shown when it comes, the newest."""

_BY_SESSION = "session."
_OFFERS = frozenset({Kind.OFFERED, Kind.MISSED_CALL})

Dial = Callable[[str, str], Channel]
Say = Callable[[Notice], tuple[str, str]]
"""What a notice says, in its language: a title and a text."""


class Link(Protocol):
    """One connection. Each text is one message."""

    async def send(self, text: str) -> None:
        """Raises an exception where the connection is gone."""

    async def receive(self) -> str | None:
        """The next message; None at the end."""

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningSettings:
    """`ack_s`: how long a device may take to show what it is sent, `push_s` one whose page is woken first; `public_url`
    has no slash at its end; `region` is where numbers without a country code belong."""

    public_url: str
    region: str
    ack_s: float = 5.0
    push_s: float = 20.0
    most_sockets: int = 20_000
    most_of_account: int = 20


class Listeners:
    """All listening applications of a gateway. `posted` is called when a notice waits in the outbox; `pushes` wakes
    pages that are closed, where there is such."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        making: Making,
        dial: Dial,
        say: Say,
        settings: ListeningSettings,
        now: Callable[[], float],
        posted: Callable[[], None],
        pushes: Pushes | None = None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._making = making
        self._dial = dial
        self._say = say
        self._settings = settings
        self._now = now
        self._posted = posted
        self._taken_by: dict[str, str] = {}  # offer → the device that accepted
        self._connections = 0
        self._woken_for: dict[str, Notice] = {}
        self.pushes = pushes
        self.present = Present(now)

    # --- what is told -------------------------------------------------------------------------------------------

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
        if there and not any(each.status == "available" for each in there):
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

    def kept(self, issued: Issued) -> None:
        """A message carries an offer to its recipient: who listens there is shown it at once."""
        terms = issued.offer.terms
        there = self.present.of_address(terms.offeree_address)
        if there:
            self._show_offer(issued.offer.offer_id, issued.token, there)

    def withdrawn(self, offer_id: str) -> None:
        """The message of an offer that was shown has not gone out."""
        gone = Changed(offer=offer_id, state="revoked", may_accept=False, in_call=False).wire()
        for each in self.present.everybody():
            if offer_id in each.followed:
                each.say(gone)
                each.leave(offer_id)

    def recheck(self, signed_out: str = "") -> None:
        """Close sockets of devices that have been removed; and of the sessions of an account that has `signed_out` in
        one browser, of which the others come back by themselves."""
        there = self.present.everybody()
        if there:
            known = self._store.read(devices.all_ids)
            for each in there:
                by_session = each.device_id.startswith(_BY_SESSION)
                if each.account.account_id == signed_out if by_session else each.device_id not in known:
                    task = asyncio.ensure_future(each.close())
                    each.sending.add(task)
                    task.add_done_callback(each.sending.discard)

    def _tell(self, notice: Notice, there: Sequence[OpenSocket]) -> None:
        token = notice.values.get("token", "")
        if notice.kind in _OFFERS and token:
            try:
                offer_id = self._offers.offer_id_of(token)
            except (TokenError, UnknownOffer):
                return
            self._show_offer(offer_id, token, there, notice)
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
                quiet=each.status != "available",
            )
            each.say(news.wire())

    def _show_offer(self, offer_id: str, token: str, there: Sequence[OpenSocket], notice: Notice | None = None) -> None:
        """`notice` is what is to be acknowledged; without one the offer is in a message already."""
        for each in there:
            try:
                view = self._follow(each, offer_id)
            except UnknownOffer:
                return
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
                url=f"{self._settings.public_url}/a/{token}",
                expires_at=view.expires_at,
                state=view.state.value,
                on_line=view.on_line,
                quiet=each.status != "available",
            )
            each.say(message.wire())

    def _follow(self, opened: OpenSocket, offer_id: str) -> View:
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
            by=self._taken_by.get(view.offer_id, "") if view.in_call else "",
        )
        opened.say(changed.wire())
        if not view.in_call:
            self._taken_by.pop(view.offer_id, None)
        if view.state in ENDED:
            opened.leave(view.offer_id)

    # --- a connection -------------------------------------------------------------------------------------------

    async def serve(self, link: Link, *, account_id: str = "", device_id: str = "") -> None:
        """A connection that a device has opened; `account_id`: whose it is, where it has signed in already, by a
        session or as that device."""
        await self._run(link, partial(self._sign_in, link, account_id, device_id))

    async def call(self, link: Link, device: Device) -> None:
        """A connection that the gateway has opened to a device's own socket."""
        await self._run(link, partial(self._challenge, link, device))

    async def _run(self, link: Link, sign_in: Callable[[], Awaitable[OpenSocket | None]]) -> None:
        if self._connections >= self._settings.most_sockets:
            await link.close(1013, "too many listen already")
            return
        self._connections += 1
        opened: OpenSocket | None = None
        try:
            async with asyncio.timeout(HELLO_S):
                opened = await sign_in()
            if opened is not None:
                await self._serve(link, opened)
        except (TimeoutError, Malformed) as error:
            log.info("a listening application was cut off: %s", error or "no hello", extra={"action": "listener_cut"})
            await link.close(1008, f"{error}"[:100] or "no hello")
        finally:
            self._connections -= 1
            if opened is not None:
                self.present.go(opened)
                log.info("listener gone", extra={"action": "listener_gone", "device": opened.device_id})

    async def _sign_in(self, link: Link, account_id: str, device_id: str) -> OpenSocket | None:
        text = await link.receive()
        hello = protocol.from_device(text) if text is not None else None
        if not isinstance(hello, Hello):
            await link.close(1008, "the first message is a hello")
            return None
        if account_id:
            device = Device(
                device_id=device_id or f"{_BY_SESSION}{secrets.token_hex(8)}",
                account_id=account_id,
                name=hello.name or "browser",
                created_at=self._now(),
            )
        else:
            found = self._store.read(lambda rows: devices.by_key(rows, self._sealer, hello.key))
            if found is None or found.url:
                log.info("a device with a wrong key", extra={"action": "listener_refused"})
                await link.send(Refused(about="hello", reason="key", text="this key is not known (any more)").wire())
                await link.close(1008, "key")
                return None
            device = found
        return await self._welcome(link, device, hello)

    async def _challenge(self, link: Link, device: Device) -> OpenSocket | None:
        nonce = secrets.token_hex(16)
        await link.send(protocol.Call(nonce=nonce).wire())
        text = await link.receive()
        hello = protocol.from_device(text) if text is not None else None
        if not isinstance(hello, Hello) or not same(hello.proof, device_proof(device.key, nonce, hello.nonce)):
            log.warning("who answers at a device's socket has not its key", extra={"device": device.device_id})
            await link.close(1008, "proof")
            return None
        return await self._welcome(link, device, hello, gateway_proof(device.key, nonce, hello.nonce))

    async def _welcome(self, link: Link, device: Device, hello: Hello, proof: str = "") -> OpenSocket | None:
        def work(rows: Rows) -> tuple[Account | None, Quiet]:
            devices.seen(rows, device.device_id, self._now())
            return accounts.by_id(rows, self._sealer, device.account_id), devices.quiet_of(rows, device.account_id)

        account, quiet = await self._store.transact(work)
        if account is None or len(self.present.of_account(device.account_id)) >= self._settings.most_of_account:
            await link.close(1013, "too many devices")
            return None
        opened = OpenSocket(
            account=account,
            device_id=device.device_id,
            name=hello.name or device.name,
            channels=hello.channels,
            status=hello.status,
            quiet_hours=quiet_hours.kept(quiet),
            send=link.send,
            close=partial(link.close, 1008, "key"),
        )
        welcome = protocol.Welcome(
            address=opened.account.addresses[0],
            name=opened.account.display_name,
            device=opened.name,
            ack_s=self._settings.ack_s,
            proof=proof,
        )
        await link.send(welcome.wire())
        self.present.come(opened)
        log.info("listener here", extra={"action": "listener_here", "device": device.device_id})
        return opened

    async def _serve(self, link: Link, opened: OpenSocket) -> None:
        self._show_waiting(opened)
        for notice in tuple(self._woken_for.values()):  # under the id that is waited for
            if notice.address.lower() in opened.account.addresses:
                self._tell(notice, [] if opened.disturbed(self._now()) else [opened])
        while (text := await link.receive()) is not None:
            await self._heard(opened, protocol.from_device(text))

    def _show_waiting(self, opened: OpenSocket) -> None:
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
            try:
                self._show_offer(offer_id, self._offers.token_of(offer_id), [opened])
            except MailgateError as error:
                log.warning("an offer cannot be shown: %s", error, extra={"offer": offer_id})

    # --- what a device says -------------------------------------------------------------------------------------

    async def _heard(self, opened: OpenSocket, message: protocol.FromDevice) -> None:
        match message:
            case Shown():
                self.present.shown(opened, message.id)
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
            for each in self.present.of_account(account_id):
                each.quiet_hours = hours
        if was_quiet and not opened.disturbed(self._now()):
            self._show_waiting(opened)

    async def _make(self, opened: OpenSocket, message: Make) -> None:
        try:
            made = await self._store.transact(
                lambda rows: self._making.put(rows, opened.account, message.to, message.destination)
            )
        except MakingRefused as error:
            opened.say(Refused(about="make", reason=error.reason, text=str(error)).wire())
            return
        self._posted()
        self._follow(opened, made.offer_id)
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
                self._follow(opened, offer_id)
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
            by = self._taken_by.get(offer_id, "")
            no(
                "taken" if by else "too-late",
                f"{by} was first" if by else f"the offer has moved on ({error.state.value})",
            )
        except MailgateError:
            no("unknown", "there is no such offer for this account")

    def own_channels(self, account: Account) -> list[OwnChannel]:
        """By what the account's owner can be called, as their own page may show it."""
        return own_channels.named(self._sealer, account)

    def _owners(self, account: Account, wished: str) -> str:
        """The channel that was wished for, as it is typed; one of the account's own where it is named by its mark."""
        if not wished.startswith(own_channels.OWN):
            return wished
        channel = own_channels.of_mark(self._sealer, account, wished.removeprefix(own_channels.OWN))
        if channel is None:
            raise CallRefused("no-channel", "the account has no such channel that rings")
        return channel.address if channel.kind is ChannelKind.TEL else channel.uri

    async def _accept(self, opened: OpenSocket, token: str, message: Accept) -> None:
        wished = message.channel or next(iter(opened.channels), "")
        if not wished:
            raise CallRefused("no-channel", "this device has named no way to call its owner")
        leg1 = self._dial(self._owners(opened.account, wished), self._settings.region)
        before = self._taken_by.get(message.offer)
        self._taken_by.setdefault(message.offer, opened.name)
        try:
            await self._offers.accept(token, leg1, browser=f"device {opened.account.account_id}", proven=True)
        except MailgateError:
            if before is None and self._taken_by.get(message.offer) == opened.name:
                self._taken_by.pop(message.offer, None)
            raise


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
