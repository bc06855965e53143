"""A code, spoken on the telephone to whoever answers at a destination that is to be verified; 1 to hear it again.

The sentence and each digit are sounds of their own, in the account's language, so that no file ever holds a code. A
call is made once: what became of it is asked of Asterisk's own record. Where it was in vain, or nothing can be
spoken, the code is asked for anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from mailgate.calls import announcements
from mailgate.calls.model import Channel
from mailgate.calls.telling import Rang
from mailgate.errors import CallFailed, OutcomeUnknown
from mailgate.networks.telephone import Ringer, call_of
from mailgate.offers.notice import Delivery, Kind, Notice

log = logging.getLogger(__name__)

LONGEST = 900
"""Characters of all the sounds' names: a line of AMI holds 1,024 (main/manager.c, inbuf)."""

Render = Callable[[str, str], Awaitable[Path | None]]
"""`render(text, language)`: the sound's path without extension; None where it cannot be had."""


class SpokenCodes:
    """Speaks codes."""

    def __init__(self, ringer: Ringer, render: Render) -> None:
        self._ringer = ringer
        self._render = render

    async def deliver(self, notice: Notice) -> Delivery:
        """One look or one call; see mailgate.offers.notice.Network."""
        if notice.kind is not Kind.SPOKEN_CODE:
            raise ValueError(f"{notice.kind.value} is no code")
        extra = {"notice": notice.notice_id}
        try:
            match await self._ringer.became(call_of(notice)):
                case Rang.HEARD:
                    return Delivery.DELIVERED
                case Rang.UNDER_WAY:
                    return Delivery.LATER
                case Rang.IN_VAIN:
                    log.info("a code was heard by nobody", extra=extra)
                    return Delivery.REFUSED
                case Rang.NOT_YET:
                    pass
            sounds = await self._sounds(notice.values["code"], announcements.spoken_language(notice.language))
            if sounds is None:
                log.error("a code cannot be spoken: there is no speech", extra=extra)
                return Delivery.REFUSED
            words, again = sounds
            await self._ringer.ring(call_of(notice), Channel.parse(notice.address), words, again)
        except (CallFailed, ValueError) as error:
            log.warning("a code cannot be spoken: %s", type(error).__name__, extra=extra)
            return Delivery.REFUSED
        except OutcomeUnknown:
            return Delivery.LATER
        return Delivery.LATER

    async def _sounds(self, code: str, language: str) -> tuple[list[str], str] | None:
        """What is played, in order: the sentence, and the digits twice where that is not too long; and what says how to
        hear it again. None where something cannot be spoken."""
        texts = [announcements.code_sentence(language), announcements.again_sentence(language), *sorted(set(code))]
        made = {text: await self._render(text, language) for text in texts}
        if None in made.values():
            return None
        sentence, again = (str(made[text]) for text in texts[:2])
        digits = [str(made[digit]) for digit in code]
        twice = [sentence, *digits, *digits]
        return (twice if len("&".join(twice)) <= LONGEST else [sentence, *digits]), again
