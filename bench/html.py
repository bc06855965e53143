"""CPU for a 100 KiB HTML body that gets an offer, against the same messages passed untouched, in turns.

    python bench/html.py [--messages 400] [--rounds 3]

The same gateway (`mailgate serve` as `mailgate init` sets it up) and the same load; the reverse-path of every second
round belongs to no account, so that its messages pass. Checked as bench/whole.py is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "scripts")]

import whole  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from mail import cpu_s, free_port, load, running  # noqa: E402

SIZE = 102_400
MUST, AIM = 5.0, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailgate-bench"))
    try:
        gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=free_port())
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", whole.NUMBER)
        kept = folder / "kept"
        kept.mkdir()
        sink = [sys.executable, str(HERE / "mail_sink.py"), "--port", str(gateway.next_hop_port)]
        figures: dict[str, list[float]] = {"ada@example.org": [], "nobody@example.org": []}
        with running([*sink, "--match", whole.MATCH, "--keep", str(kept)], gateway.next_hop_port) as taker:
            gateway.start()
            try:
                assert gateway.process is not None
                first = 0
                for n in range(options.rounds + 1):
                    for sender, figure in figures.items():
                        before = cpu_s(gateway.process.pid)
                        load(gateway.smtp_port, SIZE, options.messages, 10, shape="html", first=first, sender=sender)
                        if n:  # the first round warms up
                            figure.append((cpu_s(gateway.process.pid) - before) * 1000 / options.messages)
                        first += options.messages
            finally:
                gateway.stop()
            taker.send_signal(signal.SIGTERM)
            seen = json.loads(taker.communicate(timeout=300)[0])
        offered = first // 2
        if seen != {"taken": first, "wrong": 0, "matches": offered}:
            raise SystemExit(f"{first} messages, {offered} of them with an offer: the next hop saw {seen}")
        for path in kept.glob("*.eml"):
            if b"X-Call-Offer-Trace:" not in path.read_bytes():
                path.unlink()
        whole.check(gateway, folder, offered)
        changed, passed = (statistics.median(figure) for figure in figures.values())
        verdict = "aim" if changed / passed <= AIM else "must" if changed / passed <= MUST else "MISSED"
        print(
            f"100 KiB HTML: with an offer {changed:.2f} ms, passed untouched {passed:.2f} ms of CPU, ratio "
            f"{changed / passed:.2f}   must {MUST}, aim {AIM}: {verdict}"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
