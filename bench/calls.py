"""Calls on a real Asterisk with sipp at both ends: mailgate's dialplan against a bare Originate and Dial, in turns.

    python bench/calls.py                       calls per second, then CPU of calls with audio
    python bench/calls.py --calls 100 --rounds 3

Both kinds of calls have the same two legs, endpoints, codec and longest time, and no keys to press, and are ordered
over one manager connection of the bench's own. By mailgate: the very Originate that mailgate sends, into its deployed
dialplan, which records each step in astdb and tells of it. Bare: an Originate into `Dial`. Every call has to be
answered at both ends, which sipp counts. CPU is that of the Asterisk process (/proc/PID/stat).
With audio, sipp streams a sound from leg 1 and echoes it at leg 2; the CPU is taken while all calls are up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts")]

from lab.asterisk import HOST, PrivateAsterisk  # noqa: E402
from lab.audio import tone  # noqa: E402
from lab.ports import free_port  # noqa: E402

from mailgate.calls.action import originate_action  # noqa: E402
from mailgate.calls.deploy import render_asterisk  # noqa: E402
from mailgate.calls.model import CallOrder, Channel  # noqa: E402
from mailgate.calls.settings import AsteriskSettings, DeploySettings  # noqa: E402
from mailgate.calls.trunks import Trunk  # noqa: E402

RATE = (0.9, 0.97)  # must and aim, as the share of a bare Originate
CPU = 1.05  # must
NUMBER = "+33199000001"
TICKS = os.sysconf("SC_CLK_TCK")

BARE = "\n[bare]\nexten => s,1,Dial({leg2},30,L(3600000:30000))\n same => n,Hangup()\n"

# Leg 1 waits for the end; leg 2 hangs up after a while (milliseconds, by the key -d).
_HEAD = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="leg">
<recv request="INVITE" crlf="true"/>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]t[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0
]]></send>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]t[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv request="ACK" rtd="true"/>
"""
_STREAM = '<nop><action><exec rtp_stream="{sound},-1,0"/></action></nop>\n'
_WAITS = """<recv request="BYE" timeout="120000"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
]]></send>
</scenario>
"""
_LEAVES = """<pause/>
<send retrans="500"><![CDATA[
BYE sip:gateway@ASTERISK SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$2];tag=[pid]t[call_number]
To: [$1]
[last_Call-ID:]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0
]]></send>
<recv response="200"/>
</scenario>
"""
# What BYE needs: the other side's From with its tag is our To, and the other way round.
_REMEMBER = """<recv request="INVITE" crlf="true"><action>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="2"/>
</action></recv>"""


@dataclass(slots=True)
class Round:
    """One kind's figures, a value for each round."""

    rate: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def sipp(folder: Path, name: str, scenario: str, port: int, *options: str) -> AsyncIterator[None]:
    path = folder / f"{name}.xml"
    await asyncio.to_thread(folder.mkdir, exist_ok=True, parents=True)
    await asyncio.to_thread(path.write_text, scenario)
    words = ("sipp", "-sf", str(path), "-i", HOST, "-p", str(port), "-nostdin", *options)
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await asyncio.sleep(0.5)
        if process.returncode is not None:
            raise SystemExit(f"sipp ended with {process.returncode}: {' '.join(words)}")
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Manager:
    """A manager connection that counts how calls end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ends: dict[str, asyncio.Future[bool]] = {}
        self.bridged: set[str] = set()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int, secret: str) -> Manager:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(f"Action: Login\r\nUsername: bench\r\nSecret: {secret}\r\n\r\n".encode())
        return cls(reader, writer)

    async def _read(self) -> None:
        while True:
            block = (await self._reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
            found = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)
            if found.get("Event") == "BridgeEnter":
                self.bridged.add(found["Linkedid"])
            elif found.get("Event") == "Hangup" and found.get("Uniqueid") in self._ends:
                end = self._ends.pop(found["Uniqueid"])
                if not end.done():
                    end.set_result(True)

    async def call(self, action: dict[str, str | list[str]]) -> None:
        """Until leg 1 has hung up."""
        end: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ends[str(action["ChannelId"])] = end
        lines = [f"{k}: {v}" for k, values in action.items() for v in ([values] if isinstance(values, str) else values)]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await asyncio.wait_for(end, 60)

    async def close(self) -> None:
        self._task.cancel()
        self._writer.close()
        await asyncio.wait([self._task])


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rounds share."""

    asterisk: PrivateAsterisk
    manager: Manager
    leg2: str

    @property
    def pid(self) -> int:
        assert self.asterisk.process
        return self.asterisk.process.pid

    def action(self, kind: str) -> dict[str, str | list[str]]:
        """An Originate with an id of its own."""
        order = CallOrder(
            attempt_id=secrets.token_hex(16),
            leg1=Channel.parse(f"tel:{NUMBER}"),
            leg2=Channel.parse(f"sip:{self.leg2}"),
            confirm1=False,
            confirm2=False,
        )
        action = originate_action(order, self.asterisk.deploy.link, time.time())
        if kind == "mailgate":
            return action
        return {k: v for k, v in action.items() if k != "Variable"} | {"Context": "bare"}

    async def rate(self, kind: str, calls: int, at_once: int, into: Round) -> None:
        """Calls one after the other, so many at once, each to its end."""
        left = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with left:
                action = self.action(kind)
                await self.manager.call(action)
                if action["ChannelId"] not in self.manager.bridged:
                    raise SystemExit(f"a call ({kind}) was not bridged")

        before, began = cpu_s(self.pid), time.monotonic()
        await asyncio.gather(*(one() for _ in range(calls)))
        into.rate.append(calls / (time.monotonic() - began))
        await asyncio.sleep(0.5)  # what hangs up still
        into.cpu_ms.append(1000 * (cpu_s(self.pid) - before) / calls)

    async def audio(self, kind: str, calls: int, seconds: float, into: Round) -> None:
        """So many calls at once; the CPU of Asterisk while all of them talk, a second for each call."""
        actions = [self.action(kind) for _ in range(calls)]
        running = [asyncio.create_task(self.manager.call(action)) for action in actions]
        deadline = time.monotonic() + 20
        while not all(action["ChannelId"] in self.manager.bridged for action in actions):
            if time.monotonic() > deadline:
                raise SystemExit(f"calls with audio ({kind}) were not bridged")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        before, began = cpu_s(self.pid), time.monotonic()
        await asyncio.sleep(seconds)
        spent = 1000 * (cpu_s(self.pid) - before) / (time.monotonic() - began) / calls
        if any(task.done() for task in running):
            raise SystemExit(f"calls with audio ({kind}) ended too early")
        into.cpu_ms.append(spent)
        await asyncio.gather(*running)


@asynccontextmanager
async def world(folder: Path, hold_ms: int, sound: Path | None) -> AsyncIterator[Bench]:
    """Asterisk as deployed, sipp at both ends."""
    first, second = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    link = AsteriskSettings(gateway_number="+33199009000", port=free_port(), secret="a" * 16, outbound="elsewhere")
    deploy = DeploySettings(link=link, trunks=(Trunk(host=f"{HOST}:{first}", keep_alive_s=0),), qualify_s=0)
    leg2 = f"destination@{HOST}:{second}"
    deployed = render_asterisk(deploy)
    deployed["manager.d/mailgate.conf"] += (
        "\n[bench]\nsecret=bench-secret\nread=call\nwrite=originate\nwritetimeout=10000\n"
    )
    asterisk = PrivateAsterisk(
        folder / "asterisk",
        deploy=deploy,
        deployed=deployed,
        sip_port=free_port(socket.SOCK_DGRAM),
        rtp_ports=(30_000, 39_998),
        own_dialplan=BARE.format(leg2=f"PJSIP/elsewhere/sip:{leg2}"),
    )
    await asyncio.to_thread(asterisk.start)
    stream = _STREAM.format(sound=sound) if sound else ""
    waits = _HEAD + stream + _WAITS
    leaves = re.sub(r'<recv request="INVITE" crlf="true"/>', lambda _: _REMEMBER, _HEAD) + _LEAVES
    leaves = leaves.replace("ASTERISK", f"{HOST}:{asterisk.sip_port}")
    ports = ("-mp", "16000") if not sound else ("-mp", "16000", "-rtp_echo")
    try:
        async with (
            sipp(folder, "leg1", waits, first, "-mp", "12000"),
            sipp(folder, "leg2", leaves, second, "-d", str(hold_ms), *ports),
        ):
            manager = await Manager.open(link.port, "bench-secret")
            yield Bench(asterisk, manager, leg2)
            await manager.close()
    finally:
        await asyncio.to_thread(asterisk.stop)


def ratio_of(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' own ratios: what the machine does besides falls on both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def show(name: str, unit: str, ours: list[float], theirs: list[float], verdict: str) -> None:
    print(
        f"{name:34} {statistics.median(ours):8.2f} {statistics.median(theirs):8.2f} {unit:4} "
        f"{ratio_of(ours, theirs):6.2f} x  {verdict}",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="in a round")
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument(
        "--rounds", type=int, default=5, help="of calls with audio; three times as many of the others, which are short"
    )
    parser.add_argument("--talking", type=int, default=30, help="calls with audio at once; 0: none")
    parser.add_argument("--seconds", type=float, default=8.0, help="of audio that are measured")
    options = parser.parse_args()
    ours, theirs = Round(), Round()
    print(f"{'':34} {'mailgate':>8} {'bare':>8} {'':4} {'ratio':>6}")
    with tempfile.TemporaryDirectory(prefix="mg", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        async with world(folder, 50, None) as bench:
            for kind in ("mailgate", "bare"):
                await bench.rate(kind, options.at_once, options.at_once, Round())  # warm
            for number in range(3 * options.rounds):
                pairs = [("mailgate", ours), ("bare", theirs)]
                for kind, into in pairs if number % 2 else reversed(pairs):
                    await bench.rate(kind, options.calls, options.at_once, into)
        must, aim = RATE
        ratio = ratio_of(ours.rate, theirs.rate)
        verdict = "aim" if ratio >= aim else "must" if ratio >= must else f"MISSED (must {must}, aim {aim})"
        show("calls bridged and ended", "/s", ours.rate, theirs.rate, verdict)
        show("CPU of Asterisk for each", "ms", ours.cpu_ms, theirs.cpu_ms, "")
        if not options.talking:
            return
        sound = folder / "sound.ul"
        sound.write_bytes(tone(440) * 2)
        ours, theirs = Round(), Round()
        hold_ms = round(1000 * (options.seconds + 6))
        async with world(folder / "audio", hold_ms, sound) as bench:
            for number in range(options.rounds):
                pairs = [("mailgate", ours), ("bare", theirs)]
                for kind, into in pairs if number % 2 else reversed(pairs):
                    await bench.audio(kind, options.talking, options.seconds, into)
    ratio = ratio_of(ours.cpu_ms, theirs.cpu_ms)
    verdict = "must" if ratio <= CPU else f"MISSED (must {CPU})"
    show("CPU a second of a call with audio", "ms", ours.cpu_ms, theirs.cpu_ms, verdict)


if __name__ == "__main__":
    asyncio.run(main())
