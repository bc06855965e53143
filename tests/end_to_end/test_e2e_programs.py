"""Programs and passed-on links, on real parts: `mailgate serve` with its API and webhooks, Postfix, Asterisk."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from e2e_world import Visitor, everybody_answers, invited, link_to, reset
from lab.hooks import Receiver, receiver
from lab.phone import Answer, Reject
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, World, off_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVE_NUMBER = "+33199009999"


@pytest_asyncio.fixture(loop_scope="module")
async def hooks(one_world: World) -> AsyncIterator[Receiver]:
    """A program of Ada's that hears of her offers. The gateway is told that it may send to loopback."""
    async with receiver() as there:
        one_world.gateway.configure("webhooks", inside=["127.0.0.0/8"])
        await off_loop(one_world.gateway.stop)
        await off_loop(one_world.gateway.run, "account", "webhook", "set", ADA, f"http://127.0.0.1:{there.port}/calls")
        await off_loop(one_world.gateway.start)
        yield there


async def api(world: World) -> httpx.AsyncClient:
    made = await off_loop(world.gateway.run, "keys", "api", "add", ADA, "--label", "tests")
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    return httpx.AsyncClient(base_url=f"{world.gateway.url}/api/v1", headers=headers, timeout=20)


def nonce_of(page: str, action: str) -> str:
    found = re.search(rf'{action}" novalidate.*?name="nonce" value="([^"]+)"', page, re.DOTALL)
    assert found is not None, page
    return found[1]


async def told(hooks: Receiver, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            for got in hooks.got:
                body = json.loads(got.body)
                if body["type"] == kind:
                    return dict(body["data"])
            await asyncio.sleep(0.1)


@pytest.mark.claim("C22", "C29")
async def test_a_program_s_coupon_becomes_a_call_over_another_network(
    one_world: World, http: Visitor, hooks: Receiver
) -> None:
    """Made through the server at the first user's wish, by HTTP; accepted on the page; the channel is a telephone's."""
    world = reset(one_world)
    everybody_answers(world)
    async with await api(world) as program:
        wish = {"offeree": {"address": BEN}, "uses": 1, "valid_s": 3600}
        answer = await program.post("/offers", json=wish, headers={"Idempotency-Key": "order-1"})
        assert answer.status_code == 201, answer.text
        offer = answer.json()
        assert (await http.accept(offer["url"])).status_code == 303
        await http.sees(offer["url"], "You are connected")
        network = world.network
        network.hang_up(await network.call(BEN_NUMBER))
        await http.sees(offer["url"], "The call has ended")
        [call] = (await program.get(f"/offers/{offer['id']}/calls")).json()["calls"]
        assert call["outcome"] == "completed" and call["bridged_at"]
        again = await program.post("/offers", json=wish, headers={"Idempotency-Key": "order-1"})
        assert (again.json()["id"], again.json()["state"]) == (offer["id"], "used")
        for text in (answer.text, again.text, (await program.get("/account")).text):
            assert ADA_NUMBER[3:] not in re.sub(r"\D", "", text)
    for kind in ("offer.made", "offer.accepted", "call.connected", "call.ended"):
        data = await told(hooks, kind)
        assert data["offer"]["id"] == offer["id"]
    assert not any(ADA_NUMBER[3:].encode() in got.body or BEN_NUMBER[3:].encode() in got.body for got in hooks.got)
    assert invited(world, ADA_NUMBER) == 1 and invited(world, BEN_NUMBER) == 1


async def test_a_link_that_was_passed_on_needs_the_first_reader_s_mailbox(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    world.network.plan = {BEN_NUMBER: Reject(code=486, after=0.0)}  # the offer is open again, and bound
    link = await link_to(world)
    assert (await http.accept(link)).status_code == 303
    await http.sees(link, "Your line was busy")
    async with httpx.AsyncClient(timeout=20) as client:
        eve = Visitor(client)
        assert "taken up from another browser" in (await eve.get(link)).text
        refused = await eve.accept(link, EVE_NUMBER)
        assert refused.status_code == 409 and invited(world, EVE_NUMBER) == 0
        before = len(world.mailbox(BEN))
        page = (await eve.get(f"{link}/holder")).text
        await eve.post(f"{link}/holder", nonce=nonce_of(page, "/holder"), subject="", address=BEN)
        raw = (await world.wait_for_mail(BEN, before + 1))[-1]
        message = email.message_from_bytes(raw, policy=email.policy.default)
        code = re.search(r"^ +(\d{6})\s*$", str(message.get_content()), re.MULTILINE)  # type: ignore[attr-defined]
        assert code is not None and message["Subject"] == "Your code for the call"
        page = (await eve.get(f"{link}/holder?sent=1")).text
        done = await eve.post(f"{link}/holder/code", nonce=nonce_of(page, "/holder/code"), subject="", code=code[1])
        assert done.status_code == 303
        assert (await eve.accept(link, EVE_NUMBER)).status_code == 303
        await world.network.call(EVE_NUMBER)


async def test_a_stranger_s_telephone_does_not_ring_before_it_is_verified(one_world: World, http: Visitor) -> None:
    world = reset(one_world)
    stranger = "+33199008888"
    run = world.gateway.run
    await off_loop(run, "account", "add", "new@example.org", "--name", "New", "--number", stranger, "--unverified")
    await asyncio.sleep(2.5)  # the running gateway takes note of accounts once a second
    link = await link_to(world, sender="new@example.org")
    assert "New cannot be called yet" in (await http.get(link)).text
    world.network.plan = {stranger: Answer()}
    await off_loop(run, "account", "verify", "new@example.org", "--send")
    call = await world.network.call(stranger, timeout_s=15)  # told a code
    await asyncio.wait_for(call.over.wait(), 60)
    wrong = await off_loop(lambda: run("account", "verify", "new@example.org", "--code", "000000", check=False))
    assert wrong.returncode == 1 and "not the code" in wrong.stderr
    everybody_answers(world)
    await off_loop(run, "account", "verify", "new@example.org", "--vouch")
    await http.sees(link, "Call me now")
    world.network.plan = {stranger: Answer(press=((1.0, "1"),)), BEN_NUMBER: Answer(press=((1.0, "1"),))}
    assert (await http.accept(link)).status_code == 303
    await http.sees(link, "You are connected")
