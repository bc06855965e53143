"""Where a service listens, as text and taken apart."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_TCP = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})\Z")
_LONGEST_PATH = 107  # sockaddr_un has 108 octets with the final NUL (unix(7))


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    path: str


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    host: str
    port: int


def parse_endpoint(text: str) -> UnixEndpoint | TcpEndpoint:
    """`unix:/absolute/path` or `host:port`. Raises ValueError."""
    kind, _, path = text.partition(":")
    if kind == "unix":
        if not path.startswith("/") or len(os.fsencode(path)) > _LONGEST_PATH or "\0" in path:
            raise ValueError(f"not unix: and an absolute path of at most {_LONGEST_PATH} octets")
        return UnixEndpoint(path)
    match = _TCP.match(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("not of the form unix:/path or host:port, such as unix:/run/mailgate/milter.sock")
    return TcpEndpoint(match["host"].strip("[]"), int(match["port"]))
