"""SIP of a page, relayed to Asterisk: a WebSocket of our own web server, so that page and call share origin and port.

    WS /a/{token}/sip?call=NONCE      subprotocol sip (RFC 7118)

Open only while the attempt lives that this nonce was made for, and only to a page of ours (Origin). What passes is
mailgate.web.sip_socket's to say, and what a page may call is Asterisk's (see extensions_mailgate.conf). When the last
connection of a page has ended and none comes back within the grace, its attempt is hung up: Asterisk would not notice a
page that is gone for many seconds.

Known limits: signalling only; audio goes straight between browser and Asterisk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter

from starlette.websockets import WebSocket, WebSocketDisconnect

from mailgate.offers.service import Offers, UnknownOffer
from mailgate.web import sip_socket, sip_text
from mailgate.web.settings import TalkSettings
from tokens.errors import TokenError

log = logging.getLogger(__name__)


class SipRelay:
    """All pages that are in a call. `origin` is the only one that may connect."""

    def __init__(self, settings: TalkSettings, offers: Offers, origin: str) -> None:
        self._settings = settings
        self._offers = offers
        self._origin = origin
        self._open: Counter[str] = Counter()  # attempt → connections
        self._graces: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def close(self) -> None:
        """Forget graces: the server stops, and calls go on in Asterisk."""
        self._closed = True
        for task in self._graces.values():
            task.cancel()

    async def serve(self, socket: WebSocket) -> None:
        """One connection from its handshake to its end."""
        attempt_id = self._attempt(socket)
        if attempt_id is None:
            await socket.close(code=1008)  # before it is accepted: an HTTP 403
            return
        asterisk = await sip_socket.connect(self._settings, socket)
        if asterisk is None:
            return
        self._open[attempt_id] += 1
        if grace := self._graces.pop(attempt_id, None):
            grace.cancel()
        try:
            await socket.accept(subprotocol="sip")
            await sip_socket.pass_on(
                socket,
                asterisk,
                until=lambda: self._over(socket, attempt_id),
                # nobody calls this page; whoever was reached by this address of the relay before has gone
                down_passes=lambda text: sip_text.unavailable(text) if sip_text.begins_call(text) else "",
            )
        finally:
            self._open[attempt_id] -= 1
            if not self._open[attempt_id]:
                del self._open[attempt_id]
                self._begin_grace(attempt_id)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()
            await asterisk.close()

    def _attempt(self, socket: WebSocket) -> str | None:
        """The attempt that the connection may serve."""
        if self._closed or not sip_socket.is_ours(socket, self._origin):
            return None
        try:
            return self._offers.talking(socket.path_params["token"], socket.query_params.get("call", ""))
        except (TokenError, UnknownOffer):
            return None

    async def _over(self, socket: WebSocket, attempt_id: str) -> None:
        """Returns when the attempt is, and its last words have had time to pass."""
        token, nonce = socket.path_params["token"], socket.query_params.get("call", "")
        with contextlib.suppress(UnknownOffer):
            async for _ in self._offers.watch(token):
                if self._offers.talking(token, nonce) != attempt_id:
                    break
        await asyncio.sleep(1)

    def _begin_grace(self, attempt_id: str) -> None:
        async def wait() -> None:
            await asyncio.sleep(self._settings.grace_s)
            if not self._open[attempt_id]:
                log.info("a page is gone", extra={"action": "page_gone", "attempt": attempt_id})
                await self._offers.left(attempt_id)

        if not self._closed:
            task = self._graces[attempt_id] = asyncio.create_task(wait())
            task.add_done_callback(lambda done: self._forget(attempt_id, done))

    def _forget(self, attempt_id: str, done: asyncio.Task[None]) -> None:
        if self._graces.get(attempt_id) is done:
            del self._graces[attempt_id]
