"""/metrics: for whom it is meant, and for nobody else."""

from __future__ import annotations

from ipaddress import ip_network

import httpx
import pytest
from web_gateway import MakeGateway

from mailgate.metrics import Metrics
from mailgate.web.app import create_app
from mailgate.web.server import WebServer

LOOPBACK, ELSEWHERE = ip_network("127.0.0.0/8"), ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("network", "headers", "status"),
    [
        (LOOPBACK, {}, 200),
        (ELSEWHERE, {}, 404),
        (ip_network("::/0"), {}, 404),
        (LOOPBACK, {"X-Forwarded-For": "127.0.0.1"}, 404),
        (LOOPBACK, {"Forwarded": "for=127.0.0.1"}, 404),
        (LOOPBACK, {"Via": "1.1 proxy"}, 404),
    ],
)
async def test_the_counters_are_for_the_configured_networks(
    make_gateway: MakeGateway, network: object, headers: dict[str, str], status: int
) -> None:
    gateway = await make_gateway(metrics_networks=(network,))
    metrics = Metrics()
    metrics.count("offered", "")
    app = create_app(gateway.settings, gateway.offers, lambda *_: None, metrics=metrics.text)  # type: ignore[arg-type, return-value]
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            answer = await client.get("/metrics", headers=headers)
            assert (await client.post("/metrics")).status_code == 405
    finally:
        await server.stop()
    assert answer.status_code == status
    assert ('mailgate_messages_total{decision="offered",reason=""} 1.0' in answer.text) is (status == 200)
