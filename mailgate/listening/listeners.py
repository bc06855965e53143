"""Connections with listening applications: they sign in, are shown offers and news at once, and answer.

A `Link` is one connection, whichever side has opened it. `Listeners.serve` runs it from hello to end: signs the device
in, shows it the offers that wait for its owner, and does what it says with the rights of who reads the owner's mail, by
the same services as the offer's page.

Known limits: an address that is added to an account counts from the device's next connection.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from mailgate import quiet as quiet_hours
from mailgate.accounts.device import Device
from mailgate.accounts.model import Account
from mailgate.listen import protocol
from mailgate.listen.proof import device_proof, gateway_proof, same
from mailgate.listen.protocol import Hello, Malformed, Refused
from mailgate.listening.hearing import Hearing
from mailgate.listening.screens import Screens
from mailgate.listening.settings import Link, ListeningSettings
from mailgate.offers import own_channels
from mailgate.offers.own_channels import OwnChannel
from mailgate.presence import OpenSocket
from mailgate.store import accounts, devices
from mailgate.store.database import Rows, Store
from mailgate.store.devices import Quiet
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

HELLO_S = 10.0
"""How long a connection may take to sign in."""
_BY_SESSION = "session."


class Listeners:
    """All listening applications of a gateway: what they are shown is `screens`', what they say is `hearing`'s."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        screens: Screens,
        hearing: Hearing,
        settings: ListeningSettings,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._settings = settings
        self._now = now
        self._connections = 0
        self.screens = screens
        self.pushes = screens.pushes
        self._present = screens.present
        self._hearing = hearing

    def recheck(self, signed_out: str = "") -> None:
        """Close sockets of devices and accounts that have been removed; and of the sessions of an account that has
        `signed_out` in one browser, of which the others come back by themselves."""
        there = self._present.everybody()
        if not there:
            return

        def work(rows: Rows) -> tuple[set[str], set[str]]:
            wanted = {each.account.account_id for each in there}
            return devices.all_ids(rows), {each for each in wanted if accounts.exists(rows, each)}

        known, standing = self._store.read(work)
        for each in there:
            whose = each.account.account_id
            by_session = each.device_id.startswith(_BY_SESSION)
            if whose not in standing or (whose == signed_out if by_session else each.device_id not in known):
                task = asyncio.ensure_future(each.close())
                each.sending.add(task)
                task.add_done_callback(each.sending.discard)

    def own_channels(self, account: Account) -> list[OwnChannel]:
        """By what the account's owner can be called, as their own page may show it."""
        return own_channels.named(self._sealer, account)

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
                self._present.go(opened)
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
        if account is None or len(self._present.of_account(device.account_id)) >= self._settings.most_of_account:
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
        self._present.come(opened)
        log.info("listener here", extra={"action": "listener_here", "device": device.device_id})
        return opened

    async def _serve(self, link: Link, opened: OpenSocket) -> None:
        self.screens.show_waiting(opened)
        self.screens.show_woken(opened)
        while (text := await link.receive()) is not None:
            await self._hearing.heard(opened, protocol.from_device(text))
