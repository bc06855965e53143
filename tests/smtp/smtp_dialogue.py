"""Plays a dialogue between a client, the gateway and its next hop from a text file.

    # a remark
    set size_limit = 1000          a field of ServerSettings or RelaySettings, before the first other line
    c -> EHLO client.example       the client sends this line with CRLF
    c => EHLO x\\n                  … exactly these octets (Python escapes)
    c <~ 250-.*                    the client gets a line that the expression matches as a whole
    c <* 250                       the client gets a reply of any number of lines, with this code
    c eof                          the client sees the end of the connection
    c close                        the client goes away
    c shut                         the client closes its sending half
    h open PIPELINING SIZE=1000    the next hop takes a connection, greets, and offers this to EHLO
    h accept                       … takes a connection and says nothing yet
    h gone                         … listens no more
    h -> 250 2.1.0 ok              the next hop sends; `=>`, `<~`, `eof`, `close` as above
    h rst                          the next hop cuts the connection

Lines are played one after the other; each wait ends after three seconds with the line's number.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import fields

from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.transaction import Passthrough, Transform, unchanged

_WAIT_S = 3


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def play(self, verb: str, rest: str) -> None:
        match verb:
            case "->":
                self.writer.write(rest.encode() + b"\r\n")
            case "=>":
                self.writer.write(rest.encode().decode("unicode_escape").encode("latin-1"))
            case "<~":
                line = await self.reader.readline()
                assert line.endswith(b"\r\n"), f"end of connection or bare LF: {line!r}"
                text = line[:-2].decode()
                assert re.fullmatch(rest, text), f"{text!r} is not {rest!r}"
            case "<*":
                while True:
                    line = await self.reader.readline()
                    assert line[:3] == rest[:3].encode(), f"{line!r}, not {rest}"
                    if line[3:4] != b"-":
                        break
            case "eof":
                try:
                    rest_of_it = await self.reader.read()
                except ConnectionError:
                    rest_of_it = b""
                assert rest_of_it == b"", f"more came: {rest_of_it!r}"
            case "shut":
                self.writer.write_eof()
            case "close":
                self.writer.close()
            case "rst":
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.writer.transport.abort()
            case _:
                raise AssertionError(f"unknown verb {verb}")


def settings(cls: type, given: dict[str, str], **more: object) -> object:
    readers = {"int": int, "float": float, "str": str, "tuple[Network, ...]": tuple}
    known = {field.name: readers.get(str(field.type), str) for field in fields(cls)}
    values = {name: known[name](text) for name, text in given.items() if name in known}
    return cls(**{**more, **values})


class Stage:
    """Client, gateway and next hop for one dialogue."""

    def __init__(self, given: dict[str, str], transform: Transform = unchanged) -> None:
        self._given = given
        self._transform = transform
        self._arrivals: asyncio.Queue[Peer] = asyncio.Queue()
        self._hop: Peer | None = None
        self._client: Peer | None = None
        self._peers: list[Peer] = []

    async def __aenter__(self) -> Stage:
        self._listener = await asyncio.start_server(self._arrived, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        relay_settings = settings(RelaySettings, self._given, host="127.0.0.1", port=port, helo="gate.example")
        self._relay = Relay(relay_settings)  # type: ignore[arg-type]
        server_settings = settings(ServerSettings, self._given, hostname="gate.example")
        self.server = Server(server_settings, Passthrough(self._relay, self._transform))  # type: ignore[arg-type]
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers:
            peer.writer.close()
        await self.server.stop(grace_s=1)
        await self._relay.close()
        self._listener.close()
        await asyncio.sleep(0)

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self._peers.append(peer)
        await self._arrivals.put(peer)

    async def line(self, text: str) -> None:
        who, _, rest = text.partition(" ")
        verb, _, rest = rest.partition(" ")
        if who == "c":
            if self._client is None:
                self._client = Peer(*await asyncio.open_connection("127.0.0.1", self.server.port))
                self._peers.append(self._client)
            await self._client.play(verb, rest)
        elif verb == "open":
            self._hop = await self._arrivals.get()
            offers = ["hop.example", *(offer.replace("=", " ") for offer in rest.split())]
            await self._hop.play("->", "220 hop.example ESMTP")
            await self._hop.play("<~", "EHLO gate.example")
            for n, offer in enumerate(offers):
                await self._hop.play("->", f"250{'-' if n < len(offers) - 1 else ' '}{offer}")
        elif verb == "accept":
            self._hop = await self._arrivals.get()
        elif verb == "gone":
            self._listener.close()
        else:
            assert self._hop is not None, "the next hop has no connection yet"
            await self._hop.play(verb, rest)


async def play(name: str, script: str, transform: Transform = unchanged) -> None:
    """Play the script; raises AssertionError with the line that failed."""
    given = dict(re.findall(r"^set (\w+) = ?(.*)", script, re.MULTILINE))
    async with Stage(given, transform) as stage:
        for number, text in enumerate(script.splitlines(), 1):
            if not text.strip() or text.startswith(("#", "set ")):
                continue
            try:
                async with asyncio.timeout(_WAIT_S):
                    await stage.line(text)
            except TimeoutError:
                raise AssertionError(f"{name}:{number}: nothing happened: {text}") from None
            except AssertionError as error:
                raise AssertionError(f"{name}:{number}: {text}: {error}") from None
