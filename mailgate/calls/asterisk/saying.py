"""Call somebody, play sounds, hang up: one Originate that needs nothing of the dialplan.

For codes that a telephone is told before it may ring for offers. What becomes of the call is not followed.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailgate.calls.action import ways
from mailgate.calls.asterisk.edge import Asterisk
from mailgate.calls.model import Channel
from mailgate.calls.say import say_action
from mailgate.calls.settings import AsteriskSettings
from mailgate.errors import CallFailed


class Sayer:
    """Says things by one Asterisk."""

    def __init__(self, asterisk: Asterisk, settings: AsteriskSettings) -> None:
        self._asterisk = asterisk
        self._settings = settings

    async def say(self, channel: Channel, sounds: Sequence[str]) -> None:
        """Raises CallFailed when nothing rings, OutcomeUnknown when that is not known."""
        try:
            action = say_action(ways(channel, self._settings)[0], sounds, self._settings)
        except (ValueError, IndexError) as error:
            raise CallFailed(str(error)) from error
        if not self._asterisk.connected:
            raise CallFailed(f"no calls can be placed: {self._asterisk.trouble}")
        answer = await self._asterisk.act(action)
        if answer.get("response") != "Success":
            raise CallFailed(str(answer.get("message", "")))
