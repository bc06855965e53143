"""Ports of loopback for what is started a moment later, by whoever gets their number.

They are below those that the kernel gives to outgoing connections, which could take one in between, and below those
that Asterisk's audio takes here. Whoever gets one has it for a while against every other process of the lab, such as a
second run of the tests: the name of the number in the abstract name space of UNIX sockets is theirs, until they are
given so many more that the port is long in use, or until they end (unix(7), "Abstract sockets"; one name space for each
network name space, as with ports).
"""

from __future__ import annotations

import os
import random
import socket
from collections import deque

HOST = "127.0.0.1"
_FIRST, _COUNT = 10_000, 10_000
_RESERVED: deque[int] = deque(maxlen=100)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has just now, and nobody else of the lab is given."""
    while True:
        port = _FIRST + random.randrange(_COUNT)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0mailgate-lab-port-{port}")
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind((HOST, port))
        except OSError:
            claim.close()
            continue
        if len(_RESERVED) == _RESERVED.maxlen:
            os.close(_RESERVED.popleft())
        _RESERVED.append(claim.detach())
        return port
