"""A next hop that notes what it is told, for tests of the relay: by DATA, or by BDAT where it offers CHUNKING."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from smtp_hooks.envelope import Recipient
from smtp_hooks.relay import Relay, RelaySettings

BEN = Recipient(address="ben@example.net")


class Hop:
    """Notes each session's commands, and the messages it has taken. `ready` answers DATA, `first` the first chunk of
    each session."""

    def __init__(
        self, *, chunking: bool = False, ready: bytes = b"354 go on\r\n", first: bytes = b"250 2.0.0 taken\r\n"
    ) -> None:
        self.sessions: list[list[str]] = []
        self.messages: list[bytes] = []
        self.asked = asyncio.Event()
        self.serving: list[asyncio.Task[None]] = []
        self._offers = (
            b"250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n" if chunking else b"250-hop\r\n250 PIPELINING\r\n"
        )
        self._ready = ready
        self._first = first

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.append(task)
        session: list[str] = []
        self.sessions.append(session)
        writer.write(b"220 hop ESMTP\r\n")
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                session.append(line.split(" ")[0])
                match session[-1]:
                    case "EHLO":
                        writer.write(self._offers)
                    case "BDAT":
                        content = await reader.readexactly(int(line.split(" ")[1]))
                        assert line.endswith(" LAST")
                        reply = self._first if session.count("BDAT") == 1 else b"250 2.0.0 taken\r\n"
                        if reply.startswith(b"250"):
                            self.messages.append(content)
                        writer.write(reply)
                    case "DATA":
                        self.asked.set()
                        writer.write(self._ready)
                        if self._ready.startswith(b"354"):
                            with contextlib.suppress(asyncio.IncompleteReadError):
                                self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                                writer.write(b"250 2.0.0 taken\r\n")
                    case _:
                        writer.write(b"250 ok\r\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def relaying(hop: Hop) -> AsyncIterator[Relay]:
    """A relay to that next hop, until both have ended."""
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    relay = Relay(RelaySettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server:
        yield relay
        await relay.close()
        await asyncio.wait_for(asyncio.gather(*hop.serving, return_exceptions=True), 5)
