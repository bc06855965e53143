"""One connection to an XMPP server at a time, as a component or a client account, made again whenever it is lost.

    stream = Stream(settings, on_message=…, on_presence=…, on_query=…, on_up=…, on_down=…)
    await stream.run()          until cancelled

Each connection is an object of slixmpp of its own: nothing of an earlier one is left in it. A peer that is gone without
a word is noticed by TCP (DEAD_S). slixmpp's own log is silent: it would tell texts and tokens.

Standards: RFC 6120 and 6121; XEP-0114 (component), which knows no TLS: loopback, or a network of its own. A client
account takes TLS with a certificate that is good for its domain, or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from xml.etree import ElementTree as ET

from slixmpp import JID, ClientXMPP, ComponentXMPP
from slixmpp.basexmpp import BaseXMPP
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from mailgate.networks.xmpp_settings import StreamSettings
from mailgate.networks.xmpp_stanzas import OWN_FEATURES, PING

log = logging.getLogger(__name__)
Kind = Literal["probe", "subscribe", "subscribed", "unsubscribed"]
logging.getLogger("slixmpp").setLevel(logging.CRITICAL + 1)

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
UP_S = 20.0
"""How long a connection may take until it is of use."""
DEAD_S = 30


class Stream:
    """The connection. The callbacks get stanzas of slixmpp; what they raise is logged."""

    def __init__(
        self,
        settings: StreamSettings,
        *,
        on_message: Callable[[Message], None],
        on_presence: Callable[[Presence], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._on_message = on_message
        self._on_presence = on_presence
        self._on_up = on_up
        self._on_down = on_down
        self._xmpp: BaseXMPP | None = None

    @property
    def up(self) -> bool:
        return self._xmpp is not None

    async def run(self) -> None:
        """Connect, and again, until cancelled."""
        delay = FIRST_DELAY_S
        while True:
            if await self._connection():
                delay = FIRST_DELAY_S
            await asyncio.sleep(delay)
            delay = min(LONGEST_DELAY_S, delay * 2)

    async def _connection(self) -> bool:
        """One connection from its beginning to its end; False where it came to nothing."""
        xmpp = self._new()
        began, ended = asyncio.Event(), asyncio.Event()
        why: list[str] = []

        def over(reason: Any) -> None:
            why.append(reason if isinstance(reason, str) else type(reason).__name__ if reason else "closed")
            ended.set()

        xmpp.add_event_handler("session_start", lambda _: began.set())
        for name in ("disconnected", "connection_failed", "failed_all_auth", "stream_error"):
            xmpp.add_event_handler(name, over)
        try:
            self._connect(xmpp)
            waiting = [asyncio.ensure_future(each.wait()) for each in (began, ended)]
            await asyncio.wait(waiting, timeout=UP_S, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            if ended.is_set() or not began.is_set() or not self._safe(xmpp):
                log.warning("XMPP: no connection", extra={"action": "xmpp_failed", "reason": "; ".join(why)[:160]})
                return False
            self._begin(xmpp)
            await ended.wait()
            log.warning("XMPP: connection lost", extra={"action": "xmpp_lost", "reason": "; ".join(why)[:160]})
            return True
        finally:
            if self._xmpp is xmpp:
                self._xmpp = None
                self._on_down()
            await close(xmpp)

    def _new(self) -> BaseXMPP:
        wished = self._settings
        if wished.component:
            xmpp: BaseXMPP = ComponentXMPP(  # type: ignore[no-untyped-call]
                wished.domain, wished.secret, wished.host, wished.port
            )
        else:
            client = ClientXMPP(wished.jid, wished.secret)
            client.ca_certs = wished.ca_file
            client.enable_direct_tls = not wished.host  # a port that is named speaks STARTTLS
            xmpp = client
        xmpp.use_aiodns = not wished.host
        xmpp.auto_authorize = None
        xmpp.auto_subscribe = False
        xmpp.whitespace_keepalive_interval = 15
        xmpp.register_plugin("xep_0030")
        # slixmpp's own events are for messages with a body, neither receipts nor forms, and for a roster of its own
        for name in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"):
            xmpp.del_event_handler(f"presence_{name}", getattr(xmpp, f"_handle_{name}", close))
        for name, told in (("message", self._on_message), ("presence", self._on_presence)):
            every = MatchXPath(f"{{{xmpp.default_ns}}}{name}")
            xmpp.register_handler(Callback(f"every {name}", every, partial(self._take, told)))
        return xmpp

    def _connect(self, xmpp: BaseXMPP) -> None:
        if self._settings.host:
            xmpp.connect(self._settings.host, self._settings.port)
        else:
            xmpp.connect()

    def _safe(self, xmpp: BaseXMPP) -> bool:
        """Whether nobody listens in; on a component's link that is the administrator's to see to."""
        return self._settings.component or _extra(xmpp, "ssl_object") is not None

    def _begin(self, xmpp: BaseXMPP) -> None:
        _notice_the_dead(_extra(xmpp, "socket"))
        self._xmpp = xmpp
        disco = xmpp.plugin["xep_0030"]
        for jid in {xmpp.boundjid, JID(xmpp.boundjid.bare), JID(self._settings.jid)}:
            disco.add_identity("client", "bot", "mailgate", jid=jid)
            for feature in OWN_FEATURES:
                disco.add_feature(feature, jid=jid)
        if not self._settings.component:
            xmpp.send_presence()
        log.info("XMPP: connected", extra={"action": "xmpp_up", "jid": self._settings.domain})
        self._on_up()

    def _take(self, told: Callable[[Any], None], stanza: Any) -> None:
        try:
            told(stanza)
        except Exception:
            log.exception("an XMPP stanza could not be taken in")

    # --- out ----------------------------------------------------------------------------------------------------

    def message(self, to: str, text: str, *, message_id: str = "") -> Message | None:
        """A message to be completed and sent; None where there is no connection."""
        if self._xmpp is None:
            return None
        made: Message = self._xmpp.make_message(mto=to, mfrom=self._from, mtype="chat", mbody=text or None)
        made["id"] = message_id or self._xmpp.new_id()
        return made

    def presence(self, to: str, kind: Kind | None = None) -> None:
        """Ask, allow or tell, where there is a connection."""
        if self._xmpp is not None:
            self._xmpp.make_presence(pto=to, pfrom=self._from, ptype=kind).send()

    async def features(self, jid: str, timeout_s: float) -> frozenset[str] | None:
        """What a program says it can; None where it does not say."""
        if self._xmpp is None:
            return None
        with contextlib.suppress(Exception):  # slixmpp has many; a program that does not say has no feature
            found = await self._xmpp.plugin["xep_0030"].get_info(
                jid=JID(jid), ifrom=JID(self._from or ""), timeout=timeout_s, cached=False
            )
            return frozenset(found["disco_info"]["features"])
        return None

    async def passed(self, jid: str, timeout_s: float) -> bool:
        """Whether the server has dealt with all that was sent to this bare JID before: it answers in order (RFC 6120,
        10.1), and that it knows no ping is an answer too."""
        if self._xmpp is None:
            return False
        asked: Iq = self._xmpp.make_iq(ito=jid, ifrom=self._from, itype="get")
        asked["id"] = self._xmpp.new_id()
        asked.xml.append(ET.Element(f"{{{PING}}}ping"))
        try:
            await asked.send(timeout=timeout_s)  # type: ignore[no-untyped-call]
        except Exception as error:
            return getattr(error, "condition", "") in ("service-unavailable", "feature-not-implemented")
        return True

    @property
    def _from(self) -> str | None:
        return self._settings.jid if self._settings.component else None  # the server names a client account


def _extra(xmpp: BaseXMPP, name: str) -> Any:
    return xmpp.transport.get_extra_info(name) if xmpp.transport is not None else None


def _notice_the_dead(connection: socket.socket | None) -> None:
    """tcp(7): what is sent and not acknowledged for so long ends the connection."""
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_S * 1000)


async def close(xmpp: BaseXMPP) -> None:
    """Say good-bye, and leave nothing open: neither the socket nor the task that slixmpp sends from."""
    transport, filters = xmpp.transport, xmpp._run_out_filters
    xmpp.cancel_connection_attempt()
    if transport is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(xmpp.disconnect(wait=1.0), 3.0)
        transport.abort()
    if filters is not None:
        filters.cancel()
        await asyncio.wait({filters})
    for _ in range(3):
        await asyncio.sleep(0)  # what was aborted is closed by the loop, after this round of it
