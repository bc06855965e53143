"""A page's SIP between its WebSocket and Asterisk's: what both relays share (RFC 7118).

Frames are passed on as they are, but none over 16 KiB and none that is no SIP of a call: no REGISTER, no SUBSCRIBE; and
one message in each, as RFC 7118, 5 has it, since Asterisk would read on.
Standards: RFC 6455, 10.2 (Origin), 7.4 with IANA's registry (1013: try again later).
Source: websockets.readthedocs.io (asyncio client), Starlette's WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from mailgate.web.settings import TalkSettings
from mailgate.web.sip_text import is_one

log = logging.getLogger(__name__)

MOST_OCTETS = 16_384
"""Of one SIP message: an INVITE of Chromium with twenty candidates has 6 kB."""
_METHODS = ("INVITE ", "ACK ", "BYE ", "CANCEL ", "UPDATE ", "INFO ", "PRACK ", "OPTIONS ", "SIP/2.0 ")
_CONNECT_S = 5.0


def is_ours(socket: WebSocket, origin: str) -> bool:
    """Whether a page of that origin asks, and for SIP."""
    return "sip" in socket.scope.get("subprotocols", []) and socket.headers.get("origin", "").lower() == origin


async def connect(settings: TalkSettings, socket: WebSocket) -> ClientConnection | None:
    """A connection to Asterisk for that page, from the relay's own address; None where Asterisk is not there, and the
    page, which has not been accepted yet, is turned away."""
    try:
        return await open_socket(
            f"ws://{settings.asterisk}/ws",
            subprotocols=[Subprotocol("sip")],
            local_addr=(settings.relay_address, 0),
            open_timeout=_CONNECT_S,
            close_timeout=0.2,  # Asterisk does not take leave
            max_size=4 * MOST_OCTETS,
            compression=None,
            ping_interval=None,
            proxy=None,
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        log.error("no page reaches Asterisk", extra={"action": "relay_down", "reason": f"{error!r:.160}"})
        await socket.close(code=1013)
        return None


async def pass_on(
    socket: WebSocket,
    asterisk: ClientConnection,
    *,
    until: Callable[[], Awaitable[None]],
    down_passes: Callable[[str], str],
    up_passes: Callable[[str], Awaitable[None]] | None = None,
) -> None:
    """Both ways, until either side ends, or `until` does. `down_passes` and `up_passes` hear what goes to the page, and
    to Asterisk; what `down_passes` returns is answered in the page's stead, which then hears nothing of it."""

    async def down() -> None:
        async for message in asterisk:
            if turned_back := down_passes(message if isinstance(message, str) else message.decode(errors="replace")):
                await asterisk.send(turned_back)
                continue
            await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))

    async def up() -> None:
        while (text := await _received(socket)) is not None:
            if len(text) > MOST_OCTETS or (text.strip() and not (text.startswith(_METHODS) and is_one(text))):
                log.warning("a page sent what is no call", extra={"action": "relay_refused"})
                return
            if up_passes:
                await up_passes(text)
            await asterisk.send(text)

    ways: list[Callable[[], Awaitable[None]]] = [down, up, until]
    tasks = [asyncio.ensure_future(way()) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _received(socket: WebSocket) -> str | None:
    """The next message; None at the end, or where it is not text."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text = message.get("text")
    return None if text is None else str(text)
