"""Listening applications and the ways to everybody: built from the configuration, for `mailgate.serve`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from mailgate import gate, push_key
from mailgate.config import Config
from mailgate.configured import dial
from mailgate.errors import ConfigError
from mailgate.keyfiles import load_push_key, write_secret
from mailgate.listening import Hearing, Listeners, ListeningSettings, Say, Screens
from mailgate.networks import mail
from mailgate.networks.said import said
from mailgate.networks.socket import Caller, CallingSettings, SocketNetwork
from mailgate.networks.ways import Ways
from mailgate.networks.webhook import WebhookNetwork
from mailgate.offers.making import Making
from mailgate.offers.notice import Network, Notice
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import Offers
from mailgate.offers.ways import Way
from mailgate.presence import Presence
from mailgate.pushing import Pushes
from mailgate.store import devices
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from tokens.keys import KeyRing

log = logging.getLogger(__name__)


def listeners(
    config: Config,
    words: mail.MailSettings,
    *,
    store: Store,
    sealer: Sealer,
    ring: KeyRing,
    offers: Offers,
    own_order: OwnOrder,
    posted: Callable[[], None],
    in_call: Callable[[str], bool] = lambda name: False,
) -> Listeners:
    """The gateway's side of listening applications, told of every offer that a message carries. Raises ConfigError.

    `posted` is called when a notice waits in the outbox; `in_call` tells of a SIP telephone whether it is busy.
    """
    wished = config.listening
    making = Making(
        store=store, sealer=sealer, ring=ring, rules=gate.offer_rules(config), now=time.time, new_id=gate.new_id
    )
    say = partial(said, settings=words, languages=mail.words())
    settings = ListeningSettings(
        public_url=config.gateway.public_url,
        region=config.gateway.region,
        ack_s=wished.ack_s,
        push_s=wished.push_s,
        most_sockets=wished.most_sockets,
        most_of_account=wished.most_of_account,
    )
    screens = Screens(
        store=store,
        sealer=sealer,
        offers=offers,
        say=say,
        settings=settings,
        now=time.time,
        present=Presence(time.time, in_call),
        pushes=pushes(config, store=store, sealer=sealer, say=say, contact=words.from_address),
    )
    hearing = Hearing(
        store=store,
        sealer=sealer,
        offers=offers,
        making=making,
        own_order=own_order,
        dial=dial(config),
        settings=settings,
        now=time.time,
        posted=posted,
        screens=screens,
    )
    if wished.enabled:
        offers.on_kept = screens.kept
        offers.on_withdrawn = screens.withdrawn
    return Listeners(store=store, sealer=sealer, screens=screens, hearing=hearing, settings=settings, now=time.time)


def pushes(config: Config, *, store: Store, sealer: Sealer, say: Say, contact: str) -> Pushes | None:
    """What wakes closed pages; None where it is not wanted, or has no key and cannot make one. Raises ConfigError."""
    wished = config.listening
    if not (wished.enabled and wished.push):
        return None
    path = wished.push_key_file
    try:
        if not path.exists():  # an installation from before there were pushes
            write_secret(path, push_key.generate())
            log.info("made a key for Web Push", extra={"action": "push_key_made", "file": str(path)})
    except ConfigError as error:
        log.warning("closed pages are not woken: %s", error, extra={"action": "no_push"})
        return None
    key = load_push_key(path)
    from mailgate.networks.push import PushNetwork  # loads a good deal, which a gateway without pushes needs not

    hooks = WebhookNetwork(inside=wished.push_inside, ca_file=wished.push_ca_file)
    network = PushNetwork(key, contact=contact, hooks=hooks, now=time.time)
    return Pushes(
        store=store,
        sealer=sealer,
        send=network.send,
        judge=network.judge,
        server_key=push_key.public_text(key),
        say=say,
        now=time.time,
    )


@contextlib.asynccontextmanager
async def calling(config: Config, found: Listeners, store: Store, sealer: Sealer) -> AsyncIterator[None]:
    """Connect to devices that listen at sockets of their own, where that is allowed."""
    wished = config.listening
    if not wished.enabled or not wished.call_out:
        yield
        return
    caller = Caller(
        found,
        lambda: store.read(lambda rows: devices.to_call(rows, sealer)),
        CallingSettings(allowed=wished.call_out, ca_file=wished.call_out_ca_file),
    )
    task = asyncio.create_task(caller.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def ways(
    found: Listeners,
    store: Store,
    *,
    by_mail: Network,
    by_telephone: Network,
    others: Mapping[Way, tuple[Network, Callable[[str], bool]]] | None = None,
) -> Ways:
    """All networks as one. `others`: further ones, each with whether it reaches an address just now."""
    socket = SocketNetwork(found)
    reaching = {way: reaches for way, (_, reaches) in (others or {}).items()} | {Way.SOCKET: socket.reaches}

    def reaches(way: Way, notice: Notice) -> bool:
        if way is Way.TELEPHONE:
            return bool(notice.values.get("telephone"))
        return way in reaching and reaching[way](notice.address)

    async def went(notice_id: str, way: Way) -> None:
        await store.transact(lambda rows: devices.went_by(rows, notice_id, way.value))

    networks: dict[Way, Network] = {Way.SOCKET: socket, Way.TELEPHONE: by_telephone, Way.MAIL: by_mail}
    networks |= {way: network for way, (network, _) in (others or {}).items()}
    return Ways(
        networks,
        reaches=reaches,
        order=lambda address: store.read(lambda rows: devices.networks_of(rows, address)),
        beside=found.screens.beside,
        went=went,
    )
