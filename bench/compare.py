"""Messages per second with two workers, all work done, against what does less: Postfix, Haraka, nothing between.

    python bench/compare.py                      10 connections against Postfix, 50 against Haraka
    python bench/compare.py --scale 0.3 --size '4 KiB' --peer postfix

Each size in turns: peer, gateway, peer, gateway …, the same load and the same next hop (bench/mail_load.py and
mail_sink.py), so that what the machine does besides falls on both; medians are compared. Postfix passes mail through by
`smtpd_proxy_filter` and changes nothing, Haraka adds a banner and stores and signs nothing; both use all cores. Fails
unless the offers stored, distinct tokens and valid signatures each equal the messages that the gateway was sent.
Postfix needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "scripts")]

import peers  # noqa: E402
import whole  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from mail import SIZES, cpu_s, free_port, load, running, smtp_source  # noqa: E402

# must, aim: the gateway's messages per second divided by the peer's (issue 3, 5)
GOALS = {
    "postfix": {"4 KiB": (0.5, 1.0), "100 KiB": (0.75, 1.0), "5 MiB": (0.75, 1.0)},
    "haraka": {"4 KiB": (3.0, 5.0), "100 KiB": (5.0, 7.0), "5 MiB": (5.0, 7.0)},
}
CONNECTIONS = {"postfix": 10, "haraka": 50}


@dataclass(slots=True)
class Rates:
    """Messages per second and CPU milliseconds for each message, of each round."""

    rate: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def note(self, messages: int, seconds: float, cpu: float) -> None:
        self.rate.append(messages / seconds)
        self.cpu_ms.append(cpu * 1000 / messages)


@contextlib.contextmanager
def sink(port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The next hop."""
    with running([sys.executable, str(HERE / "mail_sink.py"), "--port", str(port), *options], port) as process:
        yield process


def measure(into: Rates, pid: int, port: int, size: int, messages: int, connections: int, first: int) -> None:
    """One round through whatever listens there; every message has to be accepted."""
    before = cpu_s(pid)
    through = load(port, size, messages, connections, shape="attachment", first=first)
    if through["sent"] != messages:
        raise SystemExit(f"of {messages} messages {through['sent']} were accepted")
    into.note(messages, through["seconds"], cpu_s(pid) - before)


@contextlib.contextmanager
def peer(name: str, listen: int, next_hop: int) -> Iterator[int]:
    """The peer, serving; its pid."""
    if name == "postfix":
        with peers.postfix(listen, next_hop) as pid:
            yield pid
        return
    with peers.haraka(listen, next_hop) as (command, environment), running(command, listen, environment) as process:
        yield process.pid


def compare(folder: Path, gateway: Gateway, name: str, size: str, options: argparse.Namespace) -> tuple[float, int]:
    """Print one row; the ratio, and how many messages went through the gateway."""
    octets, usual = SIZES[size]
    messages = max(2 * CONNECTIONS[name], int(usual * options.scale))
    if name == "haraka" and octets > 10**6:
        messages = 2 * CONNECTIONS[name]
    kept = folder / f"{name} {size}"
    kept.mkdir()
    ours, theirs = Rates(), Rates()
    listen, next_hop, other = free_port(), free_port(), free_port()
    gateway.smtp_port, gateway.next_hop_port = listen, next_hop
    gateway.configure("smtp", listen=f"127.0.0.1:{listen}", next_hop=f"127.0.0.1:{next_hop}", workers=options.workers)
    first = 0
    with sink(next_hop, "--keep", str(kept), "--match", whole.MATCH) as taker:
        gateway.start()
        assert gateway.process is not None
        try:
            with sink(other), peer(name, port := free_port(), other) as pid:
                time.sleep(1)  # workers and nodes that are not the first one start too
                warm = 2 * CONNECTIONS[name]
                load(port, octets, warm, CONNECTIONS[name], shape="attachment", first=10**9)
                load(listen, octets, warm, CONNECTIONS[name], shape="attachment", first=10**9)
                for _ in range(options.rounds):
                    measure(theirs, pid, port, octets, messages, CONNECTIONS[name], first)
                    measure(ours, gateway.process.pid, listen, octets, messages, CONNECTIONS[name], first)
                    first += messages
        finally:
            gateway.stop()
        taker.send_signal(signal.SIGTERM)
        seen = json.loads(taker.communicate(timeout=300)[0])
    through = first + warm
    if seen != {"taken": through, "wrong": 0, "matches": through}:
        raise SystemExit(f"{through} messages were sent, the next hop saw {seen}")
    rate, reference = statistics.median(ours.rate), statistics.median(theirs.rate)
    must, aim = GOALS[name][size]
    ratio = rate / reference
    verdict = "aim" if ratio >= aim else "must" if ratio >= must else "MISSED"
    print(
        f"{size:8} {name:8} {reference:7.0f}/s {statistics.median(theirs.cpu_ms):7.2f} ms {rate:8.0f}/s "
        f"{statistics.median(ours.cpu_ms):7.2f} ms {ratio:7.2f} x   must {must}, aim {aim}: {verdict}",
        flush=True,
    )
    return ratio, through


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=GOALS, action="append", help="both by default")
    parser.add_argument("--size", choices=SIZES, action="append", help="all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of messages in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailgate-bench"))
    try:
        gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=1)
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", whole.NUMBER)
        for size in options.size or SIZES:
            octets, messages = SIZES[size]
            direct = smtp_source(octets, max(20, int(messages * options.scale)), 10)
            print(f"{size:8} smtp-source → smtp-sink, nothing between: {direct:.0f}/s")
        print(f"{'size':8} {'peer':8} {'peer':>9} {'CPU':>10} {'gateway':>10} {'CPU':>10} {'ratio':>9}")
        sent = 0
        for name in options.peer or GOALS:
            for size in options.size or SIZES:
                sent += compare(folder, gateway, name, size, options)[1]
        whole.check(gateway, folder, sent)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
