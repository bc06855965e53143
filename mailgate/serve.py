"""`serve`: every room is built here, by hand, and handed what it needs. One process, one event loop.

Start: store and keys, Asterisk (calls under way are picked up from what it recorded), pages, and mail last, when
everything that a message needs is there. Stop, by SIGTERM or SIGINT: mail first (what is in flight finishes), then
pages, orders under way, Asterisk (its calls go on), the store.

Standards: sd_notify(3) for READY and STOPPING.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import uvloop

from mailgate.calls import announcements, plan
from mailgate.calls.asterisk import Asterisk, Verdict
from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.model import COMES_IN, CallEvent, CallOrder, Channel, Kind
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.speech import Speech, SpeechSettings
from mailgate.config import Config
from mailgate.errors import ConfigError
from mailgate.keyfiles import load_ring, read_secret
from mailgate.mail import MailRoom, MailSettings
from mailgate.metrics import Metrics
from mailgate.offers.offer import Offer
from mailgate.offers.service import Offers, Rules
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.web.settings import TalkSettings, WebSettings
from smtp_hooks import dkim_keys
from smtp_hooks.dkim import Signer
from smtp_hooks.pipeline import Gate, Offering
from smtp_hooks.policy import Facts
from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings

log = logging.getLogger(__name__)

TICK_S = 1.0


def asterisk_settings(config: Config) -> AsteriskSettings:
    """The link to Asterisk as configured; raises ConfigError."""
    host, _, port = config.asterisk.ami.rpartition(":")
    return AsteriskSettings(
        gateway_number=config.gateway.number,
        host=host,
        port=int(port),
        username=config.asterisk.username,
        secret=read_secret(config.asterisk.secret_file),
        trunk=config.asterisk.trunk,
        outbound=config.asterisk.sip_outbound,
        websocket=config.asterisk.websocket if config.web.browser_calls else "",
        relay_address=config.asterisk.relay_address,
    )


def web_settings(config: Config) -> WebSettings:
    """The pages as configured; raises ConfigError."""
    dialling = config.dialling
    return WebSettings(
        public_url=config.gateway.public_url,
        organisation=config.gateway.name,
        gateway_number=config.gateway.number,
        default_region=config.gateway.region,
        countries=tuple(dict.fromkeys((config.gateway.region, *dialling.countries))),
        allow_sip=dialling.sip_users or bool(dialling.sip_domains),
        keys=load_ring(config.keys.token_file),
        nonce_ttl_s=config.web.nonce_minutes * 60,
        talk=talk_settings(config),
        frame_ancestors=" ".join(config.web.frame_ancestors) or "'none'",
    )


def talk_settings(config: Config) -> TalkSettings | None:
    """Calls from the page as configured, None where there are none; raises ConfigError."""
    if not config.web.browser_calls:
        return None
    return TalkSettings(
        asterisk=config.asterisk.websocket,
        relay_address=config.asterisk.relay_address,
        ice_servers=config.web.ice_servers,
        turn_secret=read_secret(config.web.turn_secret_file) if config.web.turn_secret_file else "",
    )


def speech_settings(config: Config) -> SpeechSettings:
    """Who speaks, and where it is kept; raises ConfigError."""
    if config.call.speech_command:
        return SpeechSettings(folder=config.asterisk.sounds, command=config.call.speech_command)
    return SpeechSettings(folder=config.asterisk.sounds)


def signer(config: Config) -> Signer | None:
    """The configured DKIM keys, ready to sign; None where there are none. Raises ConfigError."""
    loaded = []
    for key in config.dkim.keys:
        try:
            loaded.append(dkim_keys.load(key.domain, key.selector, read_secret(key.key_file).encode()))
        except ValueError as error:
            raise ConfigError(f"{key.key_file}: {error}") from error
    return Signer(loaded) if loaded else None


@dataclass(slots=True)
class _CallDesk:
    """From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination."""

    asterisk: Asterisk
    speech: Speech
    limits: plan.Limits

    async def prepare(self, offer: Offer) -> CallOrder:
        attempt, terms = offer.attempt, offer.terms
        assert attempt is not None
        language = announcements.spoken_language(terms.language)
        first, second, leg2 = await asyncio.gather(
            # who has called in is not asked for a key, so there is nothing to say to them
            self._say("" if attempt.leg1.kind in COMES_IN else announcements.to_offeree(terms), language),
            self._say(announcements.to_destination(terms), language),
            self._way(terms.destination),
        )
        return plan.order(attempt, leg2, self.limits, announcement=first, announcement2=second)

    async def _say(self, text: str, language: str) -> str:
        """The sound file without extension; empty, for the built-in prompt, where there is none."""
        return str(await self.speech.render(text, language) or "") if text else ""

    async def _way(self, channels: tuple[Channel, ...]) -> Channel:
        """The first channel that can be reached; a telephone number is taken to be so. The last one where none can."""
        unavailable = {c for c in channels if c.kind is Kind.SIP and not await self.asterisk.available(c)}
        return plan.choose(channels, unavailable) if len(unavailable) < len(channels) else channels[-1]


async def serve(config: Config, *, ready: Callable[[], None] = lambda: None) -> None:
    """Run until SIGTERM or SIGINT. `ready` is called once mail and pages are served. Raises ConfigError, StoreError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    async with _running(config):
        log.info("mailgate serves mail on %s and pages on %s", config.smtp.listen, config.web.listen)
        ready()
        _notify("READY=1")
        await stop.wait()
        _notify("STOPPING=1")
        log.info("mailgate stops; calls under way go on in Asterisk")


@contextlib.asynccontextmanager
async def _running(config: Config) -> AsyncIterator[None]:
    """Everything built and started, and stopped in the opposite order."""
    async with contextlib.AsyncExitStack() as stack:
        store = Store(config.store.path)
        stack.callback(store.close)
        sealer = Sealer(load_ring(config.keys.number_file))
        rules = config.offer

        async def told(event: CallEvent) -> None:
            await offers.on_call_event(event)

        async def connected() -> None:
            await offers.settle()

        async def dialled_in(pin: str, caller: str, channel: str) -> Verdict:
            return await offers.dialled_in(pin, caller, channel)

        asterisk = Asterisk(asterisk_settings(config), told, on_connected=connected, on_dial_in=dialled_in)
        desk = _CallDesk(
            asterisk,
            Speech(speech_settings(config)),
            plan.Limits(
                ring1_s=config.call.ring_offeree_s,
                ring2_s=config.call.ring_destination_s,
                longest_s=round(config.call.longest_minutes * 60),
                destination_presses_key=config.call.destination_presses_key,
            ),
        )
        offers = Offers(
            store=store,
            sealer=sealer,
            ring=load_ring(config.keys.token_file),
            rules=Rules(
                valid_s=rules.valid_days * 86400,
                uses=rules.uses,
                attempts=rules.attempts,
                pin_digits=config.call.pin_digits if config.call.dial_in else 0,
            ),
            own_number=config.gateway.number,
            calls=asterisk,
            prepare=desk.prepare,
            now=time.time,
            new_id=lambda: uuid.uuid4().hex,
        )
        await asterisk.start()
        stack.push_async_callback(asterisk.stop)
        stack.push_async_callback(offers.close)
        clock = asyncio.create_task(_tick(offers))
        stack.callback(clock.cancel)

        app = create_app(web_settings(config), offers, _dial(config))
        web = WebServer(app, host=_host(config.web.listen), port=_port(config.web.listen))
        await web.start()
        stack.push_async_callback(web.stop)

        relay = Relay(
            RelaySettings(host=_host(config.smtp.next_hop), port=_port(config.smtp.next_hop), helo=config.smtp.hostname)
        )
        stack.push_async_callback(relay.close)
        ring = load_ring(config.keys.token_file)
        room = MailRoom(
            facts=Facts(
                trace_keys=tuple(key.derive("trace") for key in ring.newest_first()),
                own_domains=frozenset(key.domain.lower() for key in config.dkim.keys),
            ),
            settings=MailSettings(
                public_url=config.gateway.public_url,
                icon=rules.icon,
                replacement=rules.number_replacement,
                hostname=config.smtp.hostname,
            ),
            store=store,
            sealer=sealer,
            offers=offers,
            signer=signer(config),
            metrics=Metrics(),
            now=time.time,
        )
        server = Server(
            ServerSettings(
                host=_host(config.smtp.listen),
                port=_port(config.smtp.listen),
                hostname=config.smtp.hostname,
                clients=config.smtp.trusted_networks,
                trusted=config.smtp.trusted_networks,
                size_limit=config.smtp.max_message_bytes,
                connections=config.smtp.max_connections,
            ),
            Offering(relay, Gate(room, on_fault=config.smtp.on_fault)),
        )
        try:
            await server.start()
        except OSError as error:
            raise ConfigError(f"smtp.listen: {config.smtp.listen} cannot be listened on: {error.strerror}") from error
        stack.push_async_callback(server.stop)
        yield


def _dial(config: Config) -> Callable[[str, str], Channel]:
    rules = DiallingRules(
        region=config.gateway.region,
        countries=frozenset(config.dialling.countries),
        denied=tuple(f"+{prefix.lstrip('+')}" for prefix in config.dialling.denied_prefixes),
        sip_users=None if config.dialling.sip_users else frozenset(),
        sip_domains=frozenset(domain.lower() for domain in config.dialling.sip_domains),
    )
    return lambda typed, region: may_dial(typed, region, rules)


async def _tick(offers: Offers) -> None:
    """Once a second, whatever goes wrong."""
    while True:
        await asyncio.sleep(TICK_S)
        try:
            await offers.tick()
        except Exception:
            log.exception("the clock's work failed; it is tried again")


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _notify(state: str) -> None:
    """Tell systemd, where it asked for it (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect("\0" + address[1:] if address.startswith("@") else address)
            s.send(state.encode())


def run(config: Config) -> None:
    """`serve` in an event loop of its own."""
    uvloop.run(serve(config))
