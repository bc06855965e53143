"""Callers who wait on the line: asked to hold, told what was answered, joined by whoever accepts.

A failed call → (mailgate.offers.missed_call) an offer → the caller is asked to hold. From then on it is known who
waits for which offer (mailgate.offers.held): the page says so, and an acceptance joins that very channel.
A decline, or an answer in words, is spoken: words of ours in the caller's language, the text in its own; a decline then
ends the call, an answer lets the caller wait on. Who leaves takes the ringing of the other's telephone along.

Nothing here is needed for a caller to get away: the dialplan plays the music, ends the hold and says goodbye by itself.
What was last spoken to a caller is kept on the channel, and who waits is asked of Asterisk after each reconnect: after
a kill of this process the same callers wait for the same offers, and what was answered meanwhile is spoken then.
Known limits: a text that was being spoken when the process was killed is not spoken again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mailgate.accounts.model import Account
from mailgate.calls.failed import FailedCall, Gone, Hold, Holding, Nothing, Told, Verdict
from mailgate.calls.model import Channel, Kind
from mailgate.errors import MailgateError
from mailgate.offers.answer import Declined, NotMe, Reason, Replied
from mailgate.offers.events import Accepted, Booked, Event, Revoked
from mailgate.offers.held import Held
from mailgate.offers.missed_call import MissedCalls
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers
from mailgate.offers.table import ENDED, IN_CALL, State
from mailgate.spoken import Spoken
from mailgate.store import offers as rows_of
from mailgate.store.database import Store
from mailgate.store.missed_calls import Made
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

_READY_S = 0.6  # the dialplan waits 1.5 s for what it is to do
_JOINING_S = 60.0  # beyond the ringing: to hear the announcement and press 1


class Callers(Protocol):
    """What is asked of Asterisk; see mailgate.calls.asterisk.failed. Each raises OutcomeUnknown."""

    async def say(self, holding: Holding, sounds: Sequence[str], *, heard: int, wait_on: bool) -> None:
        """Play these; then let the caller wait on, or go."""

    async def heard(self, holding: Holding) -> int:
        """What `say` was last given."""

    async def keep(self, holding: Holding, seconds: float) -> None:
        """The hold goes on for so long."""

    async def give_up(self, attempt_id: str) -> None:
        """Nobody is there any more whom the attempt could join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSettings:
    """`seconds` 0: nobody is asked to wait. `music`: a sound file without extension, or `class:NAME`."""

    seconds: int
    music: str
    language: str  # of callers of whom nothing is known
    ring_s: int  # how long an offeree's telephone may ring


class Waiting:
    """All who wait."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        held: Held,
        missed: MissedCalls,
        callers: Callable[[], Callers],
        spoken: Spoken,
        settings: HoldSettings,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._who_waits = held
        self._missed = missed
        self._callers = callers
        self._spoken_by = spoken
        self._settings = settings
        self._holding: dict[str, Holding] = {}  # call → where it waits
        self._offer_of: dict[str, str] = {}  # call → offer
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        held.on_step(self._stepped)

    # --- what Asterisk says ------------------------------------------------------------------------------------
    async def failed(self, call: FailedCall) -> Verdict:
        """Take a failed call in; what the caller is told. Durable when it returns."""
        taken = await self._missed.take(call)
        if taken.made is None:
            return Nothing()
        if not call.channel or not taken.offer_id or not taken.callee or not self._settings.seconds:
            return Told()
        if taken.made not in (Made.OFFERED, Made.COUNTED):
            return Told()
        language = self._language(taken.caller)
        name = taken.callee.display_name
        # Said first, and made first; what is not ready by then the dialplan waits for.
        told = await self._spoken_by.soon("told", language, name, within_s=_READY_S)
        word, back = [await self._spoken_by.soon(key, language, name) for key in ("word", "back")]
        return Hold(seconds=self._settings.seconds, told=told, word=word, back=back, music=self._settings.music)

    async def news(self, news: Holding | Gone) -> None:
        """Somebody waits, or has gone."""
        match news:
            case Holding():
                await self._begin(news)
            case Gone(call_id=call_id):
                await self._end(call_id)

    async def present(self, present: Sequence[Holding]) -> None:
        """All who wait just now: who is not among them has gone."""
        for call_id in set(self._holding) - {holding.call_id for holding in present}:
            await self._end(call_id)
        for holding in present:
            await self._begin(holding)

    async def _begin(self, holding: Holding) -> None:
        known = self._missed.offer_of(holding.call_id)
        if known is None:
            return
        offer_id, _ = known
        news = holding.call_id not in self._holding
        self._holding[holding.call_id] = holding
        self._offer_of[holding.call_id] = offer_id
        if not news:
            return
        self._who_waits.hold(offer_id, Channel(Kind.HELD, holding.channel))
        self._offers.stir(offer_id)
        self._spawn(self._warm(holding))
        if not holding.hearing:
            self._spawn(self._tell(holding))

    async def _end(self, call_id: str) -> None:
        holding = self._holding.pop(call_id, None)
        offer_id = self._offer_of.pop(call_id, "")
        self._locks.pop(call_id, None)
        if holding is None:
            return
        channel = Channel(Kind.HELD, holding.channel)
        if self._who_waits.channel(offer_id) == channel:  # not that of a later call
            self._who_waits.let_go(offer_id)
        self._offers.stir(offer_id)
        offer = self._offer(offer_id)
        if offer is None or offer.state not in IN_CALL or offer.state is State.CONNECTED or offer.attempt is None:
            return
        if offer.attempt.held == channel:
            log.info("the caller has left", extra={"action": "caller_left", "attempt": offer.attempt.attempt_id})
            await self._callers().give_up(offer.attempt.attempt_id)

    # --- what offerees do --------------------------------------------------------------------------------------
    def _stepped(self, offer: Offer, event: Event) -> None:
        begins = isinstance(event, Accepted) or offer.fallen is not None
        if not begins and not isinstance(event, Declined | Replied | NotMe | Revoked | Booked):
            return
        for call_id, offer_id in self._offer_of.items():
            if offer_id != offer.offer_id:
                continue
            holding = self._holding[call_id]
            if begins:
                self._spawn(self._callers().keep(holding, self._settings.ring_s + _JOINING_S))
            else:
                self._spawn(self._tell(holding))

    async def _tell(self, holding: Holding) -> None:
        """Speak what was answered since the call came, and was not spoken on this channel yet."""
        async with self._locks.setdefault(holding.call_id, asyncio.Lock()):
            await self._tell_now(holding)

    async def _tell_now(self, holding: Holding) -> None:
        known = self._missed.offer_of(holding.call_id)
        offer = self._offer(known[0]) if known else None
        if known is None or offer is None or offer.state in IN_CALL:
            return
        booked = offer.state is State.BOOKED
        ended = booked or offer.state is State.DECLINED or offer.state in ENDED
        said = self._store.read(lambda rows: rows_of.answers(rows, self._sealer, offer.offer_id))
        before = await self._callers().heard(holding)
        fresh = [answer for answer in said if answer.at >= known[1]][before:]
        if not fresh and not ended:
            return
        callee, caller = self._missed.parties(holding.call_id)
        name = callee.display_name if callee else offer.terms.offeree_shown
        sounds: list[str] = []
        for answer in fresh:
            sounds += await self._spoken(name, self._language(caller), answer, offer.terms.language)
        if ended and not booked and not any(answer.event == "declined" for answer in fresh):
            sounds.append(await self._spoken_by.ours("declined", self._language(caller), name))
        last = "back" if booked else "goodbye" if ended else "wait"
        sounds.append(await self._spoken_by.ours(last, self._language(caller), name))
        await self._callers().say(
            holding, [sound for sound in sounds if sound], heard=before + len(fresh), wait_on=not ended
        )
        log.info("spoken to who waits", extra={"action": "spoken", "offer": offer.offer_id, "answers": len(fresh)})

    async def _spoken(self, name: str, language: str, answer: rows_of.Answer, expected: str) -> list[str]:
        key = "replied" if answer.event == "replied" else "declined-text" if answer.text else "declined"
        sounds = [await self._spoken_by.ours(key, language, name)]
        if answer.reason is not None and answer.reason is not Reason.OTHER:
            sounds.append(await self._spoken_by.ours(f"reason-{answer.reason.value}", language, name))
        return [*sounds, *(await self._spoken_by.text(answer.text, expected))]

    async def _warm(self, holding: Holding) -> None:
        """Have ready what may have to be said at once."""
        callee, caller = self._missed.parties(holding.call_id)
        if callee is not None:
            for key in ("declined-text", "declined", "replied", "goodbye", "wait"):
                await self._spoken_by.ours(key, self._language(caller), callee.display_name)

    def _language(self, caller: Account | None) -> str:
        return caller.language if caller else self._settings.language

    def _offer(self, offer_id: str) -> Offer | None:
        return self._store.read(lambda rows: rows_of.by_id(rows, self._sealer, offer_id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except (MailgateError, ValueError) as error:  # Asterisk is away, or the caller has just gone
                log.warning("who waits could not be reached: %s", error, extra={"action": "held_unreached"})

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """What is under way towards callers is finished."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
