"""The web server: uvicorn within the caller's event loop, its signals and its logging left alone.

The port is bound before anything else happens, so that a port that is taken is an error at the start and port 0
tells its real number. Stopping ends the live streams, lets answers under way finish, and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from mailgate.errors import ConfigError
from mailgate.web.sip_socket import MOST_OCTETS

STOP_S = 5
"""How long answers under way may take when the server stops."""
_BACKLOG = 1024
WS_PING_S = 7.0
"""A WebSocket whose other end is gone is noticed within twice that, and left after a last wait of 10 s."""


class _Uvicorn(uvicorn.Server):
    """Without uvicorn's signal handlers: `mailgate serve` has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """One listening server of an application made by create_app."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        """`port` 0 takes a free one."""
        self._app = app
        self._host = host
        self._wanted_port = port
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; returns when requests are answered. Raises ConfigError where the address cannot be had."""
        # access_log=False only takes the handlers away: one that is attached later would write tokens
        logging.getLogger("uvicorn.access").addFilter(_nothing)
        listening = _bind(self._host, self._wanted_port)
        self.port = int(listening.getsockname()[1])
        self._server = _Uvicorn(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nothing here depends on the client's address
                server_header=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=MOST_OCTETS,
                ws_ping_interval=WS_PING_S,
                ws_ping_timeout=WS_PING_S,
                ws_per_message_deflate=False,  # its windows would be most of what a quiet socket costs
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="web")
        while not self._server.started:
            await asyncio.wait({self._task}, timeout=0.01)
            if self._task.done():
                await self._task
                raise ConfigError(f"the web server did not start on {self._host}:{self.port}")

    async def stop(self) -> None:
        """End live streams, finish what is under way, close. A second call does nothing."""
        if self._server is None or self._task is None:
            return
        self._app.state.close()
        self._server.should_exit = True
        await self._task
        self._server = self._task = None


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening
