"""A page without a browser: SIP over WebSocket, signalling only, for what a page may and may not do.

    async with page(url, origin=…) as line:
        code, answer = await line.invite("call0123…")
        await line.bye()

Its SDP is what a browser would offer, with a fingerprint and candidates of nobody: Asterisk answers, no audio flows.
Standards: RFC 7118 (SIP over WebSocket), RFC 3261, RFC 8829 (what an offer holds).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from lab.phone import headers_of

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"
)


class Line:
    """One WebSocket with one dialogue on it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[str] = []
        self._tag = f"{random.getrandbits(32):x}"
        self._call_id = f"{random.getrandbits(64):x}"
        self._to = ""
        self._target = ""
        self._arrived = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(Exception):
            async for message in self.socket:
                self.received.append(str(message))
                self._arrived.set()
        self._arrived.set()

    def request(self, method: str, uri: str, sequence: int, *, body: str = "", user: str = "guest") -> str:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/WS page.invalid;branch=z9hG4bK{random.getrandbits(48):x}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@page.invalid>;tag={self._tag}",
            f"To: {self._to or f'<{uri}>'}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {sequence} {method}",
            "Contact: <sip:guest@page.invalid;transport=ws>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines) + "\r\n\r\n" + body

    async def until(self, fits: Callable[[str], bool], timeout_s: float = 8.0) -> str:
        async with asyncio.timeout(timeout_s):
            while True:
                for message in self.received:
                    if fits(message):
                        return message
                self._arrived.clear()
                await self._arrived.wait()

    async def invite(
        self, target: str, *, host: str = "127.0.0.1", method: str = "INVITE", user: str = "guest"
    ) -> tuple[int, str]:
        """The final answer's code and text; a 200 is acknowledged."""
        uri = f"sip:{target}@{host}"
        await self.socket.send(self.request(method, uri, 1, body=_SDP if method == "INVITE" else "", user=user))
        answer = await self.until(lambda m: m.startswith("SIP/2.0") and m[8] >= "2" and f"1 {method}" in m)
        headers = headers_of(answer)
        self._to = headers["to"][0]
        code = int(answer.split(" ", 2)[1])
        if method == "INVITE":
            self._target = headers["contact"][0].strip("<>").partition(">")[0] if code == 200 else uri
            await self.socket.send(self.request("ACK", self._target, 1))
        return code, answer

    async def bye(self) -> None:
        await self.socket.send(self.request("BYE", self._target, 2))

    async def left(self, timeout_s: float = 8.0) -> str:
        """The BYE of the other side."""
        return await self.until(lambda m: m.startswith("BYE "), timeout_s)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self.socket.close()


@contextlib.asynccontextmanager
async def page(url: str, *, origin: str | None = None, source: str = "127.0.0.88") -> AsyncIterator[Line]:
    """A line; `source` is the address it connects from."""
    socket = await connect(
        url,
        subprotocols=[Subprotocol("sip")],
        origin=Origin(origin) if origin else None,
        compression=None,
        close_timeout=0.2,  # Asterisk does not take leave
        local_addr=(source, 0),
    )
    line = Line(socket)
    try:
        yield line
    finally:
        await line.close()
