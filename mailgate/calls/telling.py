"""A call that only tells something: its one Originate, and what its record says. Pure.

The record lies in astdb beside those of attempts (mailgate/SLOT/tell-…) and is swept with them: `placed` is written
with the channel, `answered` and `heard` by the dialplan ([mailgate-tell]).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from mailgate.calls.action import ways
from mailgate.calls.model import Channel
from mailgate.calls.settings import AsteriskSettings

RING_S = 30
_ID = re.compile(r"tell-[0-9a-f]{24}\Z")
_SOUND = re.compile(r"/[A-Za-z0-9_./-]{1,300}\Z")


class Rang(Enum):
    """What became of the call."""

    NOT_YET = "not-yet"  # it was never made
    UNDER_WAY = "under-way"
    HEARD = "heard"
    IN_VAIN = "in-vain"


def rang(record: str, *, live: bool) -> Rang:
    """From the record, and whether its channel is there."""
    if record == "heard":
        return Rang.HEARD
    if live:
        return Rang.UNDER_WAY
    return Rang.IN_VAIN if record else Rang.NOT_YET


def check_call(call_id: str) -> str:
    """The id itself; raises ValueError where it is not `tell-` and 24 hexadecimal digits."""
    if not _ID.match(call_id):
        raise ValueError("not the id of a telling call")
    return call_id


def tell_action(
    call_id: str, family: str, channel: Channel, sounds: Sequence[str], again: str, settings: AsteriskSettings
) -> dict[str, str | list[str]]:
    """Headers of the Originate. Raises ValueError."""
    for sound in (*sounds, *([again] if again else [])):
        if not _SOUND.match(sound) or ".." in sound:
            raise ValueError("not a usable path of a sound file")
    variables = {
        "MG_TELL": f"{family}/{check_call(call_id)}",
        "MG_WORDS": "&".join(sounds),
        "MG_AGAIN": again,
        "FORWARD_CONTEXT": "mailgate-none",
        f"DB({family}/{call_id})": "placed",
    }
    return {
        "Action": "Originate",
        "Channel": ways(channel, settings)[0],
        "Context": "mailgate-tell",
        "Exten": "s",
        "Priority": "1",
        "CallerID": f"<{settings.gateway_number}>",
        "Timeout": str(1000 * RING_S),
        "Async": "true",
        "ChannelId": call_id,
        "Variable": [f"{name}={value}" for name, value in variables.items()],
    }
