"""The page of who is signed in as a telephone: it rings for calls that lead to its account.

    POST /my/listen/ring              the press: calls are wanted in the browser from now on (204)
    WS   /my/listen/sip               the page's SIP; while it is open, calls come there. Only from this origin
    GET  /my/listen/caller/{attempt}  who it is that calls, and with which ICE servers to answer → JSON

The press makes the account's own destination ring in the browser, before its telephones. Asterisk calls the page at the
other end of the connection (mailgate.calls.pages). A connection wishes nothing: one that comes back, hours later, puts
nothing into the account that was taken out of it meanwhile, and is closed with NOT_WANTED. All ends with the session:
who signs out is called there no more. A page that goes away while it rings is one that was not reached, and the next
channel rings; who declines at one page has declined at all. A call for anybody else, who was reached by this far end
before it was ours, goes back.

Standards: RFC 7118; RFC 6455, 10.2 for Origin. Known limits: MOST_PAGES of one account; a page whose network is gone in
mid-call is noticed by its silence, after eight seconds (rtp_timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from mailgate.accounts.model import Account
from mailgate.calls.pages import OpenPages
from mailgate.offers.own_page import OwnPage, stands
from mailgate.web import sip_socket, sip_text
from mailgate.web.language import asked
from mailgate.web.listen import WhoIs
from mailgate.web.pages import Pages
from mailgate.web.request import TooLarge, is_ours, read_form
from mailgate.web.settings import TalkSettings
from mailgate.web.sip_text import Unanswered
from mailgate.web.talk import ice_servers

log = logging.getLogger(__name__)

MOST_PAGES = 8
NOT_WANTED = 4001
"""A connection's end where the account rings in no browser any more (RFC 6455, 7.4.2: private use)."""
_LOOK_AGAIN_S = 30.0
"""So often it is looked whether somebody is still signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A page's two connections, and what has passed between them."""

    page: WebSocket
    asterisk: ClientConnection
    passed: Unanswered = field(default_factory=Unanswered)

    @property
    def where(self) -> str:
        host, port = self.asterisk.local_address[:2]
        return f"{host}:{port}"

    async def decline(self, attempt_id: str) -> None:
        """For the page, which stops ringing."""
        for invite in self.passed.take(attempt_id):
            with contextlib.suppress(WebSocketException, WebSocketDisconnect, RuntimeError):
                await self.asterisk.send(sip_text.declined(invite))
                await self.page.send_text(sip_text.cancelled(invite))


class PagePhone:
    """The routes. `origin` is the only one that may connect, `form_key` gives what a form of that cookie's pages holds,
    `now` UNIX seconds."""

    def __init__(
        self,
        settings: TalkSettings,
        own_page: OwnPage,
        open_pages: OpenPages,
        pages: Pages,
        who: WhoIs,
        form_key: Callable[[str], str],
        origin: str,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._own_page = own_page
        self._open = open_pages
        self._pages = pages
        self._who = who
        self._form_key = form_key
        self._origin = origin
        self._now = now
        self._lines: defaultdict[str, list[_Line]] = defaultdict(list)  # by account

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/my/listen/ring", self.wish, methods=["POST"]),
            WebSocketRoute("/my/listen/sip", self.serve),
            Route("/my/listen/caller/{attempt}", self.caller, methods=["GET"]),
        ]

    async def wish(self, request: Request) -> Response:
        """401 where nobody is signed in, 403 for a form of somebody else's making."""
        try:
            fields = await read_form(request)
        except TooLarge:
            return Response(status_code=413)
        here = self._who(request.cookies)
        if here is None:
            return Response(status_code=401)
        if not is_ours(request, fields, self._form_key(here.secret), here.account.account_id):
            return Response(status_code=403)
        await self._own_page.rings(here.account)
        return Response(status_code=204)

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
        if here is None or not sip_socket.is_ours(socket, self._origin):
            await socket.close(code=1008)  # before it is accepted: an HTTP 403
            return
        if not stands(here.account):
            await socket.accept(subprotocol="sip")  # else the page would not learn why
            await socket.close(code=NOT_WANTED)
            return
        asterisk = await sip_socket.connect(self._settings, socket)
        if asterisk is None:
            return
        if self._open.count(here.account.account_id) >= MOST_PAGES:
            await asterisk.close()
            await socket.close(code=1013)
            return
        await self._stand(here.account, _Line(page=socket, asterisk=asterisk))

    async def _stand(self, account: Account, line: _Line) -> None:
        account_id, where = account.account_id, line.where
        self._open.come(account_id, where)
        self._lines[account_id].append(line)
        try:
            await line.page.accept(subprotocol="sip")
            log.info("a page rings", extra={"action": "page_open", "account": account_id})
            await sip_socket.pass_on(
                line.page,
                line.asterisk,
                until=lambda: self._ended(account_id, line),
                down_passes=lambda text: self._to_page(account, line, text),
                up_passes=lambda text: self._from_page(account_id, line, text),
            )
        finally:
            self._open.go(account_id, where)
            self._lines[account_id].remove(line)
            if not self._lines[account_id]:
                del self._lines[account_id]
            with contextlib.suppress(WebSocketException):
                for answer in line.passed.answers():
                    await line.asterisk.send(answer)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await line.page.close()
            await line.asterisk.close()

    def _to_page(self, account: Account, line: _Line, text: str) -> str:
        """What is answered in the page's stead: a call that is none of the account's. An address and port are given to
        the next connection when one ends, while a call that was ordered before is still on its way there."""
        if sip_text.begins_call(text) and self._own_page.caller(account, sip_text.attempt_of(text)) is None:
            log.warning("a call for another page", extra={"action": "page_turned_back", "account": account.account_id})
            return sip_text.unavailable(text)
        line.passed.sent(text)
        return ""

    async def _from_page(self, account_id: str, line: _Line, text: str) -> None:
        if attempt_id := line.passed.answered(text):
            for other in [each for each in self._lines[account_id] if each is not line]:
                await other.decline(attempt_id)

    async def _ended(self, account_id: str, line: _Line) -> None:
        """Returns when nobody, or somebody else, is signed in there; or calls come to no browser any more, and none is
        talked."""
        while True:
            here = self._who(line.page.cookies)
            if here is None or here.account.account_id != account_id:
                return
            if not stands(here.account) and not line.passed.talks:
                await line.page.close(code=NOT_WANTED)
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
