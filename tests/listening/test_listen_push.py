"""A page that is closed is woken: by a push service on loopback, which is sent what only the browser can read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from lab.browser import chromium
from lab.certificates import Authority
from lab.hooks import Receiver, receiver
from listening_world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, Device, House, house, until
from page_world import Visitors
from playwright.async_api import BrowserContext, Page, expect
from push_service import Subscribed, signed_by

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

TITLES = """async () => {
  const worker = await navigator.serviceWorker.getRegistration();
  return (await worker.getNotifications()).map((each) => each.title);
}"""
ON, OFF = "Notify me on this device", "Do not notify me here any more"


@dataclass
class Woken:
    """The gateway, people's browsers, and the push service."""

    visitors: Visitors
    service: Receiver
    ada: Device

    @property
    def home(self) -> House:
        return self.visitors.home

    @property
    def listen(self) -> str:
        return f"{self.home.gateway.url}/my/listen"

    def subscribed(self) -> Subscribed:
        return Subscribed(f"https://127.0.0.1:{self.service.port}/push/{time.monotonic_ns()}")

    async def context(self, subscribed: Subscribed, address: str = BEN) -> BrowserContext:
        context = await self.visitors.context(address)
        await context.grant_permissions(["notifications"], origin=self.home.gateway.url)
        await context.add_init_script(subscribed.script)
        return context

    async def page(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        await page.goto(self.listen)
        await expect(page.locator("#line.here")).to_be_visible()
        return page

    async def subscribe(self, subscribed: Subscribed) -> BrowserContext:
        """A browser of Ben's that is woken from now on; its page is closed again."""
        context = await self.context(subscribed)
        page = await self.page(context)
        await page.get_by_role("button", name=ON).click()
        await expect(page.locator("#closed-say")).to_contain_text("This device is notified")
        await page.close()
        await until(self.nobody_is_there, 10, lambda: "it is still there")
        return context

    def nobody_is_there(self) -> bool:
        """Whether every page that has come is gone again."""
        log = self.home.gateway.log
        return log.count("listener here") - log.count("listener gone") == 1  # Ada's

    async def offered(self) -> str:
        """Ada offers Ben a call; the offer's id."""
        before = len([m for m in self.ada.heard if m["type"] == "made"])
        await self.ada.say("make", to=BEN)
        made = await until(
            lambda: [m for m in self.ada.heard if m["type"] == "made"][before:], 20, lambda: str(self.ada.heard[-3:])
        )
        assert isinstance(made, list)
        return str(made[0]["offer"])

    async def went(self, offer: str, within_s: float = 60.0) -> str:
        """By which way the offer was told."""
        found = re.compile(rf"notice tried notice={offer}\.offered \S+ way=(\w+) delivery=delivered")
        match = await until(
            lambda: found.search(self.home.gateway.log), within_s, lambda: self.home.gateway.log[-3000:]
        )
        assert isinstance(match, re.Match)
        return str(match[1])

    def store(self, statement: str) -> list[str]:
        """What the store holds of devices; names of them."""
        with contextlib.closing(sqlite3.connect(self.home.gateway.folder / "mailgate.db", timeout=30)) as rows:
            found = [str(row[0]) for row in rows.execute(statement)]
            rows.commit()
        return found

    def woken_devices(self) -> list[str]:
        return self.store("SELECT name FROM devices JOIN pushes USING (device_id)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def woken() -> AsyncIterator[Woken]:
    folder = Path(tempfile.mkdtemp(prefix="mg", dir="/tmp"))
    authority = Authority(folder)
    certificate, key = authority.issue("127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    push = {"push_inside": ["127.0.0.0/8"], "push_ca_file": str(authority.path), "push_s": 15}
    async with receiver(tls=tls) as service, house(folder, **push) as home, chromium() as browser:
        service.answer = 201
        ada = await Device.come(home.gateway.url, await home.key(ADA, "--name", "ada's desk"))
        yield Woken(Visitors(home, browser), service, ada)
        await ada.leave()
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def alone(woken: Woken) -> AsyncIterator[None]:
    """No test leaves devices behind that another one would wake."""
    yield
    woken.store("DELETE FROM pushes")
    woken.store("DELETE FROM devices WHERE name <> 'ada''s desk'")
    woken.service.got.clear()
    woken.service.answer = 201


@pytest.mark.claim("C9", "C23")
async def test_a_closed_page_is_woken_and_shows_what_it_was_woken_for(woken: Woken) -> None:
    subscribed = woken.subscribed()
    context = await woken.subscribe(subscribed)
    listed = await woken.home.command("account", "device", "list", BEN)
    assert "Chrome, Linux" in listed and "woken by push" in listed
    kept = {cookie["name"]: cookie for cookie in await context.cookies(woken.listen)}
    assert kept["mailgate_device"]["httpOnly"] and kept["mailgate_device"]["path"] == "/my"
    await context.clear_cookies(name="mailgate_session")  # as after twelve hours
    mails = len(woken.home.hop.taken)
    began = time.time()
    offer = await woken.offered()
    await until(lambda: woken.service.got, 20, lambda: woken.home.gateway.log[-3000:])
    [got] = woken.service.got
    assert got.line == f"POST {subscribed.endpoint.removeprefix(f'https://127.0.0.1:{woken.service.port}')} HTTP/1.1"
    assert int(got.headers["ttl"]) == 4 * 3600 and got.headers["urgency"] == "high"
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", got.headers["topic"])
    told = subscribed.read(got)
    assert told == {
        "title": "Ada Lovelace offers you a call",
        "tag": got.headers["topic"],
        "language": "en",
    }
    for hidden in (ADA_NUMBER, BEN_NUMBER, "/a/", "http"):
        assert hidden not in json.dumps(told)
    claims, key = signed_by(got)
    assert claims["aud"] == f"https://127.0.0.1:{woken.service.port}"
    assert claims["sub"] == "mailto:calls@example.org"
    assert began < claims["exp"] <= began + 24 * 3600
    page = await woken.page(context)
    assert key == await page.locator("#closed").get_attribute("data-server-key")
    await expect(page.locator(".offer").first).to_contain_text("Ada Lovelace offers you a call")
    assert await woken.went(offer) == "socket"
    assert len(woken.home.hop.taken) == mails
    await context.close()


async def test_a_push_that_nobody_follows_is_no_delivery(woken: Woken) -> None:
    context = await woken.subscribe(woken.subscribed())
    mails = len(woken.home.hop.taken)
    assert await woken.went(await woken.offered()) == "mail"
    assert len(woken.service.got) == 1
    assert woken.home.hop.subjects()[mails:] == ["Ada Lovelace offers you a call"]
    await context.close()


async def test_nobody_is_woken_where_a_page_is_open_or_wants_quiet(woken: Woken) -> None:
    context = await woken.subscribe(woken.subscribed())
    page = await woken.page(context)
    assert await woken.went(await woken.offered()) == "socket"
    for status in ("busy", "dnd"):
        await page.get_by_label("Status").select_option(status)
        assert await woken.went(await woken.offered()) == "mail"
    assert woken.service.got == []
    await context.close()


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_forgotten(woken: Woken, status: int) -> None:
    context = await woken.subscribe(woken.subscribed())
    woken.service.answer = status
    assert await woken.went(await woken.offered()) == "mail"
    assert woken.woken_devices() == []
    assert await woken.went(await woken.offered()) == "mail"
    assert len(woken.service.got) == 1
    await context.close()


async def test_a_push_service_in_trouble_is_tried_again_next_time(woken: Woken) -> None:
    context = await woken.subscribe(woken.subscribed())
    woken.service.answer = 503
    for _ in range(2):
        assert await woken.went(await woken.offered()) == "mail"
    assert len(woken.service.got) == 2 and len(woken.woken_devices()) == 1
    await context.close()


async def test_it_ends_by_the_page_by_signing_out_and_by_the_administrator(woken: Woken) -> None:
    subscribed = woken.subscribed()
    context = await woken.subscribe(subscribed)
    page = await woken.page(context)
    await page.get_by_role("button", name=OFF).click()
    await expect(page.get_by_role("button", name=ON)).to_be_focused()
    assert woken.store("SELECT name FROM devices WHERE name <> 'ada''s desk'") == []
    await page.get_by_role("button", name=ON).click()
    await expect(page.get_by_role("button", name=OFF)).to_be_visible()
    # removed from outside: who is left with the device's cookie alone is signed out
    await context.clear_cookies(name="mailgate_session")
    await page.reload()
    await expect(page.locator("#line.here")).to_be_visible()
    [device] = woken.store("SELECT device_id FROM pushes")
    await woken.home.command("account", "device", "remove", BEN, device)
    await expect(page.locator("#line.lost")).to_contain_text("You are signed out here", timeout=20_000)
    await context.close()


async def test_signing_out_ends_it_too(woken: Woken) -> None:
    visitors = Visitors(woken.home, woken.visitors.browser)  # a session that may end here
    context = await visitors.context(BEN)
    await context.grant_permissions(["notifications"], origin=woken.home.gateway.url)
    await context.add_init_script(woken.subscribed().script)
    page = await woken.page(context)
    await page.get_by_role("button", name=ON).click()
    await expect(page.get_by_role("button", name=OFF)).to_be_visible()
    other = await context.new_page()
    await other.goto(f"{woken.home.gateway.url}/my")
    await other.locator("#out button").click()
    await expect(other.locator("#ask")).to_be_visible()
    await expect(page.locator("#line.lost")).to_contain_text("You are signed out here", timeout=20_000)
    assert woken.woken_devices() == []
    await context.close()


async def test_a_browser_wakes_for_its_present_user_alone(woken: Woken) -> None:
    subscribed = woken.subscribed()
    await (await woken.subscribe(subscribed)).close()
    [name] = woken.woken_devices()
    context = await woken.context(subscribed, ADA)
    page = await woken.page(context)
    await page.get_by_role("button", name=ON).click()
    await expect(page.get_by_role("button", name=OFF)).to_be_visible()
    assert woken.store("SELECT address FROM pushes JOIN addresses USING (account_id)") == [ADA], name
    await page.get_by_role("button", name=OFF).click()
    await expect(page.get_by_role("button", name=ON)).to_be_visible()
    await context.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "http://127.0.0.1:80/push"},
        {"endpoint": "https://10.0.0.1/push"},
        {"endpoint": "https://169.254.169.254/latest"},
        {"endpoint": "https://[::1]/push"},
        {"endpoint": "https://user@127.0.0.1/push"},
        {"endpoint": "https://127.0.0.1:22/push"},
        {"endpoint": "https://127.0.0.1/" + "x" * 1000},
        {"endpoint": ""},
        {"p256dh": "BAAA"},
        {"p256dh": "B" + "A" * 86},
        {"p256dh": "é"},
        {"auth": "AAAA"},
    ],
    ids=lambda changes: next(iter(changes.items()))[1][:30] or "empty",
)
async def test_what_is_no_subscription_is_not_taken(woken: Woken, changes: dict[str, str]) -> None:
    async with http(woken) as (key, client):
        answer = await client.post("/my/listen/push", data=woken.subscribed().fields | {"key": key} | changes)
        assert answer.status_code == 422 and answer.json()["why"]
        assert "set-cookie" not in answer.headers
    assert woken.woken_devices() == []


async def test_a_form_of_somebody_elses_making_does_nothing(woken: Woken) -> None:
    fields = woken.subscribed().fields
    async with http(woken) as (key, client):
        for wrong in ("", "0" * 32, "é"):
            assert (await client.post("/my/listen/push", data=fields | {"key": wrong})).status_code == 403
        for site in ("cross-site", "same-site"):
            elsewhere = {"Sec-Fetch-Site": site}
            answer = await client.post("/my/listen/push", data=fields | {"key": key}, headers=elsewhere)
            assert answer.status_code == 403
            assert (await client.request("DELETE", "/my/listen/push", headers=elsewhere)).status_code == 403
        client.cookies.clear()
        assert (await client.post("/my/listen/push", data=fields | {"key": key})).status_code == 401
    assert woken.woken_devices() == []


async def test_the_store_holds_no_endpoint(woken: Woken) -> None:
    subscribed = woken.subscribed()
    context = await woken.subscribe(subscribed)
    content = b"".join(path.read_bytes() for path in woken.home.gateway.folder.glob("mailgate.db*"))
    [cookie] = [c for c in await context.cookies(woken.listen) if c["name"] == "mailgate_device"]
    for secret in (subscribed.endpoint, subscribed.fields["auth"], cookie["value"]):
        assert secret.encode() not in content and secret not in woken.home.gateway.log
    await context.close()


async def test_the_service_worker_shows_what_is_pushed(woken: Woken) -> None:
    """What the gateway sends, decrypted, is what Chromium hands the worker."""
    subscribed = woken.subscribed()
    context = await woken.subscribe(subscribed)
    offer = await woken.offered()
    await until(lambda: woken.service.got, 30, lambda: woken.home.gateway.log[-3000:])
    told = subscribed.read(woken.service.got[0])
    page = await woken.page(context)
    session = await context.new_cdp_session(page)
    found: list[dict[str, str]] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
    await session.send("ServiceWorker.enable")
    await until(lambda: found, 10, lambda: "no service worker is registered")
    assert found[0]["scopeURL"] == woken.listen
    for data in (json.dumps(told), "nonsense"):
        await session.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": woken.home.gateway.url, "registrationId": found[0]["registrationId"], "data": data},
        )
    titles: set[str] = set()
    for _ in range(100):
        titles = set(await page.evaluate(TITLES))
        if len(titles) == 2:
            break
        await asyncio.sleep(0.1)
    assert titles == {"Ada Lovelace offers you a call", woken.home.gateway.url.removeprefix("http://")}
    assert await woken.went(offer) == "socket"
    await context.close()


async def test_a_page_behind_others_shows_a_notification_of_the_system(woken: Woken) -> None:
    """That is on the screen: nobody is pushed to, and nothing goes by mail."""
    context = await woken.context(woken.subscribed())
    page = await woken.page(context)
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    assert await woken.went(await woken.offered()) == "socket"
    assert await page.evaluate(TITLES) == ["Ada Lovelace offers you a call"]
    assert woken.service.got == []
    await context.close()


async def test_it_can_be_installed(woken: Woken) -> None:
    context = await woken.context(woken.subscribed())
    page = await woken.page(context)
    session = await context.new_cdp_session(page)
    answer = await session.send("Page.getAppManifest")
    assert answer["errors"] == []
    manifest = json.loads(answer["data"])
    assert manifest["name"] == "Analytical Engines: Calls" and manifest["scope"] == manifest["start_url"]
    async with httpx.AsyncClient(base_url=woken.home.gateway.url) as client:
        for icon in manifest["icons"]:
            got = await client.get(icon["src"])
            size = int(icon["sizes"].partition("x")[0])
            assert got.headers["content-type"] == "image/png"
            assert int.from_bytes(got.content[16:20], "big") == int.from_bytes(got.content[20:24], "big") == size
        arabic = (await client.get("/my/listen/manifest.webmanifest?language=ar")).json()
        assert arabic["dir"] == "rtl" and arabic["name"] != manifest["name"]
        worker = await client.get("/my/listen/worker.js")
        assert worker.headers["service-worker-allowed"] == "/my/listen"
    await context.close()


@contextlib.asynccontextmanager
async def http(woken: Woken) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """Ben's session without a browser, and the key of its forms."""
    context = await woken.visitors.context(BEN)
    cookies = {c["name"]: c["value"] for c in await context.cookies(woken.listen)}
    await context.close()
    async with httpx.AsyncClient(base_url=woken.home.gateway.url, cookies=cookies, timeout=30) as client:
        found = re.search(r'data-key="([0-9a-f]{32})"', (await client.get("/my/listen")).text)
        assert found is not None
        yield found[1], client
