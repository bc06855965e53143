"""Fixtures for the pages: gateways, a browser, and axe-core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import lab.browser
import pytest
from playwright.async_api import Browser
from web_gateway import GATEWAY, Clock, Gateway, MakeGateway, Recorder, dial, ring, slot_rules

from mailgate.calls.model import CallOrder
from mailgate.offers.api_keys import ApiKeys
from mailgate.offers.booking import Bookings
from mailgate.offers.offer import Offer
from mailgate.offers.own import Own
from mailgate.offers.programs import Programs
from mailgate.offers.service import Offers, Rules
from mailgate.offers.slots import Rules as SlotRules
from mailgate.store import database
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.web.settings import WebSettings


@pytest.fixture
async def make_gateway(tmp_path: Path) -> AsyncIterator[MakeGateway]:
    """Makes gateways: `await make_gateway(rules=Rules(…), allow_sip=True, …)`."""
    made: list[Gateway] = []

    async def make(
        *, rules: Rules | None = None, slots: SlotRules | None = None, later: bool = True, **settings: object
    ) -> Gateway:
        path = tmp_path / f"store{len(made)}.db"
        database.create(path)
        store, sealer, calls, clock = database.Store(path), Sealer(ring(b"s")), Recorder(), Clock()
        ids = iter(range(1, 1_000_000))

        async def prepare(offer: Offer) -> CallOrder:
            assert offer.attempt is not None
            return CallOrder(
                attempt_id=offer.attempt.attempt_id, leg1=offer.attempt.leg1, leg2=offer.terms.destination[0]
            )

        offers = Offers(
            store=store,
            sealer=sealer,
            ring=ring(b"t"),
            rules=rules or Rules(uses=3),
            own_number=GATEWAY,
            calls=calls,
            prepare=prepare,
            now=clock,
            new_id=lambda: f"{next(ids):032x}",
        )
        usual: dict[str, object] = {
            "public_url": "http://127.0.0.1",
            "organisation": "Analytical Engines",
            "gateway_number": GATEWAY,
            "default_region": "FR",
            "keys": ring(),
            "organizer": "calls@example.org",
        }
        web = WebSettings(**(usual | settings))  # type: ignore[arg-type]
        own = Own(store=store, sealer=sealer, offers=offers, now=clock)
        programs = Programs(store=store, sealer=sealer, ring=ring(b"t"), offers=offers, now=clock)
        keys = ApiKeys(store=store, sealer=sealer, now=clock)
        bookings = Bookings(
            offers, store=store, sealer=sealer, rules=slots or slot_rules(), own_number=GATEWAY, now=clock
        )
        app = create_app(
            web, offers, dial, own=own, programs=(programs, keys), bookings=bookings if later else None, now=clock
        )
        server = WebServer(app, host="127.0.0.1", port=0)
        await server.start()
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
        made.append(
            Gateway(
                settings=web,
                store=store,
                sealer=sealer,
                offers=offers,
                own=own,
                keys=keys,
                calls=calls,
                clock=clock,
                app=app,
                server=server,
                client=client,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()
        await each.server.stop()
        await each.offers.close()
        each.store.close()


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> Gateway:
    return await make_gateway()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser; a test makes contexts in it with the width, colours and scripting that it wants."""
    async with lab.browser.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's source, got from npm once and kept in the cache folder."""
    return lab.browser.axe_core()
