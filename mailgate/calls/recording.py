"""Names as people say them themselves: an account's recording, which takes the place of its spoken name. Pure but for
the folder.

A recording lies as `names/ACCOUNT.wav` in the folder of sounds, as Asterisk plays it. Standards: none.
"""

from __future__ import annotations

import io
import os
import re
import wave
from collections.abc import Sequence
from pathlib import Path

from mailgate.calls.sound import RATE, telephone_wav

LONGEST_S = 5.0
"""A name, not a message: who answers the telephone waits for what comes after it."""

_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def _path(sounds: Path, account_id: str) -> Path:
    if not _ACCOUNT.match(account_id):
        raise ValueError("not the id of an account")
    return sounds / "names" / f"{account_id}.wav"


def keep(sounds: Path, account_id: str, data: bytes) -> float:
    """Keep a WAV file as the account's name; its seconds. Raises ValueError where it is none, or too long."""
    converted = telephone_wav(data)
    length_s = seconds(converted)
    if not 0.2 <= length_s <= LONGEST_S:
        raise ValueError(f"it lasts {length_s:.1f} seconds; a name takes 0.2 to {LONGEST_S:.0f}")
    path = _path(sounds, account_id)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write(path, converted)
    return length_s


def remove(sounds: Path, account_id: str) -> bool:
    """Speak the name again; False where there was no recording."""
    path = _path(sounds, account_id)
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def find(sounds: Path, account_id: str) -> Path | None:
    """The recording, with its extension; None where there is none."""
    path = _path(sounds, account_id)
    return path if path.is_file() else None


def seconds(data: bytes) -> float:
    with wave.open(io.BytesIO(data)) as source:
        return float(source.getnframes() / source.getframerate())


def joined(pieces: Sequence[bytes]) -> bytes:
    """One after the other, as one WAV file; all of them as telephone_wav makes them. Raises ValueError."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(RATE)
        for piece in pieces:
            with wave.open(io.BytesIO(piece)) as source:
                if (source.getframerate(), source.getnchannels(), source.getsampwidth()) != (RATE, 1, 2):
                    raise ValueError("not 8 kHz, mono, 16 bit")
                sink.writeframes(source.readframes(source.getnframes()))
    return out.getvalue()


def write(path: Path, data: bytes) -> None:
    """Whole or not at all, for all to read: Asterisk runs as a user of its own."""
    scratch = path.with_suffix(".new")
    scratch.write_bytes(data)
    scratch.chmod(0o644)
    os.replace(scratch, path)
