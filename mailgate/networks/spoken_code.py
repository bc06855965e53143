"""A code, spoken on the telephone to whoever answers at a destination that is to be verified.

The sentence and each digit are sounds of their own, in the account's language, so that no file ever holds a code. Where
nothing can be spoken, Asterisk's own digits are played. A call is made once: whose answer was lost is not called
again by itself, since it may have rung.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mailgate.calls import announcements
from mailgate.calls.model import Channel
from mailgate.errors import CallFailed, OutcomeUnknown
from mailgate.offers.notice import Delivery, Kind, Notice

log = logging.getLogger(__name__)

LONGEST = 900
"""Characters of all the sounds' names: a line of AMI holds 1,024 (main/manager.c, inbuf)."""

Say = Callable[[Channel, Sequence[str]], Awaitable[None]]
"""`say(channel, sounds)` calls and plays; raises CallFailed (nothing rings) or OutcomeUnknown."""
Render = Callable[[str, str], Awaitable[Path | None]]
"""`render(text, language)`: the sound's path without extension; None where it cannot be had."""


class SpokenCodes:
    """Speaks codes."""

    def __init__(self, say: Say, render: Render) -> None:
        self._say = say
        self._render = render

    async def deliver(self, notice: Notice) -> Delivery:
        """One try; see mailgate.offers.notice.Network."""
        if notice.kind is not Kind.SPOKEN_CODE:
            raise ValueError(f"{notice.kind.value} is no code")
        extra = {"notice": notice.notice_id}
        sounds = await self._sounds(notice.values["code"], announcements.spoken_language(notice.language))
        try:
            await self._say(Channel.parse(notice.address), sounds)
        except CallFailed as error:
            log.warning("a code could not be spoken: %s", error, extra=extra)
            return Delivery.LATER
        except (ValueError, OutcomeUnknown) as error:
            log.warning("a code was perhaps not spoken: %s", type(error).__name__, extra=extra)
            return Delivery.REFUSED
        return Delivery.DELIVERED

    async def _sounds(self, code: str, language: str) -> list[str]:
        """What is played, in order: the sentence and the digits, twice where that is not too long."""
        sentence = await self._render(announcements.code_sentence(language), language)
        digits = {digit: await self._render(digit, language) for digit in sorted(set(code))}
        spoken = [str(sentence), *(str(digits[digit]) for digit in code)]
        if sentence is None or None in digits.values() or _length(spoken) > LONGEST:
            spoken = [f"digits/{digit}" for digit in code]
        twice = ["silence/1", *spoken, "silence/1", *spoken]
        return twice if _length(twice) <= LONGEST else ["silence/1", *spoken]


def _length(sounds: Sequence[str]) -> int:
    return len("&".join(sounds))
