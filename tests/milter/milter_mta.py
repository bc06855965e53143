"""An MTA's side of the milter protocol, for tests: packets written and read by hand, and what an MTA makes of answers.

mta = await Mta.connect(milter)          negotiates as Postfix does
mta.client("192.0.2.1"); mta.envelope("ada@example.org", "ben@example.net"); mta.message(b"…")
answers = await mta.end()
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from smtp_hooks.endpoint import UnixEndpoint
from smtp_hooks.milter import Milter

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF


def packet(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + command + data


def strings(*texts: str | bytes) -> bytes:
    return b"".join((t.encode() if isinstance(t, str) else t) + b"\0" for t in texts)


def negotiate(version: int = 6, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS) -> bytes:
    return packet(b"O", struct.pack("!III", version, actions, steps))


def macros(stage: bytes, **values: str) -> bytes:
    return packet(b"D", stage + strings(*(text for pair in values.items() for text in pair)))


def connect(address: str, name: str = "client.example") -> bytes:
    family = b"6" if ":" in address else b"4"
    return packet(b"C", strings(name) + family + struct.pack("!H", 4711) + strings(address))


def envelope(sender: str, *recipients: str) -> bytes:
    rcpt = b"".join(packet(b"R", strings(f"<{r}>")) for r in recipients)
    return packet(b"M", strings(f"<{sender}>")) + rcpt + packet(b"T")


def message(octets: bytes, *, leading_space: bool = True, chunk: int = 65_535) -> bytes:
    """Header and body of a message with CRLF, as packets up to the end of the message, which is not there."""
    header, _, body = octets.partition(b"\r\n\r\n")
    fields = header.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n")
    packets = []
    for field in fields:
        name, _, value = field.partition(b":")
        packets.append(packet(b"L", strings(name, value if leading_space else value.removeprefix(b" "))))
    packets.append(packet(b"N"))
    packets += [packet(b"B", body[n : n + chunk]) for n in range(0, len(body), chunk)]
    return b"".join(packets)


DIALLED: list[asyncio.StreamWriter] = []
"""Closed when the test is over (conftest.py)."""


@dataclass
class Mta:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    agreed: tuple[int, int, int] = (0, 0, 0)
    asked_macros: bytes = b""

    @classmethod
    async def dial(cls, milter: Milter) -> Mta:
        """Connected, nothing said."""
        endpoint = milter.settings.endpoint
        if isinstance(endpoint, UnixEndpoint):
            streams = await asyncio.open_unix_connection(endpoint.path)
        else:
            streams = await asyncio.open_connection(endpoint.host, milter.port)
        DIALLED.append(streams[1])
        return cls(*streams)

    @classmethod
    async def connect(cls, milter: Milter, *, steps: int = ALL_STEPS, client: str = "127.0.0.1") -> Mta:
        """Connected, negotiated, and the client announced."""
        mta = await cls.dial(milter)
        mta.writer.write(negotiate(steps=steps))
        command, data = await mta.read()
        assert command == b"O"
        mta.agreed = struct.unpack("!III", data[:12])
        mta.asked_macros = data[12:]
        mta.writer.write(connect(client))
        return mta

    async def read(self) -> tuple[bytes, bytes]:
        """One packet. Raises IncompleteReadError at the end of the connection."""
        async with asyncio.timeout(10):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            octets = await self.reader.readexactly(size)
        return octets[:1], octets[1:]

    async def ended(self) -> bool:
        """Whether the milter closes, having said nothing more."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def end(self) -> list[tuple[bytes, bytes]]:
        """End the message; the answers up to the last."""
        self.writer.write(packet(b"E"))
        return await self.answers()

    async def answers(self) -> list[tuple[bytes, bytes]]:
        found = [await self.read()]
        while found[-1][0] in b"mihb":
            found.append(await self.read())
        return found

    def close(self) -> None:
        self.writer.close()


def applied(octets: bytes, answers: Sequence[tuple[bytes, bytes]], *, leading_space: bool = True) -> bytes:
    """What an MTA makes of a message, one answer after the other, as Postfix documents it: an index of a change counts
    fields of that name, that of an insertion all fields and the MTA's own Received before them."""
    header, _, body = octets.partition(b"\r\n\r\n")
    unfolded = header.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t")
    fields = [b"Received: by the MTA", *(unfolded.split(b"\r\n") if unfolded else [])]
    chunks = []
    for command, data in answers:
        match command:
            case b"m":
                index, name, value = int.from_bytes(data[:4], "big"), *data[4:-1].split(b"\0")
                own = fields.index(b"Received: by the MTA")
                same = [n for n, f in enumerate(fields) if n != own and f.split(b":")[0].lower() == name.lower()]
                at = same[index - 1]
                fields[at : at + 1] = [name + b":" + (b"" if leading_space else b" ") + value] if value else []
            case b"i":
                index, name, value = int.from_bytes(data[:4], "big"), *data[4:-1].split(b"\0")
                fields.insert(index, name + b":" + (b"" if leading_space else b" ") + value)
            case b"b":
                chunks.append(data)
            case _:
                assert command == b"a", command
    fields.remove(b"Received: by the MTA")
    new_body = b"".join(chunks) if chunks else body
    return b"".join(f.replace(b"\n", b"\r\n") + b"\r\n" for f in fields) + b"\r\n" + new_body
