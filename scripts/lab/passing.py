"""A World that goes when it has been used.

async with passing(configuration={"call": {"dial_in": True}}) as world:
    …
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from lab.world import World

_SHOWN = 9000


@contextlib.asynccontextmanager
async def passing(make: Callable[..., World] = World, **wished: Any) -> AsyncIterator[World]:
    """What `make` gives of a folder (with a short path, since UNIX sockets live in it) and `wished`, started. The ends
    of its logs are printed at last: pytest shows them where a test fails."""
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        async with make(Path(folder), **wished) as world:
            try:
                yield world
            finally:
                for name, text in world.logs().items():
                    print(f"--- {name}\n{text[-_SHOWN:]}")
