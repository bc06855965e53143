"""`serve`: every room is built here, by hand, and handed what it needs. One process, one event loop; with
`[smtp] workers` above 1 mail is taken by processes of their own (`mailgate.workers`), and the rest stays here.

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
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from mailgate import gate, intake, sender_note
from mailgate.books import OwnBooks
from mailgate.calls import announcements, plan, recording
from mailgate.calls.asterisk import Asterisk, Verdict
from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.model import COMES_IN, CallEvent, CallOrder, Channel, Kind
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.speech import Speech, SpeechSettings
from mailgate.calls.trunks import Line
from mailgate.config import Config
from mailgate.delivery_notes import DeliveryNotes
from mailgate.intake import host_of, port_of
from mailgate.keyfiles import load_ring, read_secret
from mailgate.metrics import Metrics
from mailgate.networks.mail import MailNetwork
from mailgate.networks.mail import MailSettings as NoticeSettings
from mailgate.offers.offer import Offer, Terms
from mailgate.offers.own import Own
from mailgate.offers.post import Post
from mailgate.offers.service import Offers
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.web.settings import TalkSettings, WebSettings
from mailgate.workers.crew import Crew
from smtp_hooks.pipeline import Gate
from smtp_hooks.surgery import Apart
from smtp_hooks.transaction import NextHop

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
        lines=tuple(each.line for each in config.trunk) or (Line(name=config.asterisk.trunk),),
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
        metrics_networks=config.web.metrics_networks,
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


@dataclass(slots=True)
class _CallDesk:
    """From a committed attempt to the order for Asterisk: what is spoken, and which way leads to the destination."""

    asterisk: Asterisk
    speech: Speech
    sounds: Path
    limits: plan.Limits
    say_who_is_called: bool

    async def prepare(self, offer: Offer) -> CallOrder:
        attempt, terms = offer.attempt, offer.terms
        assert attempt is not None
        first, calling, second, leg2 = await asyncio.gather(
            # who has called in is not asked for a key, so there is nothing to say to them
            self._say(None if attempt.leg1.kind in COMES_IN else announcements.to_offeree(terms), terms),
            # a page shows it, and does not wait
            self._say(announcements.calling(terms) if self._says(attempt.leg1) else None, terms),
            self._say(announcements.to_destination(terms), terms),
            self._way(terms.destination),
        )
        return plan.order(attempt, leg2, self.limits, announcement=first, announcement2=second, calling=calling)

    def _says(self, leg1: Channel) -> bool:
        return self.say_who_is_called and leg1.kind is not Kind.BROWSER

    async def _say(self, sentence: announcements.Sentence | None, terms: Terms) -> str:
        """The sound file without extension; empty, for the built-in prompt or none at all, where there is none."""
        if sentence is None:
            return ""
        language = announcements.spoken_language(terms.language)
        name = recording.find(self.sounds, terms.account_id) if sentence.by_offeror else None
        if name is not None:
            around = await self.speech.render_around(sentence.before, name, sentence.after, language)
            if around is not None:
                return str(around)
        return str(await self.speech.render(sentence.text, language) or "")

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
        mail = " and ".join(filter(None, (config.smtp.listen, config.milter.listen)))
        log.info("mailgate serves mail on %s and pages on %s", mail, config.web.listen)
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
        ring = load_ring(config.keys.token_file)

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
            config.asterisk.sounds,
            plan.Limits(
                ring1_s=config.call.ring_offeree_s,
                ring2_s=config.call.ring_destination_s,
                longest_s=round(config.call.longest_minutes * 60),
                destination_presses_key=config.call.destination_presses_key,
            ),
            config.call.say_who_is_called,
        )
        offers = Offers(
            store=store,
            sealer=sealer,
            ring=ring,
            rules=gate.offer_rules(config),
            own_number=config.gateway.number,
            calls=asterisk,
            prepare=desk.prepare,
            now=time.time,
            new_id=gate.new_id,
        )
        books = OwnBooks(offers, store=store, sealer=sealer, ring=ring, now=time.time)
        await asterisk.start()
        stack.push_async_callback(asterisk.stop)
        stack.push_async_callback(offers.close)
        forget = [books.forget]
        clock = asyncio.create_task(_tick(offers, forget))
        stack.callback(clock.cancel)

        metrics = Metrics()
        own = Own(store=store, sealer=sealer, offers=offers, now=time.time)
        app = create_app(web_settings(config), offers, _dial(config), own=own, metrics=metrics.text)
        web = WebServer(app, host=host_of(config.web.listen), port=port_of(config.web.listen))
        await web.start()
        stack.push_async_callback(web.stop)

        relay = intake.next_hops(config)
        stack.push_async_callback(relay.close)
        telling = asyncio.create_task(_tell_senders(config, store, sealer, relay))
        stack.callback(telling.cancel)
        post = asyncio.create_task(Post(store=store, sealer=sealer, network=_mail(config, relay), now=time.time).run())
        stack.push_async_callback(_ended, post)

        room = gate.mail_room(config, books=books, ring=ring, metrics=metrics, now=time.time)
        surgery = Apart()
        stack.push_async_callback(surgery.close)
        judge = Gate(room, on_fault=config.smtp.on_fault, surgery=surgery)
        await stack.enter_async_context(intake.milter(config, judge))
        notes = DeliveryNotes(store=store, now=time.time)
        if config.smtp.listen and config.smtp.workers == 1:
            await stack.enter_async_context(intake.smtp(config, judge, notes))
        elif config.smtp.listen:
            crew = Crew(config, books=books, notes=notes, counts=metrics)
            stack.push_async_callback(crew.stop)
            forget.append(crew.forget)
            await crew.start()
        yield


def _mail(config: Config, next_hop: NextHop) -> MailNetwork:
    """Notices by mail, from the configured address; raises ConfigError."""
    settings = NoticeSettings(
        from_address=_own_address(config),
        organisation=config.gateway.name,
        public_url=config.gateway.public_url,
    )
    return MailNetwork(next_hop, settings, _signing(config))


def _own_address(config: Config) -> str:
    """What stands in From of messages of the gateway's own."""
    domain = next((key.domain for key in config.dkim.keys), config.smtp.hostname)
    return config.notices.sender or f"calls@{domain}"


def _signing(config: Config) -> Callable[[bytes], bytes]:
    """Signs them, where there are keys; raises ConfigError."""
    signing = gate.signer(config)
    return lambda message: signing.sign(message, reverse_path="", now=time.time()) if signing else message


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _dial(config: Config) -> Callable[[str, str], Channel]:
    rules = DiallingRules(
        region=config.gateway.region,
        countries=frozenset(config.dialling.countries),
        denied=tuple(f"+{prefix.lstrip('+')}" for prefix in config.dialling.denied_prefixes),
        sip_users=None if config.dialling.sip_users else frozenset(),
        sip_domains=frozenset(domain.lower() for domain in config.dialling.sip_domains),
    )
    return lambda typed, region: may_dial(typed, region, rules)


async def _tell_senders(config: Config, store: Store, sealer: Sealer, next_hop: NextHop) -> None:
    """Notes to senders, where some are due, until cancelled."""
    hand_over = sender_note.through(next_hop, _signing(config))
    settings = sender_note.NoteSettings(
        organisation=config.gateway.name, from_address=_own_address(config), first=config.policy.sender_note
    )
    while True:
        await asyncio.sleep(sender_note.EVERY_S)
        try:
            await sender_note.send_due(store, sealer, hand_over, settings, now=time.time, new_id=gate.new_id)
        except Exception:
            log.exception("notes to senders failed; they are tried again")


async def _tick(offers: Offers, forget: Sequence[Callable[[], None]]) -> None:
    """Once a second, whatever goes wrong. `forget` is called when accounts may have changed."""
    while True:
        await asyncio.sleep(TICK_S)
        try:
            if await offers.tick():
                for each in forget:
                    each()
        except Exception:
            log.exception("the clock's work failed; it is tried again")


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
