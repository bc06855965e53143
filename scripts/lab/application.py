"""`mailgate listen --plain` as a process, as its owner has it on the desk: what it prints, what is typed into it.

application = await Application.start(url, "--name", "laptop", key=key)
await application.prints(r"^offer 1 ")
await application.types("decline 1 On a train")
assert await application.end() == 0
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Self


class Application:
    """`lines` is what it has printed so far, `at` when each of them came (monotonic)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.at: list[float] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *words: str, key: str, path: str = "") -> Self:
        """With these words behind `mailgate listen`; `path` is a folder that is searched for programs first."""
        search = {"PATH": f"{path}:{os.environ['PATH']}"} if path else {}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mailgate", "listen", *words, "--plain"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "MAILGATE_LISTEN_KEY": key, **search},
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self.at.append(time.monotonic())

    async def types(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def prints(self, pattern: str, within_s: float = 20.0) -> re.Match[str]:
        """A line in which the pattern is found. Raises AssertionError with all that was printed."""
        found = await until(
            lambda: next((m for line in self.lines if (m := re.search(pattern, line))), None),
            within_s,
            lambda: f"{pattern!r} not among {self.lines}",
        )
        assert isinstance(found, re.Match)
        return found

    async def end(self) -> int:
        """SIGTERM; the exit status, which is not 0 where it had to be killed in the end."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), 20)
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)
        return code


async def until(found: Callable[[], object], within_s: float, complaint: Callable[[], str]) -> object:
    """What `found` gives once it is something. Raises AssertionError with the complaint."""
    deadline = time.monotonic() + within_s
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(complaint())
        await asyncio.sleep(0.01)
    return value
