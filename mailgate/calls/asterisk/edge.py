"""Asterisk as the rest of mailgate sees it: place a call, end it, and hear what became of it.

Orders go in (`originate`), CallEvents come out, in order, each once. The link to Asterisk may be lost and found again
at any time: the call goes on without it, and `settle` reads what Asterisk itself has recorded.
Some legs call in by themselves: a page (its order waits under a one-time nonce), a telephone that dials the gateway's
number (its PIN is asked for by `on_dial_in`). The dialplan holds such a channel until it is told what to do, and from
there on the attempt is one like any other.
Rules: an attempt is sent at most once, whatever happens; an answer that is lost is OutcomeUnknown, never a reason to
call again; what cannot have rung is CallFailed.
Standards: Asterisk Manager Interface. Known limits: one Asterisk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from mailgate.calls.action import (
    admit_action,
    answer_action,
    check_attempt,
    order_action,
)
from mailgate.calls.asterisk import reach, records
from mailgate.calls.asterisk.arrivals import NONCE_TTL_S, Expected
from mailgate.calls.asterisk.ending import Ending
from mailgate.calls.asterisk.first_seen import first_seen
from mailgate.calls.asterisk.health import fault
from mailgate.calls.asterisk.link import Action, Link, LinkLost, LoginRefused, Message
from mailgate.calls.asterisk.seats import Seats
from mailgate.calls.model import COMES_IN, CallEvent, CallOrder, Channel, Ended, Kind, Outcome, Ringing
from mailgate.calls.pages import OpenPages
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.stream import ENDED, Arrival, LetGo, Stream, attempt_of, newer, rank
from mailgate.calls.trunks import lines_for
from mailgate.errors import CallFailed, MailgateError, OutcomeUnknown

log = logging.getLogger(__name__)

_REMEMBERED = 10_000  # attempts whose last event is kept, against telling it twice
_LOOK_AGAIN_S = 1.0  # what begins or ends in the moment of the question is recorded by then
_LET_IN_S = 8.0  # a leg that was let in has told so by then, or never will
_IN_FLIGHT_S = 10.0  # an Originate whose answer was lost may so long lie unread in a slow Asterisk's socket

_T = TypeVar("_T")
OnEvent = Callable[[CallEvent], Awaitable[None]]
OnConnected = Callable[[], Awaitable[None]]
Verdict = Literal["come", "wrong", "no"]
"""What a PIN is worth: an attempt has begun and its order follows; try another one; goodbye."""
OnDialIn = Callable[[str, str, str], Awaitable[Verdict]]
"""`on_dial_in(pin, caller's number or "", channel)`; the attempt's leg 1 is `Channel(DIAL_IN, channel)`."""


class Asterisk:
    """The edge to one Asterisk. `on_event` is awaited for each event in turn; `on_connected` after each (re)connect,
    the place to settle what was open. What settling has told is not told again by `on_event`."""

    def __init__(
        self,
        settings: AsteriskSettings,
        on_event: OnEvent,
        *,
        on_connected: OnConnected | None = None,
        on_dial_in: OnDialIn | None = None,
        clock: Callable[[], float] = time.time,
        nonce_ttl_s: float = NONCE_TTL_S,
        pages: OpenPages | None = None,
    ) -> None:
        self._settings = settings
        self._pages = pages or OpenPages()
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_dial_in = on_dial_in
        self._expected = Expected(self._never_came, nonce_ttl_s)
        self._seats = Seats(
            settings.lines,
            lambda: self.ask({"Action": "CoreShowChannels"}),
            lambda attempt_id: self._told.get(attempt_id) == ENDED,
        )
        self._clock = clock
        self._link: Link | None = None
        self._first_seen = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._tried = asyncio.Event()
        self._queue: asyncio.Queue[CallEvent | None] = asyncio.Queue()  # None: a link has come up
        self._told: OrderedDict[str, int] = OrderedDict()  # attempt → rank of the last event
        self._sent: OrderedDict[str, float] = OrderedDict()  # attempt → when its Originate was sent
        self._helpers: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[Message], None]] = []
        self.trouble = "not started"

    @property
    def connected(self) -> bool:
        """Whether calls can be placed: logged in, and our dialplan is there. `trouble` says why not."""
        return self._link is not None and not self.trouble

    async def start(self) -> None:
        """Returns after the first try, connected or not; goes on trying until `stop`."""
        self._tasks = [
            asyncio.create_task(self._keep_connected(), name="asterisk-link"),
            asyncio.create_task(self._hand_out(), name="asterisk-events"),
        ]
        await self._tried.wait()

    async def stop(self) -> None:
        """Leave. Calls go on in Asterisk."""
        self._expected.clear()
        for task in [*self._tasks, *self._helpers]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._helpers, return_exceptions=True)
        if self._link:
            self._link.close()
            await asyncio.sleep(0)  # the loop ends the connection
        self._link, self.trouble = None, "stopped"

    # --- what can be asked of it ------------------------------------------------------------------------------
    async def originate(self, order: CallOrder) -> None:
        """Place the call, or let in who calls in. Raises CallFailed when nothing rings (LinesBusy: for want of a free
        line), OutcomeUnknown when that is not known. A browser's order waits for its page; Ended tells where that never
        comes."""
        if order.attempt_id in self._sent:
            raise OutcomeUnknown("this attempt was sent before")
        if self._link is None or self.trouble:
            raise CallFailed(f"no calls can be placed: {self.trouble}")
        try:
            await self._begin(order)
        except CallFailed:
            self._seats.leave(order.attempt_id)
            raise

    async def _begin(self, order: CallOrder) -> None:
        try:
            lines = await self._seats.take(order)
            action = order_action(order, self._at_this_moment(), self._clock(), *lines)
        except ValueError as error:
            raise CallFailed(str(error)) from error
        except OutcomeUnknown as error:  # the link went while it was asked: nothing was sent
            raise CallFailed(str(error)) from error
        if order.leg1.kind is Kind.BROWSER:
            self._expected.add(order)
            return
        await self._send(order, action)

    async def _send(self, order: CallOrder, action: dict[str, str | list[str]]) -> None:
        """Once, whatever comes of it. Raises as `originate`."""
        link = self._link
        if link is None:
            raise CallFailed("no calls can be placed: the link to Asterisk was lost")
        if order.attempt_id in self._sent:  # by somebody else, while lines were counted for this one
            raise OutcomeUnknown("this attempt was sent before")
        _remember(self._sent, order.attempt_id, self._clock())
        try:
            answer = await link.act(action)
        except LinkLost as error:
            raise OutcomeUnknown(str(error)) from error
        if answer.get("response") != "Success":
            text = str(answer.get("message", ""))
            log.warning(
                "Asterisk refuses a call",
                extra={"action": "originate_refused", "attempt": order.attempt_id, "answer": text},
            )
            if "in use" in text.lower():  # the id is on a live channel: the attempt was placed before, by someone
                raise OutcomeUnknown(text)
            raise CallFailed(text)
        if order.leg1.kind in COMES_IN:
            self._spawn(self._see_in(order.attempt_id))

    async def hang_up(self, attempt_id: str, *, revoked: bool = True, left: bool = False) -> bool:
        """End an attempt, on the offeror's wish, or (not `revoked`) because leg 1 is gone, or because the caller has
        `left` whom it should join; False where it is not up. Raises OutcomeUnknown."""
        check_attempt(attempt_id)
        if self._expected.drop(attempt_id):
            self._queue.put_nowait(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_HUNG_UP))
            return True
        ending = Ending(self.act, self.ask, lambda: self._told.get(attempt_id) == ENDED)
        # Asterisk takes an Originate before it makes the channel.
        may_come_until = self._sent.get(attempt_id, 0.0) + _LOOK_AGAIN_S
        mark = "left" if left else str(int(revoked))
        return await ending.end(attempt_id, mark, lambda: self._clock() < may_come_until)

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        """What became of attempts: how far a live one is, how a past one ended, None for one never placed.

        `Ended(LOST)` where Asterisk took the call but has recorded no end (it was killed itself), or may have taken it:
        where a mapping says when each was begun (UNIX seconds), and that was before this Asterisk was there.
        Raises OutcomeUnknown where Asterisk cannot be asked.
        """
        found = await self._became(attempt_ids)
        for attempt_id, event in found.items():
            if event is not None:  # it is told hereby
                _remember(self._told, attempt_id, max(rank(event), self._told.get(attempt_id, 0)))
        return found

    async def _became(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        """As `settle`, and nobody has been told yet."""
        wanted = [check_attempt(attempt_id) for attempt_id in attempt_ids]
        waiting = {a: Ringing(attempt_id=a, leg=1) for a in wanted if self._expected.holds(a)}
        found, doubtful = await self._look_up([a for a in wanted if a not in waiting])
        found |= waiting
        if doubtful:
            # A call that ends or begins just now is in neither list: look once more.
            await asyncio.sleep(_LOOK_AGAIN_S)
            again, still = await self._look_up(doubtful)
            found |= again
            for attempt_id in still:
                placed = still[attempt_id]
                found[attempt_id] = Ended(attempt_id=attempt_id, outcome=Outcome.LOST) if placed else None
        begun = attempt_ids if isinstance(attempt_ids, Mapping) else {}
        for attempt_id in [a for a, event in found.items() if event is None]:
            if begun.get(attempt_id, self._first_seen) < self._first_seen:
                found[attempt_id] = Ended(attempt_id=attempt_id, outcome=Outcome.LOST)
        for attempt_id, event in found.items():
            if event is None or isinstance(event, Ended):
                self._seats.leave(attempt_id)
        return found

    async def available(self, channel: Channel) -> bool:
        """Whether a party can be reached that way now: a SIP telephone that is registered, a trunk that lives.

        Raises OutcomeUnknown where Asterisk cannot be asked.
        """
        return await reach.available(channel, self._at_this_moment(), self.act, connected=self.connected)

    def _at_this_moment(self) -> AsteriskSettings:
        """The settings, with where pages are that ring."""
        open_now = self._pages.where()
        return replace(self._settings, pages=open_now) if open_now else self._settings

    async def _look_up(self, attempts: Iterable[str]) -> tuple[dict[str, CallEvent | None], dict[str, bool]]:
        now = self._clock()
        in_flight = {a for a in attempts if now - self._sent.get(a, 0.0) < _IN_FLIGHT_S}
        return await records.look_up(self.ask, attempts, in_flight, now)

    # --- the link ----------------------------------------------------------------------------------------------
    async def _keep_connected(self) -> None:
        first_s, longest_s = self._settings.reconnect_s
        pause_s = first_s
        while True:
            trouble = await self._connect()
            if trouble and trouble != self.trouble:  # once, not at every try
                log.error("no link to Asterisk", extra={"action": "asterisk_down", "reason": trouble})
            self.trouble = trouble
            self._tried.set()
            if self._link is not None:
                if not trouble:
                    log.info("linked to Asterisk", extra={"action": "asterisk_up"})
                    self._queue.put_nowait(None)
                    pause_s = first_s
                await self._watch(self._link)
                self._link = None
                self.trouble = self.trouble or "the link to Asterisk was lost"
                if not trouble:
                    log.warning("the link to Asterisk is gone", extra={"action": "asterisk_lost"})
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _connect(self) -> str:
        """Open a link; the reason why no calls can be placed, "" where they can."""
        try:
            link = await Link.open(self._settings, self._reader())
        except LoginRefused as error:
            return str(error)
        except (OSError, TimeoutError, LinkLost) as error:
            return f"Asterisk does not answer at {self._settings.host}:{self._settings.port} ({type(error).__name__})"
        try:
            trouble = await fault(link)
            self._first_seen = await first_seen(link, self._clock())
        except LinkLost as error:
            return str(error)
        except asyncio.CancelledError:
            link.close()
            raise
        self._link = link
        return trouble

    async def _watch(self, link: Link) -> None:
        """Until the link is lost; one by which calls can be placed again begins anew, so that all is settled."""
        while not link.lost.done():
            await asyncio.wait({link.lost}, timeout=self._settings.ping_interval_s)
            if link.lost.done():
                break
            # LinkLost, OutcomeUnknown, and what an Asterisk that is stopping answers
            with contextlib.suppress(MailgateError):
                before, now = self.trouble, await fault(link)
                if before and not now:
                    link.close()
                    break
                self.trouble = now
                if now not in ("", before):
                    log.error("no calls can be placed", extra={"action": "asterisk_unfit", "reason": now})
                await self._look_after()

    async def _look_after(self) -> None:
        """Attempts that have gone quiet: an end that was not told (a module of Asterisk's is gone) is found out."""
        now = self._clock()
        told = {attempt_id for attempt_id, last in self._told.items() if last != ENDED}
        sent = {a for a, at in self._sent.items() if a not in self._told and now - at > _IN_FLIGHT_S}
        if not told | sent:
            return
        live = {attempt_of(row) for row in await self.ask({"Action": "CoreShowChannels"})}
        quiet = {a: self._sent.get(a, now) for a in told | sent if a not in live and not self._expected.holds(a)}
        for attempt_id, event in (await self._became(quiet)).items() if quiet else ():
            unknown = Outcome.LOST if attempt_id in told else Outcome.NOT_PLACED
            event = event or Ended(attempt_id=attempt_id, outcome=unknown)
            if isinstance(event, Ended):  # in line with what is told meanwhile: an end is told once
                self._queue.put_nowait(event)

    def listen(self, listener: Callable[[Message], None]) -> None:
        """Let somebody hear each AMI message too, at once and in order."""
        self._listeners.append(listener)

    # --- events ------------------------------------------------------------------------------------------------
    def _reader(self) -> Callable[[Message], None]:
        """What one link's messages are read by."""
        stream = Stream()

        def read(message: Message) -> None:
            for listener in self._listeners:
                listener(message)
            match stream.read(message, self._clock()):
                case None:
                    pass
                case LetGo(channel=channel):
                    self._spawn(self._try({"Action": "Hangup", "Channel": channel, "Cause": "16"}))
                case Arrival() as arrival:
                    self._spawn(self._receive(arrival))
                case event:
                    self._queue.put_nowait(event)

        return read

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _try(self, action: dict[str, str | list[str]]) -> None:
        with contextlib.suppress(OutcomeUnknown):
            await self.act(action)

    async def _hand_out(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                if event is None:
                    if self._on_connected:
                        await self._on_connected()
                elif newer(event, self._told.get(event.attempt_id, 0)):
                    if isinstance(event, Ended):
                        self._seats.leave(event.attempt_id)
                    _remember(self._told, event.attempt_id, rank(event))
                    await self._on_event(event)
            except Exception:
                log.exception("what Asterisk said could not be dealt with", extra={"action": "call_event_failed"})

    # --- legs that call in -------------------------------------------------------------------------------------
    async def _receive(self, arrival: Arrival) -> None:
        """Answer a channel that waits in the dialplan."""
        verdict: Verdict = "no"
        try:
            if arrival.kind is Kind.BROWSER:
                verdict = await self._let_page_in(arrival)
            elif self._on_dial_in and not self.trouble:
                verdict = await self._on_dial_in(arrival.key, arrival.caller, arrival.channel)
        except Exception:
            log.exception("a call that came in could not be dealt with", extra={"action": "arrival_failed"})
        if verdict != "come":
            log.info("a call that came in was not let in", extra={"action": "turned_away", "way": arrival.kind.value})
            await self._try(answer_action(arrival.channel, verdict))

    async def _let_page_in(self, arrival: Arrival) -> Verdict:
        order = self._expected.take(arrival.key)  # gone before it is judged
        if order is None:
            return "no"
        try:
            lines = lines_for(order.leg2.address, self._settings.lines) if order.leg2.kind is Kind.TEL else None
            action = admit_action(order, arrival.channel, self._at_this_moment(), self._clock(), lines)
            await self._send(order, action)
        except ValueError:  # the page that leg 2 was has gone meanwhile
            self._queue.put_nowait(Ended(attempt_id=order.attempt_id, outcome=Outcome.NOT_PLACED))
            return "no"
        except CallFailed:
            self._queue.put_nowait(Ended(attempt_id=order.attempt_id, outcome=Outcome.NOT_PLACED))
        except OutcomeUnknown:
            pass  # the link is gone: the next one settles it
        return "come"

    def _never_came(self, attempt_id: str) -> None:
        self._queue.put_nowait(Ended(attempt_id=attempt_id, outcome=Outcome.OFFEREE_NO_ANSWER))

    async def _see_in(self, attempt_id: str) -> None:
        """A channel may leave in the moment in which it is let in: then its dialplan has nothing to tell."""
        await asyncio.sleep(_LET_IN_S)
        if attempt_id not in self._told:
            with contextlib.suppress(OutcomeUnknown):
                event = (await self._became([attempt_id]))[attempt_id]
                self._queue.put_nowait(event or Ended(attempt_id=attempt_id, outcome=Outcome.NOT_PLACED))

    # --- settling ----------------------------------------------------------------------------------------------
    async def act(self, action: Action) -> Message:
        """One action, and the first answer to it. Raises OutcomeUnknown."""
        if self._link is None:
            raise OutcomeUnknown(f"Asterisk cannot be asked: {self.trouble}")
        try:
            return await self._link.act(action)
        except LinkLost as error:
            raise OutcomeUnknown(str(error)) from error

    async def ask(self, action: Action) -> list[Message]:
        """One action that is answered by a list. Raises Refused, OutcomeUnknown."""
        if self._link is None:
            raise OutcomeUnknown(f"Asterisk cannot be asked: {self.trouble}")
        try:
            return await self._link.ask(action)
        except LinkLost as error:
            raise OutcomeUnknown(str(error)) from error


def _remember(memory: OrderedDict[str, _T], key: str, value: _T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
