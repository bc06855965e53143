"""What is said on the telephone: a text becomes a sound file that Asterisk plays.

The text goes to a speech program (espeak-ng, or any other by an argument list) on its standard input, never through a
shell and never as an argument. The sound comes back resampled and is kept in a folder under a hash of program, language
and text, so that each sentence is made once. Where no program is there, or it fails, `render` returns None: the order
then goes out without an announcement, and the dialplan plays Asterisk's own "you have a call, press 1 to accept".
Asterisk must be able to read the folder: it is made for all to read, and lies on the same machine.
Known limits: a file is never removed; a gateway says a few sentences for each account and language.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import tempfile
import unicodedata
import wave
from dataclasses import dataclass
from pathlib import Path

from mailgate.calls.recording import joined, write
from mailgate.calls.sound import telephone_wav
from mailgate.errors import ConfigError

log = logging.getLogger(__name__)

LONGEST_TEXT = 300  # characters: some twenty seconds; who answers the telephone waits no longer
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}\Z")  # RFC 5646, the simple forms
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+|\n+|$)")
_FOLDER = re.compile(r"/[A-Za-z0-9_./-]+\Z")  # what a channel variable takes


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSettings:
    """`command`: program and arguments; the arguments `{language}` and `{output}` are filled in, the text comes
    on standard input."""

    folder: Path
    command: tuple[str, ...] = ("espeak-ng", "-v", "{language}", "-s", "150", "--stdin", "-w", "{output}")
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not _FOLDER.match(str(self.folder)) or ".." in self.folder.parts:
            raise ConfigError("the folder for speech is an absolute path of letters, digits and _ . - only")
        if not self.command or "{output}" not in self.command:
            raise ConfigError("the command for speech names its {output}")


def clean(text: str) -> str:
    """One line of at most LONGEST_TEXT characters that no speech program takes for anything but words."""
    text = unicodedata.normalize("NFC", text)
    # Markup (SSML) and the program's own phoneme brackets are not for whoever chose a display name.
    text = "".join(" " if c in "<>[]{}|\\`" or not c.isprintable() else c for c in text)
    text = " ".join(text.split())
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT].rsplit(" ", 1)[0]
    return text


def sentences(text: str) -> list[str]:
    """A longer text in pieces that `clean` takes whole: at the ends of sentences, else between words."""
    pieces: list[str] = []
    for sentence in _SENTENCE.findall(unicodedata.normalize("NFC", text)):
        words = " ".join(sentence.split())
        if pieces and words and len(pieces[-1]) + 1 + len(words) <= LONGEST_TEXT:
            pieces[-1] += f" {words}"
            continue
        while len(words) > LONGEST_TEXT:
            cut = words.rfind(" ", 1, LONGEST_TEXT) if " " in words[1:LONGEST_TEXT] else LONGEST_TEXT
            pieces.append(words[:cut])
            words = words[cut:].strip()
        if words:
            pieces.append(words)
    return [piece for piece in pieces if any(c.isalnum() for c in piece)]


class Speech:
    """Renders texts, each once at a time; holds the folder."""

    def __init__(self, settings: SpeechSettings) -> None:
        self._settings = settings
        self._making: dict[Path, asyncio.Task[bool]] = {}
        self._missing = False

    def place(self, text: str, language: str) -> Path:
        """Where `render` puts the sound, whether it is there yet or not. Raises as `render`."""
        words = clean(text)
        if not words:
            raise ValueError("nothing to say")
        if not _LANGUAGE.match(language):
            raise ValueError("not a language tag")
        key = "\0".join([*self._settings.command, language, words])
        return self._settings.folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    async def render(self, text: str, language: str) -> Path | None:
        """The path of the sound without its extension, as a CallOrder takes it; None where it cannot be had.

        `language` is a tag such as `fr` or `pt-br`. Raises ValueError for a text without words or a bad tag.
        """
        path, words = self.place(text, language), clean(text)
        if await asyncio.to_thread(path.with_suffix(".wav").exists):
            return path
        if path not in self._making:
            self._making[path] = asyncio.create_task(self._make(path, words, language))
            self._making[path].add_done_callback(lambda _: self._making.pop(path, None))
        return path if await asyncio.shield(self._making[path]) else None

    async def render_around(self, before: str, name: Path, after: str, language: str) -> Path | None:
        """The same with a recording between two pieces of text, either of which may be empty; None where a piece
        cannot be spoken, or the recording is gone. Raises ValueError as `render`."""
        pieces = [name]
        for text, place in ((before, 0), (after, len(pieces))):
            if clean(text):
                spoken = await self.render(text, language)
                if spoken is None:
                    return None
                pieces.insert(place if place == 0 else len(pieces), spoken.with_suffix(".wav"))
        try:
            return await asyncio.to_thread(_join, self._settings.folder, pieces)
        except (OSError, ValueError, wave.Error) as error:
            log.warning(
                "a recorded name cannot be used", extra={"action": "recording_failed", "reason": f"{error!r:.160}"}
            )
            return None

    async def _make(self, path: Path, words: str, language: str) -> bool:
        try:
            await asyncio.to_thread(_make_folder, self._settings.folder)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=self._settings.folder) as scratch:
                output = Path(scratch) / "spoken.wav"
                filled = {"{language}": language, "{output}": str(output)}
                await self._run([filled.get(argument, argument) for argument in self._settings.command], words)
                await asyncio.to_thread(_convert, output, path.with_suffix(".wav"))
        except (OSError, ValueError, TimeoutError) as error:
            if not self._missing:  # said once: every call would say it again
                log.error(
                    "no speech: calls begin with Asterisk's own announcement",
                    extra={
                        "action": "speech_failed",
                        "program": self._settings.command[0],
                        "reason": f"{error!r:.200}",
                    },
                )
            self._missing = True
            return False
        self._missing = False
        return True

    async def _run(self, command: list[str], words: str) -> None:
        program = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                _, complaint = await program.communicate(words.encode())
        finally:
            if program.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    program.kill()
                await program.wait()
        if program.returncode:
            raise ValueError(f"ended with {program.returncode}: {complaint.decode(errors='replace')[:160]}")


def _join(folder: Path, pieces: list[Path]) -> Path:
    """All pieces in one file, made once for the same pieces; its path without extension."""
    sounds = [piece.read_bytes() for piece in pieces]
    path = folder / hashlib.sha256(b"".join(hashlib.sha256(sound).digest() for sound in sounds)).hexdigest()[:32]
    if not path.with_suffix(".wav").exists():
        write(path.with_suffix(".wav"), joined(sounds))
    return path


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def _convert(spoken: Path, target: Path) -> None:
    """Write the telephone's version in its place."""
    write(target, telephone_wav(spoken.read_bytes()))
