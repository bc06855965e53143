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

import uvloop

from mailgate import gate, heap, intake, sender_note
from mailgate.books import OwnBooks
from mailgate.call_desk import CallDesk
from mailgate.calls import plan
from mailgate.calls.asterisk import Asterisk, Verdict
from mailgate.calls.asterisk.devices import Devices
from mailgate.calls.asterisk.saying import Sayer
from mailgate.calls.model import CallEvent
from mailgate.calls.pages import OpenPages
from mailgate.calls.speech import Speech
from mailgate.chatting import Chatting
from mailgate.config import Config
from mailgate.configured import (
    api_of,
    asterisk_settings,
    dial,
    own_address,
    slot_rules,
    speech_settings,
    time_zone,
    web_settings,
)
from mailgate.delivery_notes import DeliveryNotes
from mailgate.failed_calls import FailedCalls
from mailgate.heralds import Heralds
from mailgate.intake import host_of, port_of
from mailgate.keyfiles import load_ring
from mailgate.listeners import calling, listeners, ways
from mailgate.metrics import Metrics
from mailgate.networks.mail import MailNetwork
from mailgate.networks.mail import MailSettings as NoticeSettings
from mailgate.networks.spoken_code import SpokenCodes
from mailgate.networks.webhook import WebhookNetwork
from mailgate.offers.booking import Bookings
from mailgate.offers.courier import Courier
from mailgate.offers.held import Held
from mailgate.offers.notice import ByKind, Kind, Network
from mailgate.offers.own import Own
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.own_page import OwnPage
from mailgate.offers.post import Post
from mailgate.offers.reach import Reach
from mailgate.offers.scheduler import Scheduler
from mailgate.offers.service import Offers
from mailgate.offers.ways import Way
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from mailgate.web.app import create_app
from mailgate.web.server import WebServer
from mailgate.workers.crew import Crew
from smtp_hooks.pipeline import Gate
from smtp_hooks.surgery import Apart
from smtp_hooks.transaction import NextHop

log = logging.getLogger(__name__)

TICK_S = 1.0


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
            await failed.connected()
            await telephones.connected()

        async def dialled_in(pin: str, caller: str, channel: str) -> Verdict:
            return await offers.dialled_in(pin, caller, channel)

        pages = OpenPages()
        asterisk = Asterisk(asterisk_settings(config), told, on_connected=connected, on_dial_in=dialled_in, pages=pages)
        telephones = Devices(asterisk)
        voice, held, mail_waits = Speech(speech_settings(config)), Held(), asyncio.Event()
        reach = Reach(store, sealer, time_zone(config))
        desk = CallDesk(
            asterisk,
            voice,
            config.asterisk.sounds,
            plan.Limits(
                ring1_s=config.call.ring_offeree_s,
                ring2_s=config.call.ring_destination_s,
                longest_s=round(config.call.longest_minutes * 60),
                destination_presses_key=config.call.destination_presses_key,
            ),
            say_who_is_called=config.call.say_who_is_called,
            ways=reach.ways,
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
            held=held,
            reach=reach,
        )
        own_order = OwnOrder(offers, reach, asterisk.available, own_number=config.gateway.number, now=time.time)
        failed = FailedCalls(
            config,
            store=store,
            sealer=sealer,
            asterisk=asterisk,
            offers=offers,
            held=held,
            voice=voice,
            posted=mail_waits.set,
        )
        await failed.start()
        stack.push_async_callback(failed.stop)
        books = OwnBooks(offers, store=store, sealer=sealer, ring=ring, now=time.time)
        await asterisk.start()
        stack.push_async_callback(asterisk.stop)
        stack.push_async_callback(offers.close)
        said = _notice_settings(config)
        listening = listeners(
            config,
            said,
            store=store,
            sealer=sealer,
            ring=ring,
            offers=offers,
            own_order=own_order,
            posted=mail_waits.set,
            in_call=telephones.in_call,
        )
        forget = [books.forget, listening.recheck]
        clock = asyncio.create_task(_tick(offers, forget))
        stack.callback(clock.cancel)

        metrics = Metrics()
        programs = api_of(config, store=store, sealer=sealer, ring=ring, offers=offers)
        own = Own(store=store, sealer=sealer, offers=offers, now=time.time)
        bookings = Bookings(
            offers,
            store=store,
            sealer=sealer,
            rules=slot_rules(config),
            own_number=config.gateway.number,
            now=time.time,
        )
        scheduler = Scheduler(
            offers,
            store=store,
            sealer=sealer,
            capacity=slot_rules(config).capacity,
            own_number=config.gateway.number,
            now=time.time,
            new_id=gate.new_id,
            ready=lambda: asterisk.connected,
            rehearse=desk.rehearse,
        )
        # also where no times are offered (any more): those that were promised are kept
        stack.push_async_callback(_ended, asyncio.create_task(scheduler.run()))
        app = create_app(
            web_settings(config),
            offers,
            dial(config),
            own=own,
            programs=programs,
            bookings=bookings if config.later.enabled else None,
            metrics=metrics.text,
            listeners=listening if config.listening.enabled else None,
            own_order=own_order,
            rings=(OwnPage(store=store, sealer=sealer), pages),
        )
        web = WebServer(app, host=host_of(config.web.listen), port=port_of(config.web.listen))
        await web.start()
        stack.push_async_callback(web.stop)

        relay = intake.next_hops(config)
        stack.push_async_callback(relay.close)
        telling = asyncio.create_task(_tell_senders(config, store, sealer, relay))
        stack.callback(telling.cancel)
        await stack.enter_async_context(calling(config, listening, store, sealer))
        by_im: dict[Way, tuple[Network, Callable[[str], bool]]] = {}
        if config.xmpp.enabled:
            booking = bookings if config.later.enabled else None
            chatting = Chatting(
                config, store=store, sealer=sealer, offers=offers, own_order=own_order, bookings=booking
            )
            stack.push_async_callback(_ended, chatting.run())
            by_im[Way.IM] = (chatting.network, chatting.network.reaches)
        by_mail = MailNetwork(relay, said, _signing(config))
        everywhere = ways(listening, store, by_mail=by_mail, by_telephone=failed.telephone(), others=by_im)
        heralds = Heralds(store=store, sealer=sealer, deliver=everywhere.deliver, now=time.time)
        held.on_step(heralds.stepped)
        stack.push_async_callback(heralds.close)
        codes = SpokenCodes(Sayer(asterisk, asterisk_settings(config)).say, voice.render)
        network = ByKind(networks={Kind.SPOKEN_CODE: codes}, otherwise=everywhere)
        postman = Post(store=store, sealer=sealer, network=network, now=time.time, nudged=mail_waits)
        post = asyncio.create_task(postman.run())
        stack.push_async_callback(_ended, post)

        hooks = WebhookNetwork(inside=config.webhooks.inside, ca_file=config.webhooks.ca_file)
        courier = asyncio.create_task(Courier(store=store, sealer=sealer, send=hooks.send, now=time.time).run())
        stack.push_async_callback(_ended, courier)

        room = gate.mail_room(config, books=books, ring=ring, metrics=metrics, now=time.time)
        surgery = Apart()
        stack.push_async_callback(surgery.close)
        judge = Gate(room, on_fault=config.smtp.on_fault, surgery=surgery)
        notes = DeliveryNotes(store=store, now=time.time)
        if config.smtp.workers == 1:
            await stack.enter_async_context(intake.milter(config, judge))
            if config.smtp.listen:
                await stack.enter_async_context(intake.smtp(config, judge, notes))
        else:
            crew = Crew(config, books=books, notes=notes, counts=metrics)
            stack.push_async_callback(crew.stop)
            forget.append(crew.forget)
            await crew.start()
        yield


def _notice_settings(config: Config) -> NoticeSettings:
    """How notices are written, from the configured address; raises ConfigError."""
    return NoticeSettings(
        from_address=own_address(config),
        organisation=config.gateway.name,
        public_url=config.gateway.public_url,
        gateway_number=config.gateway.number,
        time_zone=time_zone(config),
        icon=config.offer.icon,
    )


def _signing(config: Config) -> Callable[[bytes], bytes]:
    """Signs them, where there are keys; raises ConfigError."""
    signing = gate.signer(config)
    return lambda message: signing.sign(message, reverse_path="", now=time.time()) if signing else message


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def _tell_senders(config: Config, store: Store, sealer: Sealer, next_hop: NextHop) -> None:
    """Notes to senders, where some are due, until cancelled."""
    hand_over = sender_note.through(next_hop, _signing(config))
    settings = sender_note.NoteSettings(
        organisation=config.gateway.name, from_address=own_address(config), first=config.policy.sender_note
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
    heap.keep()
    uvloop.run(serve(config))
