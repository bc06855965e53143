"""A milter that replaces every body and does nothing else: what the protocol itself costs (see bench/milter.py).

python bench/milter_idle.py SOCKET
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from smtp_hooks.endpoint import UnixEndpoint  # noqa: E402
from smtp_hooks.envelope import Envelope  # noqa: E402
from smtp_hooks.milter import Milter, MilterSettings  # noqa: E402
from smtp_hooks.pipeline import Changed, Coupon, Verdict  # noqa: E402


class Idle:
    """Judges nothing: each message grows by a line."""

    async def judge(self, envelope: Envelope, message: bytes, *, eight_bit: bool) -> Verdict:
        return Changed(message=message + b"one line more\r\n")

    async def withdraw(self, coupon: Coupon) -> None:
        """There is none."""


async def main() -> None:
    await Milter(MilterSettings(endpoint=UnixEndpoint(sys.argv[1]), mode=0o666), Idle()).start()
    await asyncio.Event().wait()


uvloop.run(main())
