"""Which SIP telephones are in a call just now: one subscription to Asterisk's device states, and a first look.

Device states come as AMI events (DeviceStateChange, class "call"), which res_manager_devicestate forwards; only those
of PJSIP pass the filter that `mailgate deploy asterisk` writes. What was so before the link was up is read from the
channels that there are.
Known limits: a telephone behind a trunk has no state here; while the link is down, the last known state is believed.
"""

from __future__ import annotations

from mailgate.calls.asterisk.edge import Asterisk
from mailgate.calls.asterisk.link import Message
from mailgate.calls.stream import endpoint_of

_IN_USE = frozenset({"INUSE", "BUSY", "RINGINUSE", "ONHOLD"})
"""States of a telephone that somebody talks on; RINGING is not yet one (Asterisk's include/asterisk/devicestate.h)."""


class Devices:
    """The telephones of one Asterisk."""

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk
        self._busy: set[str] = set()
        asterisk.listen(self._heard)

    def in_call(self, name: str) -> bool:
        """Whether somebody talks on the telephone that is registered by that name."""
        return name in self._busy

    async def connected(self) -> None:
        """The link is up (again): see how things are. Raises Refused, OutcomeUnknown."""
        rows = await self._asterisk.ask({"Action": "CoreShowChannels"})
        self._busy = {endpoint_of(row) for row in rows if row.get("channelstatedesc") == "Up"} - {""}

    def _heard(self, message: Message) -> None:
        if message.get("event") != "DeviceStateChange":
            return
        kind, _, name = str(message.get("device", "")).partition("/")
        if kind != "PJSIP":
            return
        if message.get("state") in _IN_USE:
            self._busy.add(name)
        else:
            self._busy.discard(name)
