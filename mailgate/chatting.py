"""Instant messages: built from the configuration, for `mailgate.serve`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mailgate.config import Config
from mailgate.configured import dial, time_zone
from mailgate.errors import ConfigError
from mailgate.keyfiles import load_ring, read_secret
from mailgate.networks import chat
from mailgate.networks.chat import ChatSettings
from mailgate.networks.xmpp_settings import StreamSettings, XmppSettings
from mailgate.offers.booking import Bookings
from mailgate.offers.chats import Chats
from mailgate.offers.heard import ChatRules
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import Offers
from mailgate.store import chats
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

if TYPE_CHECKING:
    from mailgate.networks.xmpp import XmppNetwork

COMPONENT_SERVER = "127.0.0.1:5347"
"""Where servers take components unless told otherwise."""


class Chatting:
    """One gateway's."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        own_order: OwnOrder,
        bookings: Bookings | None,
    ) -> None:
        """Raises ConfigError."""
        network = _network()
        self._store = store
        self._domains = frozenset(config.xmpp.same_address_domains)
        talks = Chats(
            offers,
            own_order=own_order,
            store=store,
            sealer=sealer,
            ring=load_ring(config.keys.token_file),
            bookings=bookings,
            dial=dial(config),
            texts=chat.texts(),
            words=chat.known_words(),
            rules=ChatRules(
                public_url=config.gateway.public_url,
                region=config.gateway.region,
                zone=time_zone(config),
                language=config.gateway.language,
            ),
            now=time.time,
        )
        settings = XmppSettings(
            stream=stream_settings(config),
            chat=ChatSettings(organisation=config.gateway.name, public_url=config.gateway.public_url),
            receipt_s=config.xmpp.receipt_s,
        )
        self.network = network(settings, talks, jid_of=self._jid_of, everyone=self._everyone)

    def run(self) -> asyncio.Task[None]:
        """Connects, and stays so until the task is cancelled."""
        return asyncio.create_task(self.network.run())

    def _jid_of(self, address: str) -> str:
        own = self._store.read(lambda rows: chats.address_of(rows, address)).removeprefix("xmpp:")
        return own or (address.lower() if address.lower().rpartition("@")[2] in self._domains else "")

    def _everyone(self) -> Iterable[str]:
        told = self._store.read(chats.addresses)
        found = [each.removeprefix("xmpp:") for each in told if each.startswith("xmpp:")]
        if self._domains:
            mail = self._store.read(chats.mail_addresses)
            found += [jid for each in mail if (jid := self._jid_of(each))]
        return dict.fromkeys(found)


def check(config: Config) -> None:
    """Raises ConfigError where a gateway with this configuration would not start for it."""
    if config.xmpp.enabled:
        _network()
        stream_settings(config)


def _network() -> type[XmppNetwork]:
    try:
        from mailgate.networks.xmpp import XmppNetwork  # other gateways need no slixmpp
    except ModuleNotFoundError as error:
        raise ConfigError("xmpp: needs slixmpp; run `pip install 'mailgate[xmpp]'`") from error
    return XmppNetwork


def stream_settings(config: Config) -> StreamSettings:
    """As what the gateway is on the network. Raises ConfigError."""
    wished = config.xmpp
    if wished.component:
        host, _, port = (wished.server or COMPONENT_SERVER).rpartition(":")
        return StreamSettings(
            jid=f"{wished.name}@{wished.component}",
            secret=read_secret(wished.secret_file),
            component=True,
            host=host,
            port=int(port),
        )
    host, _, port = wished.server.rpartition(":")
    return StreamSettings(
        jid=wished.jid,
        secret=read_secret(wished.password_file),
        component=False,
        host=host,
        port=int(port or 0),
        ca_file=wished.ca_file,
    )
