"""Somebody with an XMPP client: a real connection of slixmpp's to a private Prosody, driven from a test.

    async with Chatter(prosody, "ben@example.net", receipts=True) as ben:
        message = await ben.hears("tried to call you")
        ben.says("accept")
        ben.shows("dnd")

It lets everybody see its presence who asks, unless `open_door` is False, and says of itself what `features` name.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self
from xml.etree import ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.stanza import Message
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from lab.prosody import Prosody
from mailgate.networks.xmpp_stream import close

RECEIPTS = "urn:xmpp:receipts"


class Chatter:
    """One client. `heard` are all messages with a body, in order; `receipts_in` the ids that were acknowledged."""

    def __init__(
        self,
        prosody: Prosody,
        jid: str,
        *,
        resource: str = "desk",
        receipts: bool = True,
        features: tuple[str, ...] = (),
        open_door: bool = True,
    ) -> None:
        self.prosody = prosody
        self.jid = jid
        self.receipts = receipts
        self.heard: list[Message] = []
        self.receipts_in: list[str] = []
        self.asked_by: list[str] = []
        self._resource = resource
        self._features = (*features, *((RECEIPTS,) if receipts else ()))
        self._open_door = open_door
        self._news = asyncio.Event()
        self._xmpp: ClientXMPP | None = None

    async def __aenter__(self) -> Self:
        await self.comes()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.goes()

    async def comes(self) -> None:
        """Log in and be available. Raises TimeoutError."""
        xmpp = self._xmpp = ClientXMPP(f"{self.jid}/{self._resource}", self.prosody.accounts[self.jid])
        xmpp.ca_certs = self.prosody.ca_file
        xmpp.enable_direct_tls = False
        xmpp.use_aiodns = False
        xmpp.auto_authorize = None
        xmpp.register_plugin("xep_0030")
        began = asyncio.Event()
        xmpp.add_event_handler("session_start", lambda _: began.set())
        xmpp.register_handler(Callback("every", MatchXPath(f"{{{xmpp.default_ns}}}message"), self._message))
        xmpp.add_event_handler("presence_subscribe", self._asked)
        xmpp.connect("127.0.0.1", self.prosody.client_port)
        async with asyncio.timeout(20):
            await began.wait()
        for feature in self._features:
            xmpp.plugin["xep_0030"].add_feature(feature)
        await xmpp.get_roster()
        xmpp.send_presence()

    async def goes(self) -> None:
        """Log out."""
        if self._xmpp is not None:
            await close(self._xmpp)
            self._xmpp = None

    def shows(self, show: str) -> None:
        """Presence: "", "away", "dnd" …"""
        self._there.send_presence(pshow=show or None)

    def says(self, text: str, to: str, *, thread: str = "", message_id: str = "", extra: Any = None) -> str:
        """Send a message that asks for a receipt; its id. `extra` is an element to go along."""
        message = self._there.make_message(mto=to, mbody=text or None, mtype="chat")
        message["id"] = message_id or self._there.new_id()
        if thread:
            message["thread"] = thread
        message.xml.append(ET.Element(f"{{{RECEIPTS}}}request"))
        if extra is not None:
            message.xml.append(extra)
        message.send()
        return str(message["id"])

    def presence(self, to: str, kind: str) -> None:
        self._there.send_presence(pto=to, ptype=kind)

    async def hears(self, text: str, timeout_s: float = 20.0) -> Message:
        """The first message not asked for before that has this in its body. Raises AssertionError."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for message in self.heard:
                        if text in message["body"]:
                            self.heard = self.heard[self.heard.index(message) + 1 :]
                            return message
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.jid} never heard {text!r}, but: {[m['body'] for m in self.heard]}") from None

    async def acknowledged(self, message_id: str, timeout_s: float = 10.0) -> None:
        """Returns once the receipt has come."""
        async with asyncio.timeout(timeout_s):
            while message_id not in self.receipts_in:
                await asyncio.sleep(0.02)

    @property
    def _there(self) -> ClientXMPP:
        assert self._xmpp is not None, f"{self.jid} is not there"
        return self._xmpp

    def _message(self, message: Message) -> None:
        received = message.xml.find(f"{{{RECEIPTS}}}received")
        if received is not None:
            self.receipts_in.append(received.get("id", ""))
        if message["body"]:
            self.heard.append(message)
            if self.receipts and message.xml.find(f"{{{RECEIPTS}}}request") is not None:
                receipt = self._there.make_message(mto=message["from"])
                receipt.xml.append(ET.Element(f"{{{RECEIPTS}}}received", {"id": message["id"]}))
                receipt.send()
        self._news.set()

    def _asked(self, presence: Any) -> None:
        self.asked_by.append(presence["from"].bare)
        self._there.send_presence(pto=presence["from"].bare, ptype="subscribed" if self._open_door else "unsubscribed")
