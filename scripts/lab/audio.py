"""Sound for scripted telephones: mu-law tones out, tone detection in, key presses as telephone events.

Standards: RFC 3550 (RTP), RFC 3551 (PCMU is payload type 0), RFC 4733 (telephone-event, here payload type 101),
ITU-T G.711 (mu-law). Times in seconds, frames of 20 ms (160 samples at 8 kHz).
Known limits: no jitter buffer; packets are taken in the order they come, which loopback keeps.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
import time
from functools import cache
from typing import cast

KEYS = "0123456789*#ABCD"  # event codes 0–15 (RFC 4733, 3.2)
FRAME = 160
_TELEPHONE_EVENT = 101


def compress(sample: int) -> int:
    """One 16-bit sample as a mu-law octet (G.711: bias of 132, eight segments of sixteen steps)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    segment = magnitude.bit_length() - 8
    return ~(sign | (segment << 4) | ((magnitude >> (segment + 3)) & 0x0F)) & 0xFF


def _expand(octet: int) -> int:
    octet = ~octet & 0xFF
    magnitude = ((((octet & 0x0F) << 3) + 132) << ((octet & 0x70) >> 4)) - 132
    return -magnitude if octet & 0x80 else magnitude


EXPANDED = [_expand(octet) for octet in range(256)]


@cache
def tone(hertz: int) -> bytes:
    """One second of a whole number of cycles, so that it repeats without a click."""
    return bytes(compress(int(8000 * math.sin(2 * math.pi * hertz * i / 8000))) for i in range(8000))


def share(samples: list[int], hertz: int) -> float:
    """The part (0 to 1) of the signal's power that lies at one frequency (Goertzel)."""
    power = sum(s * s for s in samples)
    if not power:
        return 0.0
    k = 2 * math.cos(2 * math.pi * hertz / 8000)
    a = b = 0.0
    for s in samples:
        a, b = s + k * a - b, a
    return (a * a + b * b - k * a * b) * 2 / len(samples) / power


class Rtp(asyncio.DatagramProtocol):
    """One end of an audio stream: sends a tone for ever, and remembers the last seconds of what it hears."""

    def __init__(self, hertz: int) -> None:
        self.hertz = hertz
        self.port = 0
        self.heard = bytearray()
        self.kept = 80_000  # octets of `heard`, beyond which the older half goes
        self.packets = 0
        self.sources: set[str] = set()  # the addresses that audio came from
        self.first_at: float | None = None
        self.keys_heard = ""
        self._last_event = b""
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._keys: list[tuple[str, int]] = []  # what is still to be sent: (key or "" for a pause, frames)

    @classmethod
    async def open(cls, hertz: int, host: str) -> Rtp:
        loop = asyncio.get_running_loop()
        _, rtp = await loop.create_datagram_endpoint(lambda: cls(hertz), local_addr=(host, 0))
        return rtp

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 16:
            return
        payload_type = data[1] & 0x7F
        if payload_type == _TELEPHONE_EVENT:
            if data[4:8] != self._last_event:  # all packets of one press bear the timestamp of its start
                self._last_event = data[4:8]
                self.keys_heard += KEYS[data[12] & 0x0F]
        elif payload_type == 0:
            self.first_at = self.first_at or time.monotonic()
            self.packets += 1
            self.sources.add(addr[0])
            self.heard += data[12:]
            if len(self.heard) > self.kept:
                del self.heard[: self.kept // 2]

    def start(self, remote: tuple[str, int]) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send(remote))

    def press(self, keys: str, frames: int = 5) -> None:
        """Press keys, each for so many frames with a pause of three."""
        for key in keys:
            self._keys += [(key, frames), ("", 3)]

    def forget(self) -> None:
        """Listen anew: `tones` then speaks only of what comes from now on."""
        self.heard.clear()

    def tones(self, *hertz: int, seconds: float = 0.5) -> dict[int, float]:
        """Each frequency's share in the last seconds heard; all 0 where too little was heard."""
        samples = [EXPANDED[octet] for octet in self.heard[-int(8000 * seconds) :]]
        return {f: round(share(samples, f), 2) if len(samples) > 800 else 0.0 for f in hertz}

    def samples(self) -> list[int]:
        """What was heard lately, ten seconds at the most."""
        return [EXPANDED[octet] for octet in self.heard]

    def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._transport:
            self._transport.close()

    async def _send(self, remote: tuple[str, int]) -> None:
        sequence, timestamp, source = random.randrange(60_000), 0, random.getrandbits(32)
        cycle = tone(self.hertz) if self.hertz else b"\xff" * 8000  # 0xff is silence in mu-law
        offset, pressed_at, done = 0, 0, 0
        due = time.monotonic()
        while self._transport is not None and not self._transport.is_closing():
            if self._keys:
                key, frames = self._keys[0]
                pressed_at = timestamp if done == 0 else pressed_at
                done += 1
                last = done >= frames
                # The last packet of a press is sent three times (RFC 4733, 2.5.1.4).
                for _ in range(0 if not key else 3 if last else 1):
                    header = struct.pack(
                        "!BBHII",
                        0x80,
                        _TELEPHONE_EVENT | (0x80 if done == 1 else 0),
                        sequence & 0xFFFF,
                        pressed_at,
                        source,
                    )
                    event = struct.pack("!BBH", KEYS.index(key), (0x80 if last else 0) | 10, done * FRAME)
                    self._transport.sendto(header + event, remote)
                    sequence += 1
                if last:
                    self._keys.pop(0)
                    done = 0
            else:
                header = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, timestamp, source)
                self._transport.sendto(header + cycle[offset : offset + FRAME], remote)
                sequence += 1
            timestamp += FRAME
            offset = (offset + FRAME) % 8000
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))
