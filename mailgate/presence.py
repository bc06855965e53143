"""Who listens just now: open sockets by address, how their devices are, and messages that wait to be seen.

An open socket whose device is available is availability, while its owner talks on none of their SIP telephones; one
that is busy, or so, or away is shown things quietly, and counts
as nobody there; with do-not-disturb nothing is shown. What is told needs `shown` from one device of the party.

Known limit: one process: sockets of another gateway process are not seen here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from mailgate.accounts.model import Account
from mailgate.calls.model import Kind
from mailgate.listen.protocol import Status
from mailgate.offers import own_channels
from mailgate.offers.hours import Hours, within

log = logging.getLogger(__name__)

MOST_FOLLOWED = 50
"""Offers of which one socket is told what becomes of them; the oldest is left first."""


@dataclass(eq=False, slots=True, kw_only=True)
class OpenSocket:
    """A device that is signed in. `send` hands one text to the connection."""

    account: Account
    device_id: str
    name: str
    channels: tuple[str, ...] = field(repr=False)
    status: Status
    quiet_hours: Hours | None = None
    send: Callable[[str], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    followed: dict[str, Callable[[], None]] = field(default_factory=dict)
    sending: set[asyncio.Task[None]] = field(default_factory=set)

    def disturbed(self, at: float) -> bool:
        """Whether nothing is to be shown now."""
        return self.status == "dnd" or (self.quiet_hours is not None and within(self.quiet_hours, at))

    def say(self, text: str) -> None:
        """Send without waiting; a connection that is gone ends by itself."""
        task = asyncio.ensure_future(self.send(text))
        self.sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self.sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a socket took no message: %s", type(error).__name__)

    def follow(self, offer_id: str, stop: Callable[[], None]) -> None:
        """Keep `stop` for the end; of too many the oldest is stopped now."""
        while len(self.followed) >= MOST_FOLLOWED:
            self.leave(next(iter(self.followed)))
        self.followed[offer_id] = stop

    def leave(self, offer_id: str) -> None:
        if stop := self.followed.pop(offer_id, None):
            stop()


class Presence:
    """All open sockets of a process. `now` gives UNIX seconds."""

    def __init__(self, now: Callable[[], float], in_call: Callable[[str], bool] = lambda name: False) -> None:
        """`in_call` says of a SIP telephone that is registered here whether somebody talks on it."""
        self._now = now
        self._in_call = in_call
        self._by_address: dict[str, list[OpenSocket]] = {}
        self._open: set[OpenSocket] = set()
        self._unseen: dict[str, tuple[str, asyncio.Future[None]]] = {}  # message id → account, seen

    def __len__(self) -> int:
        return len(self._open)

    def everybody(self) -> Iterable[OpenSocket]:
        return tuple(self._open)

    def come(self, opened: OpenSocket) -> None:
        self._open.add(opened)
        for address in opened.account.addresses:
            self._by_address.setdefault(address.lower(), []).append(opened)

    def go(self, opened: OpenSocket) -> None:
        self._open.discard(opened)
        for address in opened.account.addresses:
            left = self._by_address.get(address.lower(), [])
            if opened in left:
                left.remove(opened)
            if not left:
                self._by_address.pop(address.lower(), None)
        for offer_id in tuple(opened.followed):
            opened.leave(offer_id)

    def of_account(self, account_id: str) -> list[OpenSocket]:
        return [each for each in self._open if each.account.account_id == account_id]

    def of_address(self, address: str) -> list[OpenSocket]:
        """Those that may be shown something now."""
        now = self._now()
        return [each for each in self._by_address.get(address.lower(), ()) if not each.disturbed(now)]

    def status(self, opened: OpenSocket) -> Status:
        """How the device is: as it says, and busy while its owner is in a call."""
        if opened.status != "available":
            return opened.status
        own = own_channels.ringing(opened.account)
        return "busy" if any(c.kind is Kind.SIP and self._in_call(c.address) for c in own) else "available"

    def anybody(self, address: str) -> bool:
        """Whether any socket of the address is open, however its device is."""
        return address.lower() in self._by_address

    def disturbed(self, address: str) -> bool:
        """Whether one of its devices says that nothing is to be shown now."""
        now = self._now()
        return any(each.disturbed(now) for each in self._by_address.get(address.lower(), ()))

    def available(self, address: str) -> bool:
        """Whether somebody is there: an open socket whose device says so, outside the hours of do-not-disturb."""
        return any(self.status(each) == "available" for each in self.of_address(address))

    async def seen(self, message_id: str, account_id: str, within_s: float) -> bool:
        """Whether a device of the account shows the message within that time. Ask before it is sent."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unseen[message_id] = (account_id, future)
        try:
            async with asyncio.timeout(within_s):
                await future
        except TimeoutError:
            return False
        finally:
            if self._unseen.get(message_id) == (account_id, future):
                del self._unseen[message_id]
        return True

    def shown(self, opened: OpenSocket, message_id: str) -> None:
        """A device has it on its screen; only the party's own devices can say so."""
        account_id, future = self._unseen.get(message_id, ("", None))
        if future is not None and account_id == opened.account.account_id and not future.done():
            future.set_result(None)
