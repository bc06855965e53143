"""Debian's Chromium by playwright, for tests and pictures: `async with chromium() as browser: …`.

Nothing is fetched by it at the start and nothing updates itself; it talks to the pages of the test only.
"""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

AXE = "axe-core@4.10.3"
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


def axe_core() -> str:
    """axe-core's source, got from npm once and kept in the cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mailgate" / AXE.replace("@", "-")
    script = cache / "package" / "axe.min.js"
    if not script.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", AXE, "--pack-destination", cache], check=True, timeout=100)
        [archive] = cache.glob("*.tgz")
        subprocess.run(["tar", "-xzf", archive, "-C", cache, "package/axe.min.js"], check=True)
    return script.read_text(encoding="utf-8")


async def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    found = await page.evaluate(
        "async () => (await axe.run()).violations.map(v => `${v.id}: ${v.nodes.map(n => n.html).join(' | ')}`)"
    )
    return [str(each) for each in found]


async def layout(page: Page) -> list[str]:
    """What sticks out at the side, and what is too small for a thumb (24 px by WCAG 2.2, 2.5.8; here 44)."""
    found = await page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth, found = [];
          if (document.documentElement.scrollWidth > width) found.push(`${document.documentElement.scrollWidth} wide`);
          const pressed = "button, select, input:not([type=hidden]), textarea, summary, main a";
          for (const each of document.querySelectorAll(pressed)) {
            const { left, right, height } = each.getBoundingClientRect();
            if (each.checkVisibility() && (height < 44 || left < 0 || right > width + 1)) {
              found.push(`${each.outerHTML.slice(0, 120)}: ${left}…${right}, ${height} high`);
            }
          }
          return found;
        }"""
    )
    return [str(each) for each in found]
