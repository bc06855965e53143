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
        (first, second), leg2 = await asyncio.gather(
            # who has called in is not asked for a key, so there is nothing to say to them
            self._speech(offer, asked=attempt.leg1.kind not in COMES_IN),
            self._way(terms.destination),
        )
        return plan.order(attempt, leg2, self.limits, announcement=first, announcement2=second)

    async def rehearse(self, offer: Offer) -> None:
        """Make ready what will be spoken in a call that is to come."""
        await self._speech(offer, asked=True)

    async def _speech(self, offer: Offer, *, asked: bool) -> tuple[str, str]:
        """What the offeree and the destination hear."""
        language = announcements.spoken_language(offer.terms.language)
        first, second = await asyncio.gather(
            self._say(announcements.to_offeree(offer.terms) if asked else "", language),
            self._say(announcements.to_destination(offer.terms), language),
        )
        return first, second

    async def _say(self, text: str, language: str) -> str:
        """The sound file without extension; empty, for the built-in prompt, where there is none."""
        return str(await self.speech.render(text, language) or "") if text else ""

    async def _way(self, channels: tuple[Channel, ...]) -> Channel:
        """The first channel that can be reached; a telephone number is taken to be so. The last one where none can."""
        unavailable = {c for c in channels if c.kind is Kind.SIP and not await self.asterisk.available(c)}
        return plan.choose(channels, unavailable) if len(unavailable) < len(channels) else channels[-1]
