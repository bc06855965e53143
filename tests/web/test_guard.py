"""Around every answer: what the log shows, and what a failure reveals."""

from __future__ import annotations

import logging

import httpx
import pytest
from web_gateway import ADA, BEN, Gateway

from mailgate.calls.model import Channel
from mailgate.web.app import create_app
from mailgate.web.guard import masked, stack_of
from mailgate.web.server import WebServer

TOKEN = "AQ" + "x" * 34


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/a/{TOKEN}", "/a/…"),
        (f"/a/{TOKEN}/call", "/a/…/call"),
        (f"/a/{TOKEN[:-3]}", "/a/…"),
        (f"/a/{TOKEN}.", "/a/…"),
        (f"/x/{TOKEN}", "/x/…"),
        (f"/{TOKEN}{TOKEN}", "/…"),
        ("/healthz", "/healthz"),
        ("/static/page.0123456789.css", "/static/page.0123456789.css"),
        ("/a\n/b", "/a?/b"),
        ("/" + "ab/" * 1000, ("/" + "ab/" * 1000)[:80]),
    ],
)
def test_paths_in_the_log_hold_no_token(path: str, shown: str) -> None:
    assert masked(path) == shown


async def test_the_log_holds_no_token_and_no_number(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = await gateway.open()
    fields = await gateway.fields(token, number=BEN)
    await gateway.client.post(f"/a/{token}/call", data=fields | {"nonce": ""})
    await gateway.client.post(f"/a/{token}/call", data=fields | {"number": "0199005678999"})
    await gateway.client.get(f"/a/{token}?x={token}")
    await gateway.client.get(f"/x/{token}")
    await gateway.client.get(f"/a/{token[:-1]}")
    await gateway.client.post(f"/a/{token}/call", data=fields)
    await gateway.placed()
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    shown = "\n".join(str(vars(record)) + record.getMessage() for record in ours)
    assert "GET /a/… 200 in" in shown
    assert "POST /a/…/call 303 in" in shown
    for secret in (token, token[:-1], token[8:30], fields["nonce"], ADA, BEN, "99005678"):
        assert secret not in shown


async def test_a_failure_reveals_nothing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(number: str, region: str) -> Channel:
        raise RuntimeError(f"cannot call {number}")

    app = create_app(gateway.settings, gateway.offers, broken, now=gateway.clock)
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    token = await gateway.open()
    fields = await gateway.fields(token, number=BEN)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.post(f"/a/{token}/call", data=fields, headers={"Accept-Language": "de"})
        assert answer.status_code == 500
        assert "Bei uns ist etwas schiefgegangen" in answer.text
        assert "RuntimeError" not in answer.text
        assert BEN not in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert (await client.get(f"/a/{token}")).status_code == 200, "the next request is served"
    await server.stop()
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "RuntimeError" in record.getMessage()
    assert "in broken" in record.getMessage()
    written = caplog.text.replace("HTTP Request", "") + "".join(capfd.readouterr())
    logged = "\n".join(line for line in written.splitlines() if "httpx" not in line and "_client.py" not in line)
    assert BEN not in logged
    assert token not in logged
    assert gateway.attempts(token) == 0


def test_stacks_name_causes_without_their_texts() -> None:
    try:
        try:
            raise ValueError(BEN)
        except ValueError as error:
            raise KeyError(ADA) from error
    except KeyError as error:
        shown = stack_of(error)
    assert "KeyError" in shown
    assert "ValueError" in shown
    assert ADA not in shown
    assert BEN not in shown
