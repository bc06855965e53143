"""Memory (RssAnon) while 50 connections each send 25 MiB at once, above what the idle gateway has.

    python bench/memory.py
    python bench/memory.py --connections 50 --mib 25 --workers 2

`mailgate serve` as `mailgate init` sets it up, all work done; every process of the gateway counts. Idle is after some
small messages. Fails where more than MUST_MIB are needed, and where offers stored, distinct tokens and valid signatures
are not as many as messages were sent.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "scripts")]

import whole  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from mail import free_port, load, running  # noqa: E402

MUST_MIB = 64


def rss_anon_kib(pid: int) -> int:
    """Of a process and its children, in KiB."""
    total = 0
    for each in [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]:
        status = Path(f"/proc/{each}/status").read_text()
        total += int(status.partition("RssAnon:")[2].split()[0])
    return total


class Watch(threading.Thread):
    """Looks at the memory of a process every 10 ms; `most` is the highest that it saw."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            self.most = max(self.most, rss_anon_kib(self.pid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--mib", type=int, default=25)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailgate-bench", dir="/var/tmp"))
    try:
        gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=free_port())
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", whole.NUMBER)
        gateway.configure("smtp", workers=options.workers)
        kept = folder / "kept"
        kept.mkdir()
        sink = [sys.executable, str(HERE / "mail_sink.py"), "--port", str(gateway.next_hop_port)]
        with running([*sink, "--match", whole.MATCH, "--keep", str(kept)], gateway.next_hop_port) as taker:
            gateway.start()
            try:
                assert gateway.process is not None
                time.sleep(2)
                load(gateway.smtp_port, 4096, 200, 10, shape="attachment", first=10**9)
                time.sleep(1)
                idle = rss_anon_kib(gateway.process.pid)
                watch = Watch(gateway.process.pid)
                watch.start()
                done = load(
                    gateway.smtp_port, options.mib << 20, options.connections, options.connections, shape="attachment"
                )
                watch.ended.set()
                watch.join()
                time.sleep(1)
                after = rss_anon_kib(gateway.process.pid)
            finally:
                gateway.stop()
            taker.send_signal(signal.SIGTERM)
            seen = json.loads(taker.communicate(timeout=300)[0])
        everything = options.connections + 200
        if done["sent"] != options.connections or seen != {"taken": everything, "wrong": 0, "matches": everything}:
            raise SystemExit(f"sent {done}, the next hop saw {seen}")
        whole.check(gateway, folder, everything)
        above = (watch.most - idle) / 1024
        print(
            f"{options.connections} connections, {options.mib} MiB each, {options.workers} workers: idle "
            f"{idle / 1024:.0f} MiB, at most {above:.0f} MiB above, {(after - idle) / 1024:.0f} MiB above at the end; "
            f"{done['seconds']:.1f} s"
        )
        if above > MUST_MIB:
            raise SystemExit(f"more than {MUST_MIB} MiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
