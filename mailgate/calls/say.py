"""A call that plays sounds and hangs up, as AMI headers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailgate.calls.settings import AsteriskSettings

RING_S = 45
_SOUND = re.compile(r"/[A-Za-z0-9_./-]{1,300}\Z")
_BUILT_IN = re.compile(r"[a-z]{1,20}/[a-z0-9-]{1,40}\Z")  # a sound that Asterisk brings along: digits/4


def say_action(way: str, sounds: Sequence[str], settings: AsteriskSettings) -> dict[str, str | list[str]]:
    """Headers of the Originate; `way` is a dial string of `mailgate.calls.action.ways`. Raises ValueError."""
    for sound in sounds:
        if not _BUILT_IN.match(sound) and (not _SOUND.match(sound) or ".." in sound):
            raise ValueError("not a usable path of a sound file")
    return {
        "Action": "Originate",
        "Channel": way,
        "Application": "Playback",
        "Data": "&".join(sounds),
        "CallerID": f"<{settings.gateway_number}>",
        "Timeout": str(1000 * RING_S),
        "Async": "true",
        # A telephone that answers 302 would have Asterisk call whom it names: this context does not exist.
        "Variable": ["FORWARD_CONTEXT=mailgate-none"],
    }
