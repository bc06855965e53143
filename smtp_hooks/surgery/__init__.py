"""Where the changing of messages is done: here for most, in a process with limits for big or strange ones.

One long regular expression holds the interpreter, and every other session waits for it. What is likely to take long,
by the octets of text that have to be searched, therefore goes to a worker (`smtp_hooks.surgery.worker`): a process of
its own, with RLIMIT_CPU for each job and RLIMIT_AS, started when the first such message comes and ended when none has
come for a while. A job that is too costly ends the worker; the message then passes untouched (`too-costly`), and counts
as showing its sender's number.

Known limits: one job at a time. Between the two nothing but this program's own objects is passed, by pickle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import sys
from typing import Any, Protocol

from smtp_hooks import mime
from smtp_hooks.mime import Addition, Reason, Site, Spliced, Unsuitable, pieces
from smtp_hooks.numbers import Redactor
from smtp_hooks.surgery.worker import HEAD, Job

log = logging.getLogger(__name__)

HEAVY = 256 * 1024
"""Octets of text that are searched at once in the event loop: 0.2 s where every line holds a number, measured."""
_WALL_S = 20.0
_IDLE_S = 30.0
COSTLY = Unsuitable(Reason.TOO_COSTLY)


class Surgery(Protocol):
    """What `smtp_hooks.mime` does, wherever it is done."""

    async def locate(self, message: bytes) -> Site | Unsuitable: ...

    async def splice(
        self, message: bytes, site: Site, addition: Addition, redactor: Redactor | None, eight_bit: bool
    ) -> Spliced | Unsuitable: ...

    async def exposed(self, message: bytes, redactor: Redactor) -> tuple[str, ...]: ...


class Here:
    """In this very process, whatever it costs. For single messages."""

    async def locate(self, message: bytes) -> Site | Unsuitable:
        return mime.locate(message)

    async def splice(
        self, message: bytes, site: Site, addition: Addition, redactor: Redactor | None, eight_bit: bool
    ) -> Spliced | Unsuitable:
        return mime.splice(message, site, addition, redactor=redactor, eight_bit=eight_bit)

    async def exposed(self, message: bytes, redactor: Redactor) -> tuple[str, ...]:
        return mime.exposed(message, redactor)


class Apart:
    """Heavy work in a worker, the rest here. `await close()` at the end."""

    def __init__(self, heavy: int = HEAVY) -> None:
        self._heavy = heavy
        self._turn = asyncio.Lock()
        self._worker: asyncio.subprocess.Process | None = None
        self._retire: asyncio.TimerHandle | None = None

    async def locate(self, message: bytes) -> Site | Unsuitable:
        site = mime.locate(message, most_text=self._heavy)
        if site != COSTLY:
            return site
        found: Site | Unsuitable | None = await self._ask("locate", message)
        return found or COSTLY

    async def splice(
        self, message: bytes, site: Site, addition: Addition, redactor: Redactor | None, eight_bit: bool
    ) -> Spliced | Unsuitable:
        if mime.text_octets(site.leaves) <= self._heavy:
            return mime.splice(message, site, addition, redactor=redactor, eight_bit=eight_bit)
        edited = await self._ask("splice", message, site, addition, redactor, eight_bit)
        if edited is None or isinstance(edited, Unsuitable):
            return edited or COSTLY
        edits, remaining = edited
        return Spliced(pieces=pieces(message, edits), remaining=remaining, edits=edits)

    async def exposed(self, message: bytes, redactor: Redactor) -> tuple[str, ...]:
        if len(message) <= self._heavy:
            return mime.exposed(message, redactor)
        found: tuple[str, ...] | None = await self._ask("exposed", message, redactor)
        return ("message",) if found is None else found

    async def close(self) -> None:
        """End the worker."""
        async with self._turn:
            await self._end()

    async def _ask(self, job: Job, *arguments: Any) -> Any:
        """What the worker answers; None where it did not live to answer."""
        async with self._turn:
            if self._retire is not None:
                self._retire.cancel()
            try:
                async with asyncio.timeout(_WALL_S):
                    return await self._exchange(pickle.dumps((job, arguments), pickle.HIGHEST_PROTOCOL))
            except (OSError, EOFError, TimeoutError):
                log.warning("a message is too costly to look into", extra={"action": "surgery-costly"})
                await self._end()
                return None
            except BaseException:
                await self._end()  # its answer would be taken for that to the next question
                raise
            finally:
                self._retire = asyncio.get_running_loop().call_later(_IDLE_S, self._idle)

    async def _exchange(self, question: bytes) -> Any:
        worker = self._worker
        if worker is None or worker.returncode is not None:
            worker = self._worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "smtp_hooks.surgery.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(HEAD.pack(len(question)) + question)
        await worker.stdin.drain()
        (length,) = HEAD.unpack(await worker.stdout.readexactly(HEAD.size))
        return pickle.loads(await worker.stdout.readexactly(length))

    def _idle(self) -> None:
        if not self._turn.locked() and self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.close()  # which it takes for the end
            self._worker = None

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if self._retire is not None:
            self._retire.cancel()
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
