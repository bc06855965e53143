"""How much memory the C library keeps for the next message, instead of giving it back after each.

Messages are octets of some 100 KiB to some MiB that live for milliseconds, several copies at a time. glibc gives the
top of its heap back to the kernel as soon as little is in use, and fetches it again, page by page and cleared, for the
next message: 12 to 15 page faults for each of 100 KiB, 600 for 5 MiB, up to a tenth of all CPU. Here it keeps up to
`KEPT`; what is bigger than `APART` is taken by itself and given back at once, so that a message of 25 MiB leaves next
to nothing behind.

Source: mallopt(3). Where the C library has no such call (musl), nothing is done.
"""

from __future__ import annotations

import ctypes

KEPT = 64 * 1024 * 1024
"""Octets of free memory that a process keeps at most. With 32 MiB half is still fetched anew for messages of 5 MiB."""
APART = 8 * 1024 * 1024
"""Octets above which a piece of memory has a mapping of its own."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep() -> None:
    """For a process that mail goes through, before the first message."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_MMAP_THRESHOLD, APART)
