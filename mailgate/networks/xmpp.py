"""XMPP: offers and notices as instant messages, answers by word, and who is there.

    notice → message to the bare JID, with buttons or a form where the reader's program has them
           → DELIVERED on a receipt (XEP-0184) within seconds, or where no device knows receipts and the server has
             dealt with the message; LATER for everything else, so that another network is taken
    message in → mailgate.offers.chats → answer; a receipt goes back once what was said is durable
    presence in → availability: whoever does not let us see it, or is not there, is reached by another network

Who wrote a message is whom the server says (RFC 6120, 8.1.2.1: it stamps the sender, and other servers' by their
certificates or dialback). Messages of rooms, errors and copies that others forward are answered by nobody.

Standards: RFC 6120, 6121; XEP-0114, 0030, 0184, 0199, 0004, 0439.
Known limits: texts are encrypted as far as the servers, not from end to end. A try takes `receipt_s` at the most, and a
receipt that comes later than that changes nothing: the reader may have the message twice, here and elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from slixmpp import JID
from slixmpp.stanza import Message, Presence

from mailgate.networks import chat
from mailgate.networks import xmpp_stanzas as stanzas
from mailgate.networks.xmpp_presence import Availability, Presences
from mailgate.networks.xmpp_settings import XmppSettings
from mailgate.networks.xmpp_stream import Stream
from mailgate.offers.heard import Heard, Spoken
from mailgate.offers.notice import Delivery, Notice

log = logging.getLogger(__name__)

FEATURES_S = 5.0
REFRESH_S = 30.0
"""How often it is looked whether accounts have come."""
MOST_IN = 30
WITHIN_S = 600.0
"""Messages of one sender that are answered within so many seconds: two robots must not talk for ever."""
_REMEMBERED = 2000


class Talks(Protocol):
    """What is asked of mailgate.offers.chats."""

    async def begin(self, reader: str, token: str, thread: str) -> None: ...
    async def hear(self, reader: str, heard: Heard) -> Spoken: ...
    async def after(self, call: tuple[str, int]) -> Spoken | None: ...


class XmppNetwork:
    """`jid_of(address)` gives the bare JID of a mail address, "" where there is none; `everyone()` all whose
    presence is wanted. `run` connects and stays so."""

    def __init__(
        self,
        settings: XmppSettings,
        talks: Talks,
        *,
        jid_of: Callable[[str], str],
        everyone: Callable[[], Iterable[str]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._talks = talks
        self._jid_of = jid_of
        self._everyone = everyone
        self._now = now
        self._presences = Presences()
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self._receipts: dict[tuple[str, str], asyncio.Future[bool]] = {}
        self._lately: OrderedDict[str, deque[float]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream = Stream(
            settings.stream,
            on_message=self._message,
            on_presence=self._presence,
            on_up=self._up,
            on_down=self._down,
        )

    async def run(self) -> None:
        """Until cancelled."""
        refreshing = asyncio.create_task(self._refresh())
        try:
            await self._stream.run()
        finally:
            refreshing.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.wait({refreshing, *self._tasks})

    # --- out ----------------------------------------------------------------------------------------------------

    def reaches(self, address: str) -> bool:
        """Whether a message to this mail address would be seen now."""
        return self.availability(address) in (Availability.AVAILABLE, Availability.AWAY)

    def availability(self, address: str) -> Availability:
        """Of whoever has this mail address."""
        jid = self._jid_of(address)
        if not jid:
            return Availability.OFFLINE
        self._ask(jid)
        return self._presences.availability(jid)

    async def deliver(self, notice: Notice) -> Delivery:
        """One try; see mailgate.offers.notice.Network. REFUSED: this notice never goes this way."""
        composed = chat.compose(notice, self._settings.chat)
        jid = self._jid_of(notice.address)
        if composed is None or not jid:
            return Delivery.REFUSED
        if not self.reaches(notice.address):
            return Delivery.LATER
        if composed.token:
            await self._talks.begin(f"xmpp:{jid}", composed.token, notice.notice_id)
        message = self._stream.message(jid, composed.text, message_id=notice.notice_id)
        if message is None:
            return Delivery.LATER
        if composed.token:
            message["thread"] = notice.notice_id
            stanzas.add_buttons(message, composed.buttons)
            if self._presences.can(jid, stanzas.FORMS) and not self._presences.can(jid, stanzas.QUICK):
                stanzas.add_form(message, self._settings.chat.organisation, composed.buttons)
        stanzas.ask_receipt(message)
        return await self._sent(jid, message)

    async def _sent(self, jid: str, message: Message) -> Delivery:
        """Send, and wait for the receipt, or for the server where there is none to wait for."""
        key = (jid, str(message["id"]))
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._receipts[key] = waiting
        try:
            message.send()
            if self._presences.can(jid, stanzas.RECEIPTS) is False:
                passed = await self._stream.passed(jid, self._settings.receipt_s)
                came = passed and not (waiting.done() and not waiting.result())
            else:
                came = await asyncio.wait_for(waiting, self._settings.receipt_s)
        except TimeoutError:
            came = False
        finally:
            self._receipts.pop(key, None)
        return Delivery.DELIVERED if came else Delivery.LATER

    def _settle(self, jid: str, message_id: str, came: bool) -> None:
        waiting = self._receipts.get((jid, message_id))
        if waiting is not None and not waiting.done():
            waiting.set_result(came)

    # --- in -----------------------------------------------------------------------------------------------------

    def _message(self, message: Message) -> None:
        sender: JID = message["from"]
        if message["type"] == "error":
            self._settle(sender.bare, str(message["id"]), False)
            return
        if receipt := stanzas.receipt_of(message):
            self._settle(sender.bare, receipt, True)
        heard = stanzas.heard(message, self._now())
        if heard is None or not sender.user:
            return  # nobody's words, or those of a server
        if not self._may_speak(sender.bare):
            log.warning("XMPP: somebody writes too much", extra={"action": "xmpp_too_much"})
            return
        before = self._turns.get(sender.bare)
        turn = self._spawn(self._turn(before, message, heard))
        self._turns[sender.bare] = turn
        turn.add_done_callback(lambda done: self._forget_turn(sender.bare, done))

    def _forget_turn(self, jid: str, done: asyncio.Task[None]) -> None:
        if self._turns.get(jid) is done:
            del self._turns[jid]

    async def _turn(self, before: asyncio.Task[None] | None, message: Message, heard: Heard) -> None:
        """One message's, after those that came before it from the same sender."""
        if before is not None:
            await asyncio.wait({before})
        sender: JID = message["from"]
        key = (sender.full, str(message["id"]))
        again = bool(message["id"]) and key in self._seen
        try:
            spoken = None if again else await self._talks.hear(f"xmpp:{sender.bare}", heard)
        except Exception:
            log.exception("an instant message could not be answered")
            return  # and no receipt: it was not taken in
        self._seen[key] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if stanzas.wants_receipt(message) and (receipt := self._stream.message(sender.full, "")) is not None:
            stanzas.make_receipt(receipt, str(message["id"]))
            receipt.send()
        if spoken is None:
            return
        self._say(sender.full, spoken.text, str(message["thread"]))
        if spoken.call is not None:
            self._spawn(self._after(sender.full, spoken.call, str(message["thread"])))

    async def _after(self, jid: str, call: tuple[str, int], thread: str) -> None:
        spoken = await self._talks.after(call)
        if spoken is not None:
            self._say(jid, spoken.text, thread)

    def _say(self, jid: str, text: str, thread: str) -> None:
        answer = self._stream.message(jid, text)
        if answer is None:
            return  # what was said has been done all the same
        if thread:
            answer["thread"] = thread
        answer.send()

    def _may_speak(self, jid: str) -> bool:
        now = self._now()
        times = self._lately.setdefault(jid, deque(maxlen=MOST_IN))
        self._lately.move_to_end(jid)
        while len(self._lately) > _REMEMBERED:
            self._lately.popitem(last=False)
        if len(times) == MOST_IN and now - times[0] < WITHIN_S:
            return False
        times.append(now)
        return True

    # --- who is there -------------------------------------------------------------------------------------------

    def _up(self) -> None:
        self._asked.clear()
        for jid in self._everyone():
            self._ask(jid)

    def _down(self) -> None:
        self._presences.nobody()
        self._asked.clear()
        for waiting in self._receipts.values():
            if not waiting.done():
                waiting.set_result(False)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            if self._stream.up:
                try:
                    for jid in self._everyone():
                        self._ask(jid)
                except Exception:
                    log.exception("accounts could not be looked at")

    def _ask(self, jid: str) -> None:
        """To be let see their presence, once for each connection; a server that has their leave says so at once. Who
        has said no is not asked again while this process runs."""
        if self._stream.up and jid not in self._asked and jid not in self._refused:
            self._asked.add(jid)
            self._stream.presence(jid, "subscribe")

    def _presence(self, presence: Presence) -> None:
        sender: JID = presence["from"]
        match presence["type"]:
            case "unavailable":
                self._presences.gone(sender.bare, sender.resource)
            case "error":
                self._presences.gone(sender.bare, "")
            case "unsubscribed":
                self._presences.gone(sender.bare, "")
                self._refused.add(sender.bare)
            case "subscribe":
                self._answer_subscription(sender.bare)
            case "subscribed":
                self._refused.discard(sender.bare)
                self._stream.presence(sender.bare, "probe")
            case "unsubscribe":
                self._stream.presence(sender.bare, "unsubscribed")
            case "probe":
                if sender.bare in self._asked:
                    self._stream.presence(sender.bare)
            case _:
                self._presences.here(sender.bare, sender.resource, str(presence["show"] or ""))
                if sender.resource:
                    self._spawn(self._learn(sender))

    def _answer_subscription(self, jid: str) -> None:
        """Who is asked for their presence may have ours; of others nobody is told."""
        known = jid in self._asked or jid in set(self._everyone())
        self._stream.presence(jid, "subscribed" if known else "unsubscribed")
        if known:
            self._refused.discard(jid)
            self._stream.presence(jid)
            self._ask(jid)

    async def _learn(self, jid: JID) -> None:
        features = await self._stream.features(jid.full, FEATURES_S)
        if features is not None:
            self._presences.told(jid.bare, jid.resource, features)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
