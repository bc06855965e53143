"""Devices whose page is closed: kept signed in there, subscribed to their browser's push service, and woken.

A device that wants to be woken gets a key of its own, like every device that listens (mailgate.store.devices); its
browser keeps it as a cookie, and `mailgate account device` lists and removes it. A push says in a few words that there
is something to see: no number, no link, no token. Where it leads to, the page, connects and is shown the thing itself.
That a push service has taken a push is no delivery: it is one when a page says `shown` (mailgate.listening).

Known limits: a push that is not shown in time is not taken back, and may be read after the mail that went instead.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from mailgate import quiet
from mailgate.accounts.device import Device
from mailgate.accounts.model import Account
from mailgate.accounts.subscription import Subscription
from mailgate.errors import MailgateError
from mailgate.offers.hours import within
from mailgate.offers.notice import Notice
from mailgate.store import accounts, devices, pushes
from mailgate.store.database import Rows, Store
from mailgate.store.pushes import Pushed
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

MOST_OF_ACCOUNT = 20
KEPT_S = 4 * 3600.0
"""How long a push service may keep a push for a device that is off; what it tells of is in the mail by then."""
LONGEST_TITLE = 200
_STEP = 256
"""Payloads are filled up to a multiple of so many octets: their length tells a push service nothing of a name."""


class Sent(Enum):
    """What became of a push."""

    TAKEN = "taken"  # by the push service, for its device
    GONE = "gone"  # the subscription is no more
    FAILED = "failed"


class PushRefused(MailgateError):
    """A subscription is not taken; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push: `payload` is encrypted for the subscription, `topic` (32 characters at the most) replaces what waits
    under the same, `ttl_s` is how long it may wait."""

    subscription: Subscription
    payload: bytes = field(repr=False)
    topic: str
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A device that is subscribed now; `key` is empty where it had one before."""

    device_id: str
    key: str = field(repr=False)


Send = Callable[[Push], Awaitable[Sent]]
Judge = Callable[[str], Awaitable[None]]
"""Whether an endpoint may be sent to; raises a MailgateError."""


class Pushes:
    """All subscriptions of a store. `server_key` is the gateway's public key, as browsers take it; `say` gives what a
    notice says, title and text; `now` gives UNIX seconds."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        send: Send,
        judge: Judge,
        server_key: str,
        say: Callable[[Notice], tuple[str, str]],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._send = send
        self._judge = judge
        self.server_key = server_key
        self._say = say
        self._now = now

    # --- devices ------------------------------------------------------------------------------------------------

    def whose(self, key: str) -> tuple[Account, Device] | None:
        """Whose device has that key; None where it is nobody's (any more)."""

        def work(rows: Rows) -> tuple[Account, Device] | None:
            device = devices.by_key(rows, self._sealer, key)
            account = accounts.by_id(rows, self._sealer, device.account_id) if device and not device.url else None
            return (account, device) if account and device else None

        return self._store.read(work) if key else None

    def is_on(self, account: Account, device_id: str) -> bool:
        """Whether that device is woken."""
        return device_id in self._store.read(lambda rows: pushes.devices_of(rows, account.account_id))

    async def subscribe(self, account: Account, device_id: str, name: str, subscription: Subscription) -> Kept:
        """Wake that device of the account from now on, or a new one where `device_id` is empty. Raises PushRefused."""
        try:
            await self._judge(subscription.endpoint)
        except MailgateError as error:
            raise PushRefused(f"that push service is not sent to: {error}") from error
        key = "" if device_id else f"mgl-{secrets.token_urlsafe(24)}"
        made = Device(
            device_id=device_id or uuid.uuid4().hex,
            account_id=account.account_id,
            name=name[:80],
            created_at=self._now(),
        )

        def work(rows: Rows) -> None:
            others = pushes.devices_of(rows, account.account_id) - {made.device_id}
            if len(others) >= MOST_OF_ACCOUNT:
                raise PushRefused(f"{MOST_OF_ACCOUNT} devices of the account are woken already")
            if key:
                devices.insert(rows, self._sealer, made, key)
            pushed = Pushed(device_id=made.device_id, account_id=account.account_id, subscription=subscription)
            pushes.put(rows, self._sealer, pushed, self._now())

        await self._store.transact(work)
        log.info("device subscribed", extra={"action": "push_on", "device": made.device_id})
        return Kept(device_id=made.device_id, key=key)

    async def unsubscribe(self, account: Account, device_id: str) -> None:
        """Wake that device no more, and forget it."""
        await self._store.transact(lambda rows: devices.remove(rows, account.account_id, device_id))
        log.info("device unsubscribed", extra={"action": "push_off", "device": device_id})

    # --- waking -------------------------------------------------------------------------------------------------

    def reached(self, address: str) -> str:
        """The account of that address, where a device of it may be woken now; else empty."""

        def work(rows: Rows) -> str:
            account_id = pushes.account_of_address(rows, address)
            hours = quiet.kept(devices.quiet_of(rows, account_id)) if account_id else None
            return "" if hours is not None and within(hours, self._now()) else account_id

        return self._store.read(work)

    async def wake(self, notice: Notice) -> bool:
        """Push to every device of the party; whether a push service took one."""
        found = self._store.read(lambda rows: pushes.of_address(rows, self._sealer, notice.address))
        sent = await asyncio.gather(*(self._push(each, notice) for each in found))
        return Sent.TAKEN in sent

    async def _push(self, to: Pushed, notice: Notice) -> Sent:
        topic = topic_of(notice)
        push = Push(
            subscription=to.subscription,
            payload=payload(self._say(notice)[0], topic, notice.language),
            topic=topic,
            ttl_s=max(0.0, min(KEPT_S, notice.expires_at - self._now())),
        )
        sent = await self._send(push)
        log.info("pushed", extra={"device": to.device_id, "notice": notice.notice_id, "sent": sent.value})
        if sent is Sent.GONE:
            await self._store.transact(lambda rows: pushes.remove(rows, to.device_id))
        return sent


def topic_of(notice: Notice) -> str:
    """The same for the same notice, and telling nothing of it (RFC 8030, 5.4: 32 characters of base64url)."""
    return hashlib.sha256(notice.notice_id.encode()).hexdigest()[:32]


def payload(title: str, tag: str, language: str) -> bytes:
    """What the service worker shows: JSON, filled up with blanks."""
    told = json.dumps({"title": title[:LONGEST_TITLE], "tag": tag, "language": language}, ensure_ascii=False).encode()
    return told + b" " * (-len(told) % _STEP)
