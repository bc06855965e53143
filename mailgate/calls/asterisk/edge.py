"""Asterisk as the rest of mailgate sees it: place a call, end it, and hear what became of it.

Orders go in (`originate`), CallEvents come out, in order, each once. The link to Asterisk may be lost and found again
at any time: the call goes on without it, and `settle` reads what Asterisk itself has recorded.
Rules: an attempt is sent at most once, whatever happens; an answer that is lost is OutcomeUnknown, never a reason to
call again; what cannot have rung is CallFailed.
Standards: Asterisk Manager Interface. Known limits: one Asterisk; a browser leg cannot be dialled yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from mailgate.calls.action import check_attempt, dial_string, originate_action, record_families
from mailgate.calls.asterisk.link import Link, LinkLost, LoginRefused, Message, Refused
from mailgate.calls.deploy import DIALPLAN_VERSION
from mailgate.calls.model import CallEvent, CallOrder, Channel, Ended, Kind, Outcome
from mailgate.calls.outcomes import event_of_record, parse_record
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.stream import ENDED, LetGo, Stream, rank
from mailgate.errors import CallFailed, OutcomeUnknown

log = logging.getLogger(__name__)

_REMEMBERED = 10_000  # attempts whose last event is kept, against telling it twice
_LOOK_AGAIN_S = 1.0  # what begins or ends in the moment of the question is recorded by then
_IN_FLIGHT_S = 10.0  # an Originate whose answer was lost may so long lie unread in a slow Asterisk's socket

_T = TypeVar("_T")
OnEvent = Callable[[CallEvent], Awaitable[None]]
OnConnected = Callable[[], Awaitable[None]]


class Asterisk:
    """The edge to one Asterisk. `on_event` is awaited for each event in turn; `on_connected` after each (re)connect,
    the place to settle what was open. What settling has told is not told again by `on_event`."""

    def __init__(
        self,
        settings: AsteriskSettings,
        on_event: OnEvent,
        *,
        on_connected: OnConnected | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._on_connected = on_connected
        self._clock = clock
        self._link: Link | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._tried = asyncio.Event()
        self._queue: asyncio.Queue[CallEvent | None] = asyncio.Queue()  # None: a link has come up
        self._told: OrderedDict[str, int] = OrderedDict()  # attempt → rank of the last event
        self._sent: OrderedDict[str, float] = OrderedDict()  # attempt → when its Originate was sent
        self._helpers: set[asyncio.Task[None]] = set()
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
        for task in [*self._tasks, *self._helpers]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._helpers, return_exceptions=True)
        if self._link:
            self._link.close()
            await asyncio.sleep(0)  # the loop ends the connection
        self._link, self.trouble = None, "stopped"

    # --- what can be asked of it ------------------------------------------------------------------------------
    async def originate(self, order: CallOrder) -> None:
        """Place the call. Raises CallFailed when nothing rings, OutcomeUnknown when that is not known."""
        if order.attempt_id in self._sent:
            raise OutcomeUnknown("this attempt was sent before")
        try:
            action = originate_action(order, self._settings, self._clock())
        except ValueError as error:
            raise CallFailed(str(error)) from error
        link = self._link
        if link is None or self.trouble:
            raise CallFailed(f"no calls can be placed: {self.trouble}")
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

    async def hang_up(self, attempt_id: str) -> bool:
        """End an attempt on the offeror's wish; False where it is not up. Raises OutcomeUnknown."""
        leg1 = check_attempt(attempt_id)  # AMI takes a channel's Uniqueid for its name
        mark: dict[str, str | list[str]] = {
            "Action": "Setvar",
            "Channel": leg1,
            "Variable": "MG_REVOKED",
            "Value": "1",
        }
        while self._told.get(attempt_id) != ENDED:
            if (await self._act(mark)).get("response") == "Success":
                break
            # Asterisk takes an Originate before it makes the channel.
            if self._clock() - self._sent.get(attempt_id, 0.0) > _LOOK_AGAIN_S:
                return False
            await asyncio.sleep(0.05)
        else:
            return False
        answer = await self._act({"Action": "Hangup", "Channel": leg1, "Cause": "16"})
        # Leg 1's end takes leg 2 along, but not while leg 2 is asked for a key.
        for row in await self._ask({"Action": "CoreShowChannels"}):
            if row.get("linkedid") == attempt_id and row.get("uniqueid") != attempt_id:
                await self._act({"Action": "Hangup", "Channel": str(row["channel"]), "Cause": "16"})
        return answer.get("response") == "Success"

    async def settle(self, attempt_ids: Iterable[str]) -> dict[str, CallEvent | None]:
        """What became of attempts: how far a live one is, how a past one ended, None for one never placed.

        `Ended(LOST)` where Asterisk took the call but has recorded no end (it was killed itself).
        Raises OutcomeUnknown where Asterisk cannot be asked.
        """
        wanted = [check_attempt(attempt_id) for attempt_id in attempt_ids]
        found, doubtful = await self._look_up(wanted)
        if doubtful:
            # A call that ends or begins just now is in neither list: look once more.
            await asyncio.sleep(_LOOK_AGAIN_S)
            again, still = await self._look_up(doubtful)
            found |= again
            for attempt_id in still:
                placed = still[attempt_id]
                found[attempt_id] = Ended(attempt_id=attempt_id, outcome=Outcome.LOST) if placed else None
        for attempt_id, event in found.items():
            if event is not None:
                _remember(self._told, attempt_id, max(rank(event), self._told.get(attempt_id, 0)))
        return found

    async def available(self, channel: Channel) -> bool:
        """Whether a party can be reached that way now: a SIP telephone that is registered, a trunk that lives.

        Raises OutcomeUnknown where Asterisk cannot be asked.
        """
        match channel.kind:
            case Kind.TEL:
                return await self._has_contact(self._settings.trunk)
            case Kind.SIP if "@" not in channel.address:
                return await self._has_contact(channel.address)
            case _:
                try:
                    return bool(dial_string(channel, self._settings)) and self.connected
                except ValueError:
                    return False

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
            answer = await link.act(
                {"Action": "Getvar", "Variable": f"DIALPLAN_EXISTS(mailgate-call,version-{DIALPLAN_VERSION},1)"}
            )
        except LinkLost as error:
            return str(error)
        except asyncio.CancelledError:
            link.close()
            raise
        self._link = link
        if answer.get("value") != "1":
            return (
                f"Asterisk has not the dialplan of mailgate (version {DIALPLAN_VERSION}): see mailgate deploy asterisk"
            )
        return ""

    async def _watch(self, link: Link) -> None:
        """Until the link is lost; a link without our dialplan is given up after one interval, to look again."""
        while not link.lost.done():
            await asyncio.wait({link.lost}, timeout=self._settings.ping_interval_s)
            if self.trouble:
                link.close()
            with contextlib.suppress(LinkLost):
                if not link.lost.done():
                    await link.ping()

    # --- events ------------------------------------------------------------------------------------------------
    def _reader(self) -> Callable[[Message], None]:
        """What one link's messages are read by."""
        stream = Stream()

        def read(message: Message) -> None:
            match stream.read(message, self._clock()):
                case None:
                    pass
                case LetGo(channel=channel):
                    self._help({"Action": "Hangup", "Channel": channel, "Cause": "16"})
                case event:
                    self._queue.put_nowait(event)

        return read

    def _help(self, action: dict[str, str | list[str]]) -> None:
        async def act() -> None:
            with contextlib.suppress(OutcomeUnknown):
                await self._act(action)

        task = asyncio.create_task(act())
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _hand_out(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                if event is None:
                    if self._on_connected:
                        await self._on_connected()
                elif rank(event) > self._told.get(event.attempt_id, 0):
                    _remember(self._told, event.attempt_id, rank(event))
                    await self._on_event(event)
            except Exception:
                log.exception("what Asterisk said could not be dealt with", extra={"action": "call_event_failed"})

    # --- settling ----------------------------------------------------------------------------------------------
    async def _look_up(self, attempts: Iterable[str]) -> tuple[dict[str, CallEvent | None], dict[str, bool]]:
        """What is certain; and what is in doubt, with whether Asterisk took the call."""
        found: dict[str, CallEvent | None] = {}
        doubtful: dict[str, bool] = {}
        # The channels first: a call that ends between the two questions has its record by then.
        rows = await self._ask({"Action": "CoreShowChannels"})
        live = {str(row.get("uniqueid", "")): str(row.get("channelstate", "")) for row in rows}
        for attempt_id in attempts:
            text, placed = await self._record(attempt_id)
            try:
                record = parse_record(text or "placed|0")
            except ValueError:
                log.error("a record is not readable", extra={"action": "record_unreadable", "attempt": attempt_id})
                found[attempt_id] = Ended(attempt_id=attempt_id, outcome=Outcome.LOST)
                continue
            if record.ended_at is not None or attempt_id in live:
                found[attempt_id] = event_of_record(attempt_id, record)
            elif text or placed or self._clock() - self._sent.get(attempt_id, 0.0) < _IN_FLIGHT_S:
                doubtful[attempt_id] = bool(text) or placed
            else:
                found[attempt_id] = None
        return found, doubtful

    async def _record(self, attempt_id: str) -> tuple[str, bool]:
        """What stands under the attempt's id ("" for nothing), and whether Asterisk ever took it."""
        for family in record_families(self._clock()):
            text = await self._db_get(family, attempt_id)
            if text:
                return text, True
            if await self._db_get(f"{family}/{attempt_id}", "placed"):
                return "", True
        return "", False

    async def _db_get(self, family: str, key: str) -> str:
        try:
            rows = await self._ask({"Action": "DBGet", "Family": family, "Key": key})
        except Refused:
            return ""  # no such entry
        return str(rows[0].get("val", "")) if rows else ""

    async def _has_contact(self, endpoint: str) -> bool:
        answer = await self._act({"Action": "Getvar", "Variable": f"PJSIP_DIAL_CONTACTS({endpoint})"})
        return bool(answer.get("value"))

    async def _act(self, action: dict[str, str | list[str]]) -> Message:
        if self._link is None:
            raise OutcomeUnknown(f"Asterisk cannot be asked: {self.trouble}")
        try:
            return await self._link.act(action)
        except LinkLost as error:
            raise OutcomeUnknown(str(error)) from error

    async def _ask(self, action: dict[str, str | list[str]]) -> list[Message]:
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
