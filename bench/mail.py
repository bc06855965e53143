"""Messages per second through a gateway process, against smtp-source → smtp-sink directly in the same run.

    python bench/mail.py                                     server and relay without work
    python bench/mail.py --transform sign                    the same with a DKIM signature
    python bench/mail.py --command 'mailgate serve … {listen} … {next_hop}'
                         --match 'https://call[^ ]*/([A-Za-z0-9_-]{36})'

Every message is different; the sink refuses one that comes twice or damaged. The bench fails unless the messages
sent, acknowledged and taken are equal (and the distinct matches, where --match is given). CPU is that of the gateway's
process and its children, from /proc. With --command, what the gateway changes is not compared with what was sent.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = {"4 KiB": (4096, 3000), "100 KiB": (102_400, 800), "5 MiB": (5 * 1024 * 1024, 30)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Of one size: messages per second directly and through the gateway, CPU milliseconds for each message."""

    size: str
    direct: float
    load_direct: float
    gateway: float
    cpu_ms: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that listens on the port; ended at the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"does not listen: {shlex.join(command)}") from None
                time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def cpu_s(pid: int) -> float:
    """User and system time of a process and all its descendants, in seconds."""
    total = 0.0
    children: dict[int, list[tuple[int, int]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append((int(stat.parent.name), int(fields[11]) + int(fields[12])))
            if int(stat.parent.name) == pid:
                total += int(fields[11]) + int(fields[12])
    waiting = [pid]
    while waiting:
        for child, ticks in children.get(waiting.pop(), []):
            total += ticks
            waiting.append(child)
    return total / os.sysconf("SC_CLK_TCK")


def load(
    port: int,
    size: int,
    messages: int,
    connections: int,
    *,
    shape: str,
    first: int = 0,
    sender: str = "ada@example.org",
) -> dict[str, float]:
    command = [sys.executable, str(HERE / "mail_load.py"), "--to", f"127.0.0.1:{port}", "--size", str(size)]
    command += ["--messages", str(messages), "--connections", str(connections), "--first", str(first)]
    command += ["--shape", shape, "--sender", sender]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


def smtp_source(size: int, messages: int, connections: int) -> float:
    """Messages per second of Postfix's own pair, sessions kept."""
    port = free_port()
    with running(
        ["/usr/sbin/smtp-sink", *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "512"],
        port,
    ):
        command = ["/usr/sbin/smtp-source", "-d", "-s", str(connections), "-m", str(messages), "-l", str(size)]
        start = time.monotonic()
        subprocess.run([*command, f"127.0.0.1:{port}"], check=True, stdout=subprocess.DEVNULL, timeout=600)
        return messages / (time.monotonic() - start)


def gateway_command(options: argparse.Namespace, listen: int, next_hop: int) -> list[str]:
    if options.command:
        text = options.command.format(listen=f"127.0.0.1:{listen}", next_hop=f"127.0.0.1:{next_hop}")
        return shlex.split(str(text))
    command = [sys.executable, str(HERE / "mail_gateway.py"), "--listen", f"127.0.0.1:{listen}"]
    command += ["--next-hop", f"127.0.0.1:{next_hop}", "--transform", options.transform]
    return [*command, *(["--profile", options.profile] if options.profile else [])]


def measure(options: argparse.Namespace, name: str) -> Figure:
    size, messages = SIZES[name]
    messages = int(messages * options.scale)
    direct = smtp_source(size, messages, options.connections)
    listen, next_hop, other = free_port(), free_port(), free_port()
    sink = [sys.executable, str(HERE / "mail_sink.py")]
    with running([*sink, "--exact", "--port", str(other)], other):
        plain = load(other, size, messages, options.connections, shape=options.shape)
    checks = ["--match", options.match] if options.match else []
    checks += ["--keep", options.keep] if options.keep else []
    checks += [] if options.command else ["--exact"]
    with running([*sink, *checks, "--port", str(next_hop)], next_hop) as taker:
        with running(gateway_command(options, listen, next_hop), listen) as gateway:
            load(
                listen, size, max(20, messages // 20), options.connections, shape=options.shape, first=10**9
            )  # to warm up
            before = cpu_s(gateway.pid)
            through = load(listen, size, messages, options.connections, shape=options.shape)
            cpu_ms = (cpu_s(gateway.pid) - before) * 1000 / messages
        taker.terminate()
        seen = json.loads(taker.communicate(timeout=120)[0])
    everything = messages + max(20, messages // 20)
    expected = {"taken": everything, "wrong": 0, "matches": everything if options.match else 0}
    if seen != expected or through["sent"] != messages:
        raise SystemExit(f"{name}: sent {through}, the sink saw {seen}, expected {expected}")
    return Figure(
        size=name,
        direct=direct,
        load_direct=messages / plain["seconds"],
        gateway=messages / through["seconds"],
        cpu_ms=cpu_ms,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", help="starts the gateway; {listen} and {next_hop} are filled in as host:port")
    parser.add_argument("--transform", choices=["none", "sign"], default="none")
    parser.add_argument("--match", help="expression that must match differently in each message, such as the token")
    parser.add_argument("--keep", help="folder for the messages as the next hop got them")
    parser.add_argument("--profile", help="file for cProfile's figures of the built-in gateway; slows it down")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument(
        "--shape", choices=["text", "attachment", "html"], default="text", help="see bench/mail_load.py"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of messages")
    parser.add_argument("--size", choices=SIZES, action="append", help="all by default")
    options = parser.parse_args()
    print("size     smtp-source→smtp-sink   load→sink   gateway   ratio   CPU ms/message")
    for name in options.size or SIZES:
        f = measure(options, name)
        print(
            f"{f.size:8} {f.direct:19.0f}/s {f.load_direct:9.0f}/s {f.gateway:7.0f}/s {f.gateway / f.direct:7.3f} "
            f"{f.cpu_ms:12.2f}"
        )


if __name__ == "__main__":
    main()
