"""From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mailgate.calls import announcements, plan
from mailgate.calls.asterisk import Asterisk
from mailgate.calls.model import COMES_IN, CallOrder, Channel, Kind
from mailgate.calls.speech import Speech
from mailgate.offers.offer import Offer


@dataclass(slots=True)
class CallDesk:
    """From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination."""

    asterisk: Asterisk
    speech: Speech
    limits: plan.Limits

    async def prepare(self, offer: Offer) -> CallOrder:
        attempt, terms = offer.attempt, offer.terms
        assert attempt is not None
        language = announcements.spoken_language(terms.language)
        held = attempt.held  # who waits on the line has nothing to be asked
        first, second, leg2 = await asyncio.gather(
            # who has called in is not asked for a key, so there is nothing to say to them
            self._say("" if attempt.leg1.kind in COMES_IN else announcements.to_offeree(terms), language),
            self._say("" if held else announcements.to_destination(terms), language),
            self._held_or_way(held, terms.destination),
        )
        return plan.order(attempt, leg2, self.limits, announcement=first, announcement2=second)

    async def _say(self, text: str, language: str) -> str:
        """The sound file without extension; empty, for the built-in prompt, where there is none."""
        return str(await self.speech.render(text, language) or "") if text else ""

    async def _held_or_way(self, held: Channel | None, channels: tuple[Channel, ...]) -> Channel:
        return held or await self._way(channels)

    async def _way(self, channels: tuple[Channel, ...]) -> Channel:
        """The first channel that can be reached; a telephone number is taken to be so. The last one where none can."""
        unavailable = {c for c in channels if c.kind is Kind.SIP and not await self.asterisk.available(c)}
        return plan.choose(channels, unavailable) if len(unavailable) < len(channels) else channels[-1]
