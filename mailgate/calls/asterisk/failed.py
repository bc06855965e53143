"""Ordinary calls that failed, and callers who wait, over the same link as everything else.

In come reports: live (UserEvent), and after each reconnect what Asterisk has kept meanwhile (astdb). Each is handed to
`on_failed` until that has returned once, and only then struck from astdb: a report survives either side's death, and
may be told twice, never lost. What `on_failed` says is set on the caller's channel, which waits 1.5 s for it.
Why not FastAGI: it can only report while mailgate runs, so that the kept record is needed all the same; and the answer
to who waits must come over AMI later anyway. One way serves both (see docs/failed-calls.md).
Standards: Asterisk Manager Interface (DBGetTree, Setvar with functions, Redirect).
Known limits: one Asterisk.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from mailgate.calls.asterisk.edge import Asterisk
from mailgate.calls.asterisk.link import Message, Refused
from mailgate.calls.failed import FailedCall, Gone, Hold, Holding, Nothing, Told, Verdict, parse, read
from mailgate.errors import OutcomeUnknown

log = logging.getLogger(__name__)

_FAMILY = "mailgate-failed"
_HOLDING = {"mailgate-hold": False, "mailgate-say": True}  # contexts of who waits → whether something is being said
_SOUND = re.compile(r"/[A-Za-z0-9_./-]{1,300}\Z|class:[A-Za-z0-9_-]{1,40}\Z|\Z")
_LONGEST_HOLD_S = 3600

OnFailed = Callable[[FailedCall], Awaitable[Verdict]]
"""What is made of a failed call; durable when it returns. Called again for a call whose record is still there."""
OnHeld = Callable[[Holding | Gone], Awaitable[None]]
OnPresent = Callable[[Sequence[Holding]], Awaitable[None]]
"""After a reconnect: all who wait just now."""


class Callers:
    """The failed calls of one Asterisk. Built on its edge; `connected` belongs into the edge's `on_connected`."""

    def __init__(
        self,
        asterisk: Asterisk,
        *,
        on_failed: OnFailed,
        on_held: OnHeld,
        on_present: OnPresent,
        clock: Callable[[], float],
    ) -> None:
        self._asterisk = asterisk
        self._on_failed = on_failed
        self._on_held = on_held
        self._on_present = on_present
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._queue: asyncio.Queue[Holding | Gone] = asyncio.Queue()
        self._teller: asyncio.Task[None] | None = None
        asterisk.listen(self._hear)

    def start(self) -> None:
        self._teller = asyncio.create_task(self._tell(), name="callers")

    async def stop(self) -> None:
        """Leave; who waits goes on waiting in Asterisk."""
        tasks = [*self._tasks, *([self._teller] if self._teller else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def connected(self) -> None:
        """Take in what Asterisk kept while there was no link. Raises OutcomeUnknown."""
        try:
            kept = await self._asterisk.ask({"Action": "DBGetTree", "Family": _FAMILY})
        except Refused:
            kept = []  # there are none
        for row in kept:
            call_id = str(row.get("key", "")).rpartition("/")[2]
            try:
                call = parse(call_id, str(row.get("val", "")))
            except ValueError:
                log.error("a report is not readable", extra={"action": "report_unreadable"})
                await self._forget(call_id)
                continue
            await self._take(call)
        rows = await self._asterisk.ask({"Action": "CoreShowChannels"})
        # who has been joined is still where it was in the dialplan, but in a bridge
        found = [(row, _HOLDING.get(str(row.get("context", "")))) for row in rows if not row.get("bridgeid")]
        await self._on_present(
            [
                Holding(call_id=str(row["uniqueid"]), channel=str(row["channel"]), hearing=hearing)
                for row, hearing in found
                if hearing is not None
            ]
        )

    # --- who waits ---------------------------------------------------------------------------------------------
    async def say(self, holding: Holding, sounds: Sequence[str], *, heard: int, wait_on: bool) -> None:
        """Play these to who waits, who then waits on or is let go. `heard` is kept on the channel, see `heard`.

        Raises OutcomeUnknown, ValueError.
        """
        for sound in sounds:
            _check_sound(sound)
        await self._set(holding, "MG_WORDS", "&".join(sounds))
        await self._set(holding, "MG_AFTER", "hold" if wait_on else "end")
        await self._set(holding, "MG_HEARD", str(int(heard)))
        to = {"Context": "mailgate-say", "Exten": "s", "Priority": "1"}
        await self._asterisk.act({"Action": "Redirect", "Channel": holding.channel, **to})

    async def heard(self, holding: Holding) -> int:
        """What `say` was last given for this caller, 0 where nothing was said. Raises OutcomeUnknown."""
        answer = await self._asterisk.act({"Action": "Getvar", "Channel": holding.channel, "Variable": "MG_HEARD"})
        value = str(answer.get("value") or "")
        return int(value) if value.isdigit() else 0

    async def keep(self, holding: Holding, seconds: float) -> None:
        """Let the hold go on for so long from now: somebody is about to join. Raises OutcomeUnknown."""
        await self._set(holding, "MG_UNTIL", str(int(self._clock() + min(seconds, _LONGEST_HOLD_S))))

    async def give_up(self, attempt_id: str) -> None:
        """The caller whom the attempt should join has gone: its leg is let go, and its record says why.

        Raises OutcomeUnknown.
        """
        await self._asterisk.hang_up(attempt_id, left=True)

    async def _set(self, holding: Holding, variable: str, value: str) -> None:
        await self._asterisk.act({"Action": "Setvar", "Channel": holding.channel, "Variable": variable, "Value": value})

    # --- what comes in -----------------------------------------------------------------------------------------
    def _hear(self, message: Message) -> None:
        match read(message):
            case FailedCall() as call:
                task = asyncio.create_task(self._take(call))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Holding() | Gone() as news:
                self._queue.put_nowait(news)
            case None:
                pass

    async def _tell(self) -> None:
        while True:
            news = await self._queue.get()
            try:
                await self._on_held(news)
            except Exception:
                log.exception("news of a caller could not be dealt with", extra={"action": "held_failed"})

    async def _take(self, call: FailedCall) -> None:
        try:
            verdict = await self._on_failed(call)
        except Exception:  # its record stays: it is taken in again after the next reconnect
            log.exception("a failed call could not be taken in", extra={"action": "failed_call_failed"})
            return
        try:
            if call.channel:
                order = order_text(verdict)
                answer = {"Action": "Setvar", "Channel": call.channel, "Variable": "MG_ORDER", "Value": order}
                await self._asterisk.act(answer)
            await self._forget(call.call_id)
        except OutcomeUnknown as error:
            log.info("a failed call's record stays for later: %s", error, extra={"action": "report_kept"})

    async def _forget(self, call_id: str) -> None:
        # AMI's own DBDel needs the class "system", which would let this user do anything
        strike = {"Action": "Setvar", "Variable": f"DB_DELETE({_FAMILY}/{call_id})", "Value": "1"}
        await self._asterisk.act(strike)


def order_text(verdict: Verdict) -> str:
    """What is set on the caller's channel. Raises ValueError."""
    match verdict:
        case Hold(seconds=seconds, told=told, word=word, back=back, music=music):
            for sound in (told, word, back, music):
                _check_sound(sound)
            return "|".join(("hold", str(min(int(seconds), _LONGEST_HOLD_S)), told, word, back, music))
        case Told():
            return "told"
        case Nothing():
            return "no"


def _check_sound(path: str) -> None:
    if not _SOUND.match(path) or ".." in path:
        raise ValueError("not a usable path of a sound file")
