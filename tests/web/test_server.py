"""The server: its port, its signals, its end."""

from __future__ import annotations

import signal
import socket

import httpx
import pytest
from web_gateway import Gateway

from mailgate.errors import ConfigError
from mailgate.web.server import WebServer


async def test_a_free_port_is_told(gateway: Gateway) -> None:
    assert gateway.server.port > 0
    assert (await gateway.client.get("/healthz")).status_code == 200


async def test_a_port_that_is_taken_is_an_error_at_the_start(gateway: Gateway) -> None:
    second = WebServer(gateway.app, host="127.0.0.1", port=gateway.server.port)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{gateway.server.port}"):
        await second.start()


async def test_signals_are_left_alone(gateway: Gateway) -> None:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    server = WebServer(gateway.app, host="127.0.0.1", port=0)
    await server.start()
    assert {number: signal.getsignal(number) for number in kept} == kept
    await server.stop()
    assert {number: signal.getsignal(number) for number in kept} == kept


async def test_it_stops_and_frees_its_port(gateway: Gateway) -> None:
    await gateway.client.get("/healthz")  # leaves a connection open that is kept for the next request
    await gateway.server.stop()
    await gateway.server.stop()
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(f"{gateway.url}/healthz")
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", gateway.server.port))
