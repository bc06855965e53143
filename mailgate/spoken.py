"""What is spoken to an offeror: sentences of ours in the listener's language, and an offeree's text in its own.

Texts → sound files for Asterisk, as a voice makes them (mailgate.calls.speech). Of a long text the first piece is there
when it is returned; the others are made while what comes before them is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mailgate.calls import announcements, tongue


class Voice(Protocol):
    """What speaks; see mailgate.calls.speech."""

    async def render(self, text: str, language: str) -> Path | None:
        """The sound, None where it cannot be had. Raises ValueError."""

    def place(self, text: str, language: str) -> Path:
        """Where it will be. Raises ValueError."""


class Spoken:
    """Sounds of one voice. `pieces` cuts a text into what the voice takes at once."""

    def __init__(self, voice: Voice, pieces: Callable[[str], list[str]]) -> None:
        self._voice = voice
        self._pieces = pieces
        self._making: set[asyncio.Task[str]] = set()

    async def say(self, text: str, language: str) -> str:
        """The sound file without extension, "" where there is none. A voice that is missing gives way to English."""
        for tag in dict.fromkeys((language, "en")):
            try:
                sound = await self._voice.render(text, tag)
            except ValueError:
                return ""
            if sound is not None:
                return str(sound)
        return ""

    async def ours(self, key: str, language: str, name: str) -> str:
        """A sentence of templates/speech, about the one who is called so."""
        tag = announcements.spoken_language(language)
        return await self.say(announcements.hold_words(tag, name)[key], tag)

    async def soon(self, key: str, language: str, name: str, within_s: float = 0.0) -> str:
        """As `ours`; where that takes longer than so many seconds, where the sound will be."""
        tag = announcements.spoken_language(language)
        text = announcements.hold_words(tag, name)[key]
        making = self._begin(text, tag)
        done, _ = await asyncio.wait({making}, timeout=within_s)
        return making.result() if done else str(self._voice.place(text, tag))

    def _begin(self, text: str, tag: str) -> asyncio.Task[str]:
        task = asyncio.create_task(self.say(text, tag))
        self._making.add(task)  # a task that nobody holds may be collected before it is done
        task.add_done_callback(self._making.discard)
        return task

    async def text(self, text: str, expected: str) -> list[str]:
        """What somebody wrote, in the language that it is found to be in; `expected` where it does not tell."""
        pieces, tag = self._pieces(text), tongue.find(text, expected)
        if not pieces:
            return []
        first = await self.say(pieces[0], tag)
        if first != str(self._voice.place(pieces[0], tag)):
            tag = "en"  # there is no such voice
        for piece in pieces[1:]:
            self._begin(piece, tag)
        return [first, *(str(self._voice.place(piece, tag)) for piece in pieces[1:])]
