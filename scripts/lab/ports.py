"""Ports of loopback for what is started a moment later, by whoever gets their number.

They are below those that the kernel gives to outgoing connections, which could take one in between, and each of several
test processes has a range of its own.
"""

from __future__ import annotations

import os
import random
import socket

HOST = "127.0.0.1"
_FIRST, _EACH, _RANGES = 10_000, 2_500, 8


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has just now."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _RANGES
    while True:
        port = _FIRST + number * _EACH + random.randrange(_EACH)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
