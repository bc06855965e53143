"""The API as programs use it: offers made, found, taken back; keys, limits and problems; nothing hidden shown."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime

import httpx
import pytest
from web_gateway import ADA, EVE, Gateway, MakeGateway

from mailgate.calls.model import Channel, Kind, Outcome
from mailgate.offers.answer import Reason
from mailgate.offers.api_keys import ApiKeys
from mailgate.offers.service import Rules
from mailgate.store import offers as rows_of
from mailgate.web.api.limits import MOST_OCTETS, Buckets

BEN = {"offeree": {"address": "ben@example.net"}}


@dataclass
class Program:
    """A program with a key of Ada's."""

    gateway: Gateway
    client: httpx.AsyncClient
    key: str

    async def make(self, wish: dict[str, object] | None = None, **headers: str) -> httpx.Response:
        return await self.client.post("/offers", json=wish or BEN, headers=headers)

    async def made(self, **wish: object) -> dict[str, object]:
        answer = await self.make(BEN | wish)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def stored(self) -> int:
        rows = self.gateway.store.read(lambda r: r.all("recent_offers", account_id=None, state=None, most=9999))
        return len(rows)


@pytest.fixture
async def program(make_gateway: MakeGateway) -> AsyncIterator[Program]:
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6), api_per_minute=6000, api_burst=500)
    gateway.account()
    key = gateway.keys.add("a", "tests")
    async with client_of(gateway, key) as client:
        yield Program(gateway, client, key)


def client_of(gateway: Gateway, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", headers=headers, timeout=20)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"].endswith(f"#{slug}") and body["status"] == status and body["title"]
    return dict(body)


@pytest.mark.claim("C22", "C29")
async def test_a_program_makes_an_offer_that_a_person_takes_up(program: Program) -> None:
    """Generated through the server at the first user's wish; accepted over another network; the call is placed."""
    offer = await program.made(uses=2, valid_s=3600, language="fr")
    assert offer["state"] == "open" and offer["uses_left"] == 2 and offer["language"] == "fr"
    assert offer["icon_url"] == "http://127.0.0.1/icon.png" and re.fullmatch(r"[0-9]{6}", str(offer["pin"]))
    lasts = datetime.fromisoformat(str(offer["expires_at"])) - datetime.fromisoformat(str(offer["created_at"]))
    assert lasts.total_seconds() == 3600
    token = str(offer["url"]).rsplit("/", 1)[1]
    assert (await program.gateway.press(token)).status_code == 303
    await program.gateway.placed()
    assert program.gateway.calls.orders[0].leg2 == Channel(Kind.TEL, ADA)
    now = (await program.client.get(f"/offers/{offer['id']}")).json()
    assert now["state"] == "placing" and now["attempts"] == 1 and now["url"] == offer["url"]


async def test_another_destination_and_a_number_of_the_offeree_s(program: Program) -> None:
    wish = {"offeree": {"number": "01 99 00 56 78"}, "destination": "support", "forwarding": "bearer"}
    offer = (await program.make(wish)).json()
    assert offer["destination"] == "Support" and offer["forwarding"] == "bearer"
    assert offer["offeree"] == {"address": None, "number_ends_with": "78"}
    stored = program.gateway.store.read(lambda r: rows_of.by_id(r, program.gateway.sealer, offer["id"]))
    assert stored is not None
    assert stored.terms.offeree == Channel(Kind.TEL, "+33199005678")
    assert stored.terms.destination == (Channel(Kind.TEL, EVE),)


async def test_no_answer_holds_a_number(program: Program) -> None:
    wish = {"offeree": {"address": "ben@example.net", "number": "+33 1 99 00 56 78"}}
    answers = [await program.make(wish)]
    offer_id = answers[0].json()["id"]
    token = answers[0].json()["url"].rsplit("/", 1)[1]
    await program.gateway.ends(token, Outcome.COMPLETED, 5.0)
    for path in ("/offers", f"/offers/{offer_id}", f"/offers/{offer_id}/calls", "/account", "/openapi.json"):
        answers.append(await program.client.get(path))
    answers.append(await program.make({"offeree": {"number": "+33 1 99 00 56"}}))
    answers.append(await program.client.post(f"/offers/{offer_id}/revoke"))
    for answer in answers:
        digits = re.sub(r"[^0-9]", "", answer.text)
        for number in (ADA, EVE, "+33199005678"):
            assert number[3:] not in digits, answer.request.url


async def test_the_same_idempotency_key_makes_one_offer_whoever_asks_how_often(program: Program) -> None:
    answers = await asyncio.gather(*(program.make(BEN, **{"Idempotency-Key": "order-17"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1 and program.stored() == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    other = {"offeree": {"address": "eve@example.com"}}
    problem(await program.make(other, **{"Idempotency-Key": "order-17"}), 422, "key-reused")
    assert (await program.make(BEN, **{"Idempotency-Key": "order-18"})).json()["id"] != answers[0].json()["id"]
    problem(await program.make(BEN, **{"Idempotency-Key": "a b"}), 422, "invalid")


async def test_idempotency_outlasts_a_restart(program: Program) -> None:
    first = (await program.make(BEN, **{"Idempotency-Key": "k"})).json()
    other = type(program.gateway.store)(program.gateway.store.path)
    row = other.read(lambda rows: rows.all("recent_offers", account_id=None, state=None, most=9))
    other.close()
    assert [each["offer_id"] for each in row] == [first["id"]]
    assert (await program.make(BEN, **{"Idempotency-Key": "k"})).json()["id"] == first["id"]


async def test_paging_shows_each_offer_once_the_newest_first(program: Program) -> None:
    ids = []
    for number in range(7):
        program.gateway.clock.at += number % 2  # some within the same second
        ids.append((await program.made())["id"])
    await program.client.post(f"/offers/{ids[0]}/revoke")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await program.client.get("/offers", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [each["id"] for each in page["offers"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(str(i) for i in ids) and len(seen) == 7
    found = (await program.client.get("/offers", params={"state": "revoked"})).json()
    assert [each["id"] for each in found["offers"]] == [ids[0]]
    problem(await program.client.get("/offers", params={"cursor": "nonsense"}), 400, "malformed")


async def test_revoking_twice_is_revoking_once_and_what_has_ended_is_a_conflict(program: Program) -> None:
    offer = await program.made(uses=1)
    for _ in range(2):
        answer = await program.client.post(f"/offers/{offer['id']}/revoke")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    used = await program.made(uses=1)
    await program.gateway.ends(str(used["url"]).rsplit("/", 1)[1], Outcome.COMPLETED, 9.0)
    problem(await program.client.post(f"/offers/{used['id']}/revoke"), 409, "ended")


async def test_calls_and_answers_are_told(program: Program) -> None:
    offer = await program.made()
    token = str(offer["url"]).rsplit("/", 1)[1]
    await program.gateway.ends(token, Outcome.DESTINATION_BUSY)
    await program.gateway.offers.answers.decline(token, Reason.NOT_NOW, "tomorrow?")
    [call] = (await program.client.get(f"/offers/{offer['id']}/calls")).json()["calls"]
    assert (call["outcome"], call["by"], call["ordinal"]) == ("destination-busy", "tel", 1) and call["ended_at"]
    [said] = (await program.client.get(f"/offers/{offer['id']}")).json()["answers"]
    assert (said["event"], said["reason"], said["text"]) == ("declined", "not-now", "tomorrow?")


async def test_the_account_s_own_data(program: Program) -> None:
    account = (await program.client.get("/account")).json()
    assert account["addresses"] == ["ada@example.org"]
    assert account["destinations"][1] == {
        "name": "support",
        "display_name": "Support",
        "channels": ["tel"],
        "verified": True,
    }


async def test_another_account_s_offers_are_not_there(program: Program) -> None:
    gateway = program.gateway
    gateway.account(account_id="b", addresses=("bob@example.org",))
    offer = await program.made()
    async with client_of(gateway, gateway.keys.add("b", "")) as bob:
        for method, path in (("GET", ""), ("POST", "/revoke"), ("GET", "/calls")):
            problem(await bob.request(method, f"/offers/{offer['id']}{path}"), 404, "not-found")
        assert (await bob.get("/offers")).json() == {"offers": [], "next": None}
        assert (await bob.post("/offers", json=BEN, headers={"Idempotency-Key": "x"})).status_code == 201


async def test_keys_are_looked_for_revoked_and_never_stored(program: Program) -> None:
    gateway = program.gateway
    for key in ("", "mg_00000000_" + "x" * 32, program.key[:-1] + ("A" if program.key[-1] != "A" else "B"), "x"):
        async with client_of(gateway, key) as client:
            answer = await client.get("/account")
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
    [known] = gateway.keys.list("a")
    assert known.label == "tests" and known.key_id in program.key
    secret = program.key.rsplit("_", 1)[1] if program.key.count("_") == 2 else program.key[12:]
    octets = b"".join(p.read_bytes() for p in gateway.store.path.parent.iterdir() if p.is_file())
    assert secret.encode() not in octets
    assert gateway.keys.revoke(known.key_id) and not gateway.keys.revoke(known.key_id)
    problem(await program.client.get("/account"), 401, "unauthorized")


WRONG: list[tuple[dict[str, object], str, str]] = [
    ({}, "/offeree", "missing"),
    ({"offeree": {}}, "/offeree", "value_error"),
    ({"offeree": {"address": "ben"}}, "/offeree/address", "value_error"),
    ({"offeree": {"address": "ben@example.net\r\nBcc: eve@example.com"}}, "/offeree/address", "value_error"),
    ({"offeree": {"number": "112"}}, "/offeree/number", "emergency"),
    ({"offeree": {"number": "sip:eve@example.com"}}, "/offeree/number", "not-a-number"),
    ({"offeree": {"number": "+53 7 8333333"}}, "/offeree/number", "country-not-allowed"),
    (BEN | {"destination": "nobody"}, "/destination", "unknown-destination"),
    (BEN | {"valid_s": 360 * 86400}, "/valid_s", "too-long"),
    (BEN | {"uses": 0}, "/uses", "greater_than_equal"),
    (BEN | {"forwarding": "anybody"}, "/forwarding", "enum"),
    (BEN | {"surprise": 1}, "/surprise", "extra_forbidden"),
    ({"offeree": {"number": "+33199005678"}, "forwarding": "verify"}, "/offeree/address", "address-needed"),
]


@pytest.mark.parametrize(("wish", "pointer", "reason"), WRONG, ids=[json.dumps(w) for w, _, _ in WRONG])
async def test_a_wish_that_cannot_be(program: Program, wish: dict[str, object], pointer: str, reason: str) -> None:
    body = problem(await program.client.post("/offers", json=wish), 422, "invalid")
    errors = body["errors"]
    assert isinstance(errors, list)
    assert (errors[0]["pointer"], errors[0]["reason"]) == (pointer, reason)
    assert program.stored() == 0


async def test_who_wants_no_offers_gets_none(program: Program) -> None:
    gateway = program.gateway

    def work(rows: object) -> None:
        rows_of.suppress_address(rows, gateway.sealer, "Ben@example.net", now=1.0, reason="not-me")  # type: ignore[arg-type]
        rows_of.suppress(rows, gateway.sealer, Channel(Kind.TEL, EVE), now=1.0, reason="not-me")  # type: ignore[arg-type]

    gateway.store.transact_now(work)
    for wish in (BEN, {"offeree": {"number": EVE}}):
        body = problem(await program.make(wish), 422, "invalid")
        assert "suppressed" in json.dumps(body["errors"])


async def test_bodies_are_bounded_and_json(program: Program) -> None:
    def big() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 1000

    async def without_a_length() -> AsyncIterator[bytes]:
        for piece in big():
            yield piece

    post = program.client.post
    json_type = {"Content-Type": "application/json"}
    problem(await post("/offers", content=b" " * (MOST_OCTETS + 1), headers=json_type), 413, "too-large")
    problem(await post("/offers", content=without_a_length(), headers=json_type), 413, "too-large")
    problem(await post("/offers", content=b"offeree=ben", headers={"Content-Type": "text/plain"}), 415, "media-type")
    problem(await post("/offers", content=b"{", headers=json_type), 400, "malformed")
    problem(await post("/offers", content=b"\xff", headers=json_type), 400, "malformed")
    problem(await program.client.get("/nothing"), 404, "not-found")
    problem(await program.client.delete("/offers"), 405, "method")


async def test_a_key_may_ask_so_often(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(api_per_minute=60, api_burst=3)
    gateway.account()
    async with client_of(gateway, gateway.keys.add("a", "")) as client:
        assert [(await client.get("/account")).status_code for _ in range(3)] == [200] * 3
        refused = await client.get("/account")
        problem(refused, 429, "too-many")
        assert refused.headers["retry-after"] == "1"
        gateway.clock.at += 1
        assert (await client.get("/account")).status_code == 200
    async with client_of(gateway, gateway.keys.add("a", "")) as other:
        assert (await other.get("/account")).status_code == 200


def test_a_bucket_fills_evenly_and_no_further_than_its_brim() -> None:
    clock = [0.0]
    buckets = Buckets(lambda: clock[0], per_minute=6, burst=2)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 10]
    clock[0] = 9.0
    assert buckets.take("a") == 1
    clock[0] = 1000.0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 10]


async def test_the_description_for_programs_and_the_page_for_people(program: Program) -> None:
    async with client_of(program.gateway, "") as client:
        document = (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
    assert set(document["paths"]) == {
        "/offers",
        "/offers/{offer_id}",
        "/offers/{offer_id}/revoke",
        "/offers/{offer_id}/calls",
        "/account",
    }
    assert "<script" not in page.text and "https://" not in page.text
    for words in ("POST /api/v1/offers", "Idempotency-Key".lower(), "OfferWish", 'id="key-reused"'):
        assert words in page.text or words in page.text.lower()


async def test_a_failure_within_tells_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("+33199001234")

    monkeypatch.setattr(ApiKeys, "caller", fail)
    answer = await program.client.get("/account")
    problem(answer, 500, "failure")
    assert "33199" not in answer.text
