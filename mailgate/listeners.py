"""Listening applications and the ways to everybody: built from the configuration, for `mailgate.serve`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from mailgate import gate
from mailgate.config import Config
from mailgate.configured import dial
from mailgate.listening import Listeners, ListeningSettings
from mailgate.networks import mail
from mailgate.networks.said import said
from mailgate.networks.socket import Caller, CallingSettings, SocketNetwork
from mailgate.networks.ways import Ways
from mailgate.offers.making import Making
from mailgate.offers.notice import Network, Notice
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import Offers
from mailgate.offers.ways import Way
from mailgate.store import devices
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from tokens.keys import KeyRing


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
    """The gateway's side of listening applications, told of every offer that a message carries. Raises ConfigError."""
    wished = config.listening
    making = Making(
        store=store, sealer=sealer, ring=ring, rules=gate.offer_rules(config), now=time.time, new_id=gate.new_id
    )
    found = Listeners(
        store=store,
        sealer=sealer,
        offers=offers,
        making=making,
        own_order=own_order,
        dial=dial(config),
        say=partial(said, settings=words, languages=mail.words()),
        settings=ListeningSettings(
            public_url=config.gateway.public_url,
            region=config.gateway.region,
            ack_s=wished.ack_s,
            most_sockets=wished.most_sockets,
            most_of_account=wished.most_of_account,
        ),
        now=time.time,
        posted=posted,
        in_call=in_call,
    )
    if wished.enabled:
        offers.on_kept = found.kept
        offers.on_withdrawn = found.withdrawn
    return found


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
        beside=found.beside,
        went=went,
    )
