"""A cable between two ends on loopback that can be cut: TCP relayed to a port, until `cut()`.

cable = Cable(to_port); port = await cable.open(); …; cable.cut(); …; cable.mend(); …; await cable.close()
"""

from __future__ import annotations

import asyncio
import contextlib

HOST = "127.0.0.1"


class Cable:
    """Relays connections made to its own port. `cut` drops them all and refuses new ones until `mend`.

    `after` may hold octets: the cable cuts itself as soon as they have passed towards the server (they do pass).
    """

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.after: bytes | None = None
        self.is_cut = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """The port to connect to."""
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        self.is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(HOST, self.to_port)
        self._writers |= {writer, far_writer}
        for source, sink, watched in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._relay(source, sink, watched))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, watched: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while octets := await source.read(65536):
                sink.write(octets)
                await sink.drain()
                if watched and self.after is not None and self.after in octets:
                    self.after = None
                    await asyncio.sleep(0.05)  # let them arrive
                    self.cut()
        self._writers.discard(sink)
        sink.close()
