"""The page of who is signed in as a telephone: it rings for calls that lead to its account.

    WS  /my/listen/sip               the page's SIP; while it is open, calls come there. Only from this origin
    GET /my/listen/caller/{attempt}  who it is that calls, and with which ICE servers to answer → JSON

Asterisk calls the page at the other end of this connection (mailgate.calls.pages); the first page of an account that
wants it makes the account's own destination ring there, before its telephones. Both end with the session: who signs out
is called there no more. A page that goes away while it rings is one that was not reached, and the next channel rings.

Standards: RFC 7118; RFC 6455, 10.2 for Origin. Known limits: MOST_PAGES of one account; a page whose network is gone in
mid-call is noticed by its silence, after eight seconds (rtp_timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import WebSocketException

from mailgate.calls.pages import OpenPages
from mailgate.offers.own_page import OwnPage
from mailgate.web import sip_socket
from mailgate.web.language import asked
from mailgate.web.listen import WhoIs
from mailgate.web.pages import Pages
from mailgate.web.settings import TalkSettings
from mailgate.web.sip_text import Unanswered
from mailgate.web.talk import ice_servers

log = logging.getLogger(__name__)

MOST_PAGES = 8
_LOOK_AGAIN_S = 30.0
"""So often it is looked whether somebody is still signed in."""


class PagePhone:
    """The routes. `origin` is the only one that may connect, `now` gives UNIX seconds."""

    def __init__(
        self,
        settings: TalkSettings,
        own_page: OwnPage,
        open_pages: OpenPages,
        pages: Pages,
        who: WhoIs,
        origin: str,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._own_page = own_page
        self._open = open_pages
        self._pages = pages
        self._who = who
        self._origin = origin
        self._now = now

    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/my/listen/sip", self.serve),
            Route("/my/listen/caller/{attempt}", self.caller, methods=["GET"]),
        ]

    async def caller(self, request: Request) -> Response:
        here = self._who(request.cookies)
        found = self._own_page.caller(here.account, request.path_params["attempt"]) if here else None
        if here is None or found is None:
            return JSONResponse({"say": ""}, status_code=401 if here is None else 404)
        texts = self._pages.reader(asked(request.headers), here.account.language).texts
        say = texts.say("ring.offered" if found.own else "ring.accepted", caller=found.name)
        return JSONResponse({"say": say, "ice": ice_servers(self._settings, self._now())})

    async def serve(self, socket: WebSocket) -> None:
        """One page from its handshake to its end."""
        here = self._who(socket.cookies)
        wanted = "sip" in socket.scope.get("subprotocols", [])
        if here is None or not wanted or socket.headers.get("origin", "").lower() != self._origin:
            await socket.close(code=1008)  # before it is accepted: an HTTP 403
            return
        account_id = here.account.account_id
        if self._open.count(account_id) >= MOST_PAGES:
            await socket.close(code=1013)
            return
        try:
            asterisk = await sip_socket.connect(self._settings)
        except (OSError, TimeoutError, WebSocketException) as error:
            log.error("Asterisk reaches no page", extra={"action": "relay_down", "reason": f"{error!r:.160}"})
            await socket.close(code=1013)
            return
        host, port = asterisk.local_address[:2]
        where, unanswered = f"{host}:{port}", Unanswered()
        try:
            await socket.accept(subprotocol="sip")
            await self._own_page.rings(here.account)
            self._open.come(account_id, where)
            log.info("a page rings", extra={"action": "page_open", "account": account_id})
            await sip_socket.pass_on(
                socket,
                asterisk,
                until=lambda: self._signed_out(socket, account_id),
                down_passes=unanswered.sent,
                up_passes=unanswered.answered,
            )
        finally:
            self._open.go(account_id, where)
            with contextlib.suppress(WebSocketException):
                for answer in unanswered.answers():
                    await asterisk.send(answer)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()
            await asterisk.close()

    async def _signed_out(self, socket: WebSocket, account_id: str) -> None:
        """Returns when nobody, or somebody else, is signed in there."""
        while True:
            here = self._who(socket.cookies)
            if here is None or here.account.account_id != account_id:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
