"""The control process's side of the workers: starts them, answers them, starts again what died, ends them.

What a worker asks goes to the books, notes and counts of this process. A worker that ends by itself is started again,
after a pause that grows while it keeps dying. At the end each worker is told to stop, finishes the messages in flight,
and is killed where it does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any

from mailgate.books import OwnBooks
from mailgate.config import Config
from mailgate.delivery_notes import DeliveryNotes
from mailgate.errors import ConfigError, MailgateError
from mailgate.intake import Doors
from mailgate.metrics import Counts
from mailgate.offers.fresh import Fresh
from mailgate.workers.records import account_record
from mailgate.workers.wire import Wire

log = logging.getLogger(__name__)

START_S = 30.0
"""For a worker to import, read its keys and serve."""
GRACE_S = 40.0
"""For messages in flight at the end: what the SMTP server gives them (30 s), and a little more."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
_HEALTHY_S = 60.0  # a worker that lived so long is started again without a longer pause


class Crew:
    """The workers of a gateway. `await start()` when everything that they ask for is there; `await stop()`."""

    def __init__(self, config: Config, *, books: OwnBooks, notes: DeliveryNotes, counts: Counts) -> None:
        self._config = config
        self._books = books
        self._notes = notes
        self._counts = counts
        self._doors: Doors | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._serving: list[asyncio.Future[None]] = []
        self._wires: set[Wire] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Bind, start all workers, and wait until each serves. Raises ConfigError."""
        doors = self._doors = Doors(self._config)
        loop = asyncio.get_running_loop()
        for _ in range(self._config.smtp.workers):
            serving: asyncio.Future[None] = loop.create_future()
            self._serving.append(serving)
            self._keepers.append(loop.create_task(self._keep(doors, serving)))
        try:
            async with asyncio.timeout(START_S):
                await asyncio.gather(*self._serving)
        except TimeoutError:
            await self.stop()
            raise ConfigError(f"smtp.workers: a mail worker did not start within {START_S:.0f} s") from None

    async def stop(self) -> None:
        """Tell all to stop, wait for messages in flight, then kill."""
        self._stop.set()
        for wire in self._wires:
            wire.tell("stop")
        if self._keepers:
            await asyncio.wait(self._keepers)
        if self._doors is not None:
            self._doors.close()

    def forget(self) -> None:
        """Accounts may have changed."""
        for wire in self._wires:
            wire.tell("forget")

    async def _keep(self, doors: Doors, serving: asyncio.Future[None]) -> None:
        """One worker after the other at these doors."""
        loop = asyncio.get_running_loop()
        pause_s = _PAUSE_S
        while not self._stop.is_set():
            began = loop.time()
            try:
                status = await self._run(doors, serving)
            except OSError as error:
                log.error("a mail worker cannot be started: %s", error)
                status = -1
            if self._stop.is_set():
                break
            log.error("a mail worker has ended and is started again", extra={"action": "worker", "status": status})
            pause_s = _PAUSE_S if loop.time() - began > _HEALTHY_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)

    async def _run(self, doors: Doors, serving: asyncio.Future[None]) -> int:
        """One worker's life; its exit status."""
        ours, theirs = socket.socketpair()
        inherited = [-1 if each is None else each.fileno() for each in (theirs, doors.smtp, doors.milter)]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mailgate.worker", *map(str, inherited)),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=[each for each in inherited if each >= 0],
            )
        wire = Wire(lambda name, argument: self._answer(name, argument, serving))
        try:
            await wire.open(ours)
            self._wires.add(wire)
            wire.tell("notes", self._notes.any)
            assert process.stdin is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.write(self._config.model_dump_json(by_alias=True).encode())
                process.stdin.close()
            if self._stop.is_set():
                wire.tell("stop")
            return await self._ended(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self._wires.discard(wire)
            wire.close()

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Its exit status, once it has ended by itself or was told to and had its time."""
        ended, stop = (asyncio.ensure_future(each) for each in (process.wait(), self._stop.wait()))
        await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        await asyncio.wait([ended], timeout=GRACE_S)
        if not ended.done():
            log.error("a mail worker does not stop and is killed", extra={"action": "worker-killed"})
            process.kill()
        return int(await ended)

    def _answer(self, name: str, argument: Any, serving: asyncio.Future[None]) -> Any:
        """What a worker asks. Table of the names that `far.py` and `mailgate.worker` use."""
        match name:
            case "keep":
                return self._books.keep_fresh(Fresh(*argument))
            case "account":
                account = self._books.account_now(argument)
                return None if account is None else [account_record(account), self._books.plain_now(account)]
            case "offeree":
                offeree = self._books.offeree_now(*argument)
                return [offeree.suppressed, offeree.number]
            case "quoted":
                return [asdict(quoted) for quoted in self._books.quoted_now(argument)]
            case "pin":
                return self._books.pin_now(argument)
            case "withdraw":
                return self._task(self._books.withdraw(argument))
            case "claim":
                return self._task(self._notes.claim(bytes.fromhex(argument[0]), argument[1]))
            case "note":
                return self._task(self._noting(self._notes.keep(bytes.fromhex(argument[0]), *argument[1:])))
            case "noted":
                return self._task(self._noting(self._notes.done(argument)))
            case "counted":
                for decision, reason, number in argument:
                    self._counts.count(decision, reason, number)
                return None
            case "serving":
                if not serving.done():
                    serving.set_result(None)
                return None
        raise MailgateError(f"a worker asks for {name!r}, which nobody knows")

    async def _noting(self, work: Coroutine[Any, Any, None]) -> None:
        """Every worker hears whether there are notes, before the one that asked goes on."""
        await work
        for wire in self._wires:
            wire.tell("notes", self._notes.any)

    def _task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # a task that nobody holds may be collected before it is done
        task.add_done_callback(self._tasks.discard)
        return task
