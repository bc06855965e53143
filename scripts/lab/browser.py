"""Debian's Chromium by playwright, for tests and pictures: `async with chromium() as browser: …`.

Nothing is fetched by it at the start and nothing updates itself; it talks to the pages of the test only.
"""

from __future__ import annotations

import math
import shutil
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

PROGRAM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def with_voice(hertz: int, folder: Path) -> tuple[str, ...]:
    """Options for a microphone that hears one tone for ever, and that every page may use."""
    sound = folder / f"voice-{hertz}.wav"
    with wave.open(str(sound), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(48_000)
        wav.writeframes(
            b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * hertz * i / 48_000))) for i in range(48_000))
        )
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
        "--autoplay-policy=no-user-gesture-required",
        "--allow-loopback-in-peer-connection",
    )


@asynccontextmanager
async def chromium(*options: str) -> AsyncIterator[Browser]:
    """A browser; make contexts in it with the width, colours and scripting that are wanted."""
    async with async_playwright() as playwright:
        program = shutil.which("chromium") or PROGRAM
        browser = await playwright.chromium.launch(
            executable_path=program,
            args=[*OPTIONS, *options],
            # A program's own handlers decide what Ctrl-C does; the browser goes with the program in any case.
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        try:
            yield browser
        finally:
            await browser.close()
