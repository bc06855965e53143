"""From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailgate.calls import announcements, pairs, plan, recording
from mailgate.calls.asterisk import Asterisk
from mailgate.calls.model import SEES, UNASKED, CallOrder, Channel
from mailgate.calls.pairs import Way
from mailgate.calls.speech import Speech
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.own_order import away


@dataclass(slots=True)
class CallDesk:
    """From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination.

    `sounds` is the folder that holds recorded names; `ways` gives the destination's channels and their hours.
    """

    asterisk: Asterisk
    speech: Speech
    sounds: Path
    limits: plan.Limits
    say_who_is_called: bool = True
    ways: Callable[[Offer], Sequence[Way]] = lambda offer: [Way(channel=c) for c in offer.terms.destination]
    now: Callable[[], float] = time.time

    async def prepare(self, offer: Offer) -> CallOrder:
        attempt = offer.attempt
        assert attempt is not None
        held = attempt.held  # who waits on the line has nothing to be asked, and is not called
        (first, calling, second), legs2 = await asyncio.gather(
            self._speech(offer, attempt.leg1, held=held is not None), self._legs2(offer)
        )
        return plan.order(attempt, legs2, self.limits, announcement=first, announcement2=second, calling=calling)

    async def rehearse(self, offer: Offer) -> None:
        """Make ready what will be spoken in a call that is to come."""
        await self._speech(offer, offer.slot.leg1 if offer.slot else None)

    async def _speech(self, offer: Offer, leg1: Channel | None, *, held: bool = False) -> tuple[str, str, str]:
        """What the offeree hears before and while the destination is called, and what the destination hears; who is
        `held` on the line is not called."""
        terms = offer.terms
        first, calling, second = await asyncio.gather(
            # who has called in, or pressed in a page, is not asked for a key: there is nothing to say to them
            self._say(None if leg1 and leg1.kind in UNASKED else announcements.to_offeree(terms), terms),
            # a page shows it, and does not wait
            self._say(announcements.calling(terms) if not held and (not leg1 or self._says(leg1)) else None, terms),
            self._say(None if held else announcements.to_destination(terms), terms),
        )
        return first, calling, second

    def _says(self, leg1: Channel) -> bool:
        return self.say_who_is_called and leg1.kind not in SEES

    async def _say(self, sentence: announcements.Sentence | None, terms: Terms) -> str:
        """The sound file without extension; empty, for the built-in prompt or none at all, where there is none."""
        if sentence is None:
            return ""
        language = announcements.spoken_language(terms.language)
        name = recording.find(self.sounds, terms.account_id) if sentence.by_offeror else None
        if name is not None:
            around = await self.speech.render_around(sentence.before, name, sentence.after, language)
            if around is not None:
                return str(around)
        return str(await self.speech.render(sentence.text, language) or "")

    async def _legs2(self, offer: Offer) -> tuple[Channel, ...]:
        """The destination's channels that go with this attempt's leg 1 now, in the order of the plan. Where none can be
        had, the last one: Asterisk will say why."""
        attempt, channels = offer.attempt, offer.terms.destination
        assert attempt is not None
        if attempt.held is not None:
            return (attempt.held,)
        if len(channels) < 2:
            return channels
        gone, me = await away(channels, self.asterisk.available), [Way(channel=attempt.leg1)]
        found = pairs.plan(me, self.ways(offer), at=self.now(), unavailable=gone)
        if not found and offer.slot and offer.slot.attempt_id == attempt.attempt_id:  # the time was agreed on
            found = pairs.plan(me, [Way(channel=c) for c in channels], at=self.now(), unavailable=gone)
        return tuple(pair.leg2 for pair in found) or channels[-1:]
