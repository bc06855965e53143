"""schemathesis sends the API what its own OpenAPI document allows, and what it does not: every answer is documented."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from web_gateway import MakeGateway

WITHIN_S = 25
NOT_IN_A_SCHEMA = "positive_data_acceptance"
"""Whether a number may be called, a destination is there and a cursor is ours is nothing that a schema can say."""


async def test_whatever_is_sent_the_answer_is_as_documented(make_gateway: MakeGateway, tmp_path: Path) -> None:
    gateway = await make_gateway(api_per_minute=100_000, api_burst=100_000)
    gateway.account()
    offers = [gateway.offers.offer_id_of(await gateway.open()) for _ in range(3)]
    key = gateway.keys.add("a", "fuzz")
    # Ids that exist, so that more than the way to 404 is walked.
    (tmp_path / "schemathesis.toml").write_text(
        f'[parameters]\noffer_id = "{offers[0]}"\n[generation]\nmax-examples = 25\ndatabase = "none"\n',
        encoding="utf-8",
    )
    fuzzing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/api/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--phases", "examples,coverage,fuzzing", "--seed", "1"),
        *("--checks", "all", "--exclude-checks", NOT_IN_A_SCHEMA, "--max-time", str(WITHIN_S), "--no-color"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(WITHIN_S + 40):
            told, _ = await fuzzing.communicate()
    finally:
        if fuzzing.returncode is None:
            fuzzing.kill()
            await fuzzing.wait()
    assert fuzzing.returncode == 0, told.decode()[-6000:]
    made = gateway.store.read(lambda r: r.all("recent_offers", account_id="a", state=None, most=9999))
    assert len(made) > 3, "it never got as far as an offer"
