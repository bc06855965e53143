"""Steps told as they happen: a line for each, with the time it took; a failing one says so and ends the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class StepFailed(Exception):
    """A step did not come to its end; the text names step and reason."""


class Note:
    """What a step found out, shown behind it."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str) -> None:
        self.text = text


class Steps:
    """Prints to `console`; times count from the making of this object."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[Note]:
        """One step. Whatever is raised inside becomes StepFailed; a CancelledError stays what it is."""
        note = Note()
        began = time.monotonic()
        try:
            with self.console.status(escape(what)):
                yield note
        except Exception as error:
            self._line("[bold red]✗[/]", f"[bold]{escape(what)}[/]", began)
            reason = str(error) or type(error).__name__
            raise StepFailed(f"{what}: {reason}") from error
        self._line("[green]✓[/]", escape(what), began, note.text)

    def _line(self, sign: str, what: str, began: float, found: str = "") -> None:
        now = time.monotonic()
        times = f"[dim]{now - self._began:6.2f} s  +{now - began:5.2f} s[/]"
        tail = f"  [dim]{escape(found)}[/]" if found else ""
        self.console.print(f"{times}  {sign} {what}{tail}", soft_wrap=True)
