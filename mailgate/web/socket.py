"""The sockets that listening applications open to the gateway.

    WS /listen               a device, which signs in by its key in the first message
    WS /my/listen/socket     the page of who is signed in at /my; only from this origin

What is said on them is mailgate.listen.protocol; what it means is mailgate.listening. A connection that is half open
is found by the server's pings (mailgate.web.server).

Standards: RFC 6455; its 10.2 for Origin.
"""

from __future__ import annotations

import contextlib

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from mailgate.listening import Listeners
from mailgate.web.listen import SignedIn, WhoIs
from mailgate.web.settings import WebSettings


class WebLink:
    """A connection of the web server as mailgate.listening takes it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        await self._socket.send_text(text)

    async def receive(self) -> str | None:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text")
        return "" if text is None else str(text)  # octets are no message: refused as such

    async def close(self, code: int = 1000, reason: str = "") -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
            await self._socket.close(code, reason)


class ListenSockets:
    """The routes. `who` says whose page it is, by its cookies."""

    def __init__(self, settings: WebSettings, listeners: Listeners, who: WhoIs) -> None:
        self._settings = settings
        self._listeners = listeners
        self._who = who

    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/listen", self.device),
            WebSocketRoute("/my/listen/socket", self.page),
        ]

    async def device(self, socket: WebSocket) -> None:
        await socket.accept()
        await self._serve(socket, None)

    async def page(self, socket: WebSocket) -> None:
        here = self._who(socket.cookies)
        if here is None or socket.headers.get("origin", "").lower() != self._settings.origin:
            await socket.close(code=1008)  # before it is accepted: an HTTP 403
            return
        await socket.accept()
        await self._serve(socket, here)

    async def _serve(self, socket: WebSocket, here: SignedIn | None) -> None:
        link = WebLink(socket)
        try:
            if here is None:
                await self._listeners.serve(link)
            else:
                await self._listeners.serve(link, account_id=here.account.account_id, device_id=here.device_id)
        except (RuntimeError, WebSocketDisconnect):
            return  # it went away while something was said
        await link.close()
