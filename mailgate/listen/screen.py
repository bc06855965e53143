"""What the listening application shows: panels on a terminal, or plain lines for programs; and notices of the desktop.

Texts come from strangers: control characters are taken out, rich's markup is not read in them.

Known limits: a desktop notice needs notify-send (Debian: libnotify-bin) and a desktop that shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import shutil
import time
import unicodedata

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from mailgate.listen.protocol import Changed, News, OfferMessage


def clean(text: str) -> str:
    """The text in one line, without what moves a cursor or turns the direction of reading."""
    return "".join(
        " " if c in "\n\r\t" else c for c in text if c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    ).strip()


class Screen:
    """Where it is shown. `plain`: one line for each thing, first what it is, then the offer's number."""

    def __init__(self, console: Console, *, plain: bool, notify: bool) -> None:
        self._console = console
        self._plain = plain
        self._notify = shutil.which("notify-send") if notify else None
        self._notifying: set[asyncio.Task[None]] = set()

    def offer(self, number: int, offer: OfferMessage) -> None:
        if self._plain:
            self._line(f"offer {number} {clean(offer.title)} | {clean(offer.text)} | {offer.url}")
        else:
            until = time.strftime("%Y-%m-%d %H:%M", time.localtime(offer.expires_at))
            text = Text()
            text.append(clean(offer.text) + "\n")
            if offer.on_line:
                text.append("They are on the line now.\n", style="bold green")
            text.append(f"{offer.url}\n", style="cyan")
            text.append(
                f"until {until} · accept {number} · later {number} · decline {number} … · answer {number} …", "dim"
            )
            self._console.print(
                Panel(text, title=Text(f"[{number}] {clean(offer.title)}"), title_align="left", border_style="green")
            )
        if not offer.quiet:
            self._desktop(offer.title, offer.text)

    def news(self, news: News) -> None:
        if self._plain:
            self._line(f"news {news.kind} {clean(news.title)} | {clean(news.text)}")
        else:
            body = Text(clean(news.text))
            self._console.print(Panel(body, title=Text(clean(news.title)), title_align="left", border_style="blue"))
        if not news.quiet:
            self._desktop(news.title, news.text)

    def changed(self, number: int, changed: Changed, name: str) -> None:
        by = f" by {clean(changed.by)}" if changed.by else ""
        by += ", trying another way" if changed.falls and changed.in_call and changed.state != "connected" else ""
        outcome = f" ({changed.outcome})" if changed.outcome else ""
        if self._plain:
            self._line(f"changed {number} {changed.state}{outcome}{by}")
        else:
            self._console.print(Text(f"[{number}] {clean(name)}: {changed.state}{outcome}{by}", style="yellow"))

    def say(self, kind: str, text: str) -> None:
        """Something of the application's own: `signed-in`, `away`, `refused`, `made`, `wrong`, `page`, `help`."""
        if self._plain:
            self._line(f"{kind} {clean(text)}")
        else:
            self._console.print(Text(text, style="red" if kind in ("refused", "wrong") else "dim"))

    def _line(self, text: str) -> None:
        self._console.file.write(text + "\n")
        self._console.file.flush()

    def _desktop(self, title: str, text: str) -> None:
        if self._notify:
            task = asyncio.ensure_future(_notify(self._notify, clean(title), clean(text)))
            self._notifying.add(task)
            task.add_done_callback(self._notifying.discard)


async def _notify(program: str, title: str, text: str) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        process = await asyncio.create_subprocess_exec(
            program,
            *("--app-name=mailgate", "--category=call", "--", title[:200], html.escape(text[:500], quote=False)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(5):
            await process.wait()
