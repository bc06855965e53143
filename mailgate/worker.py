"""A mail worker: a process that takes, judges, signs and relays mail, and asks the control process for the rest.

    python -m mailgate.worker CONTROL_FD SMTP_FD MILTER_FD < configuration as JSON      (-1: there is none)

Started by `mailgate.workers.crew` and of no use by itself. Holds the keys for tokens and DKIM, no handle on the store.
Ends on SIGTERM, SIGINT, when it is told to, and when the control process has gone; messages in flight finish, those
that need an offer then meet a fault, which passes them on unchanged or keeps them back (`smtp.on_fault`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from typing import Any

import uvloop

from mailgate import gate, heap, intake
from mailgate import log as logs
from mailgate.config import Config
from mailgate.errors import MailgateError
from mailgate.keyfiles import load_ring
from mailgate.workers.far import FarBooks, FarCounts, FarNotes
from mailgate.workers.wire import Wire
from smtp_hooks.pipeline import Gate
from smtp_hooks.surgery import Apart

log = logging.getLogger(__name__)


async def work(
    config: Config, control: socket.socket, smtp: socket.socket | None, milter: socket.socket | None
) -> None:
    """Serve on the sockets that there are until told to stop. Raises ConfigError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)

    def hear(name: str, argument: Any) -> None:
        match name:
            case "forget":
                books.forget()
            case "notes":
                notes.any = bool(argument)
            case "stop":
                stop.set()

    wire = Wire(hear)
    books, notes, counts = FarBooks(wire), FarNotes(wire), FarCounts(wire)
    await wire.open(control)
    wire.lost.add_done_callback(lambda _: stop.set())
    telling = asyncio.create_task(counts.tell_now_and_then())
    room = gate.mail_room(config, books=books, ring=load_ring(config.keys.token_file), metrics=counts, now=time.time)
    surgery = Apart()
    judge = Gate(room, on_fault=config.smtp.on_fault, surgery=surgery)
    async with contextlib.AsyncExitStack() as doors:
        if milter is not None:
            share = _share(config, config.milter.max_connections)
            await doors.enter_async_context(intake.milter(config, judge, listener=milter, connections=share))
        if smtp is not None:
            share = _share(config, config.smtp.max_connections)
            await doors.enter_async_context(intake.smtp(config, judge, notes, listener=smtp, connections=share))
        wire.tell("serving")
        await stop.wait()
        _say_why(wire)
    await surgery.close()
    telling.cancel()
    counts.tell()
    wire.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await wire.lost


def _share(config: Config, connections: int) -> int:
    """A worker's part of them, at least one."""
    return -(-connections // config.smtp.workers)


def _say_why(wire: Wire) -> None:
    if wire.lost.done():
        log.error("the control process has gone; this mail worker ends", extra={"action": "control-lost"})


def main() -> None:
    """The process."""
    control, *doors = (None if word == "-1" else socket.socket(fileno=int(word)) for word in sys.argv[1:4])
    assert control is not None
    config = Config.model_validate_json(sys.stdin.buffer.read())
    logs.set_up(config.log.level, config.log.format)
    heap.keep()
    try:
        uvloop.run(work(config, control, *doors))
    except MailgateError as error:
        log.error("a mail worker cannot work: %s", error)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
