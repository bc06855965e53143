"""Postfix with mailgate's milter against the same Postfix with opendkim signing, both on a UNIX socket, in one run.

    python bench/milter.py                       all sizes, 10 connections
    python bench/milter.py --size '5 MiB' --rounds 5

Private Postfix instances discard what they take: one asks nobody, one opendkim (RSA-2048, relaxed/simple), one a milter
of this project's that replaces each body and does no work (what the protocol itself costs), one
`mailgate serve` as `mailgate init` sets it up (policy, durable offer, surgery, template, RSA-2048), on exactly what
`mailgate deploy postfix --milter` prints. They take turns, so that what else the machine does hits all. Every message
is different. Before the clock some messages go to a mailbox: the bench fails unless each has a token of its own and a
valid signature, and afterwards unless the offers stored are as many as the messages sent.

Needs root, and Debian's postfix and opendkim.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import smtplib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts"), str(HERE)]

import dkim  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from lab.postfix import Postfix  # noqa: E402
from mail import cpu_s, load  # noqa: E402

from smtp_hooks.dkim_keys import generate  # noqa: E402

SIZES = {"4 KiB": (4096, 600), "100 KiB": (102_400, 300), "5 MiB": (5 * 1024 * 1024, 30)}
CHECKED = 20
MUST = {"4 KiB": 1.0, "100 KiB": 1.0, "5 MiB": 0.8}
PAIR = ("mailgate", "opendkim")
TOKEN = re.compile(rb"/a/([A-Za-z0-9_-]{36})")

OPENDKIM = """\
Mode s
Domain example.org
Selector s
KeyFile {folder}/key.pem
Socket local:{socket}
Canonicalization relaxed/simple
Background no
UMask 000
InternalHosts 127.0.0.1
RequireSafeKeys no
"""


@dataclass
class Contender:
    """A Postfix and what it asks."""

    name: str
    postfix: Postfix
    process: subprocess.Popen[bytes] | None

    def _cpu_s(self) -> tuple[float, float]:
        master = int((self.postfix.root / "queue" / "pid" / "master.pid").read_text())
        return cpu_s(self.process.pid) if self.process else 0.0, cpu_s(master)

    def rate(self, size: int, messages: int, connections: int, first: int) -> tuple[float, float, float]:
        """Messages per second, and CPU milliseconds of the milter and of all Postfix for each."""
        before = self._cpu_s()
        began = time.monotonic()
        sent = load(self.postfix.port, size, messages, connections, shape="attachment", first=first)
        if sent["sent"] != messages:
            raise SystemExit(f"{self.name}: {sent}")
        rate = messages / sent["seconds"]
        while self.postfix.queue():  # what is left to discard is not the next one's burden
            time.sleep(0.1)
            if time.monotonic() - began > 300:
                raise SystemExit(f"{self.name}: the queue does not empty: {self.postfix.log()[-2000:]}")
        milter, postfix = (1000 * (now - then) / messages for now, then in zip(self._cpu_s(), before, strict=True))
        return rate, milter, postfix


def private(folder: Path) -> Postfix:
    """A Postfix that discards whatever is not for the checks' mailbox."""
    postfix = Postfix(folder, mailboxes=["checked@example.com"])
    postfix.assemble()
    postfix.run_script("postconf -e default_transport=discard: relay_transport=discard:")
    postfix.run_script("postconf -e max_use=1000000 max_idle=1000s")  # the CPU of processes that have ended is not seen
    return postfix


@contextlib.contextmanager
def _serving(command: list[str], socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A milter, once its socket is there; ended at the end."""
    process = subprocess.Popen(command)
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def opendkim(folder: Path, postfix: Postfix) -> Iterator[subprocess.Popen[bytes]]:
    socket = postfix.root / "queue" / "opendkim.sock"
    (folder / "key.pem").write_bytes(generate())
    (folder / "opendkim.conf").write_text(OPENDKIM.format(folder=folder, socket=socket))
    postfix.run_script(f"postconf -Pe '{postfix.service}/smtpd_milters=unix:opendkim.sock'")
    with _serving(["/usr/sbin/opendkim", "-f", "-x", str(folder / "opendkim.conf")], socket) as process:
        yield process


@contextlib.contextmanager
def idle(postfix: Postfix) -> Iterator[subprocess.Popen[bytes]]:
    """The milter that does no work."""
    socket = postfix.root / "queue" / "idle.sock"
    postfix.run_script(f"postconf -Pe '{postfix.service}/smtpd_milters=unix:idle.sock'")
    with _serving([sys.executable, str(HERE / "milter_idle.py"), str(socket)], socket) as process:
        yield process


@contextlib.contextmanager
def mailgate(folder: Path, postfix: Postfix) -> Iterator[Gateway]:
    gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=1)
    gateway.init()
    gateway.account_add("ada@example.org", "Ada Lovelace", "--number", "+33199001234")
    gateway.configure("milter", listen=f"unix:{postfix.root}/queue/mailgate.sock", socket_group="postfix")
    gateway.configure("smtp", workers=2)  # as opendkim uses both cores
    gateway.configure("log", level="warning")
    postfix.run_script(gateway.run("deploy", "postfix", "--milter", "--service", postfix.service).stdout)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


def check(contender: Contender, gateway: Gateway | None) -> int:
    """Some messages to the mailbox; how many were sent. Each is signed, by mailgate validly and with an own token."""
    message = (
        "From: Ada <ada@example.org>\nTo: checked@example.com\nSubject: check {}\n"
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <check{}@example.org>\n\nHello {}, +33 1 99 00 12 34.\n"
    )
    with smtplib.SMTP("127.0.0.1", contender.postfix.port) as client:
        for n in range(CHECKED):
            client.sendmail("ada@example.org", ["checked@example.com"], message.format(n, n, n))
    arrived = contender.postfix.wait_for_mail("checked@example.com", count=CHECKED)
    signed = sum(b"\r\nDKIM-Signature:" in each for each in arrived)
    if signed != (CHECKED if contender.name in PAIR else 0):
        raise SystemExit(f"{contender.name}: {signed} of {CHECKED} are signed")
    if gateway is None:
        return CHECKED
    record = "".join(re.findall(r'"([^"]*)"', gateway.run("dkim").stdout)).encode()
    valid = sum(bool(dkim.verify(each, dnsfunc=lambda *_, **__: record)) for each in arrived)
    tokens = {token for each in arrived for token in TOKEN.findall(each)}
    shown = sum(b"12 34" in each for each in arrived)
    if not CHECKED == valid == len(tokens) or shown:
        raise SystemExit(f"mailgate: {valid} valid signatures, {len(tokens)} tokens, {shown} numbers shown")
    return CHECKED


def measure(contenders: list[Contender], options: argparse.Namespace) -> tuple[int, bool]:
    """How many messages each was sent, and whether every ratio is what it must be."""
    total, good = 0, True
    print(f"{'':9}" + "".join(f"{c.name:>31}" for c in contenders) + "     ratio to opendkim")
    print(f"{'':9}" + f"{'CPU: milter + Postfix':>31}" * len(contenders))
    for name in options.size or SIZES:
        size, messages = SIZES[name]
        messages = max(options.connections, int(messages * options.scale))
        seen: dict[str, list[tuple[float, float, float]]] = {c.name: [] for c in contenders}
        for round_ in range(options.rounds + 1):
            for each in contenders:
                found = each.rate(size, messages, options.connections, first=total)
                if round_:  # the first one warms up
                    seen[each.name].append(found)
            total += messages
        ratios = [ours / theirs for ours, theirs in zip(*(map(itemgetter(0), seen[n]) for n in PAIR), strict=True)]
        middle = [tuple(map(statistics.median, zip(*found, strict=True))) for found in seen.values()]
        costs = {n: statistics.median(milter + postfix for _, milter, postfix in found) for n, found in seen.items()}
        by_cpu, bound = (costs["opendkim"] / costs[n] for n in ("mailgate", "no work"))
        good = good and statistics.median(ratios) >= MUST[name]
        print(
            f"{name:9}"
            + "".join(f"{rate:12.0f}/s {milter:6.1f} + {postfix:5.1f} ms" for rate, milter, postfix in middle)
            + f"     {statistics.median(ratios):.2f} (of {', '.join(f'{r:.2f}' for r in ratios)}; must {MUST[name]}), "
            f"by all CPU {by_cpu:.2f}, without work {bound:.2f}",
            flush=True,
        )
    return total, good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, action="append", help="all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of messages")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mb", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with contextlib.ExitStack() as stack:
            instances = [private(folder / name) for name in "abcd"]
            signer = stack.enter_context(opendkim(folder, instances[1]))
            replacer = stack.enter_context(idle(instances[2]))
            gateway = stack.enter_context(mailgate(folder, instances[3]))
            for postfix in instances:
                postfix.start()
                stack.callback(postfix.stop)
            contenders = [
                Contender("no milter", instances[0], None),
                Contender("opendkim", instances[1], signer),
                Contender("no work", instances[2], replacer),
                Contender("mailgate", instances[3], gateway.process),
            ]
            checked = [check(each, gateway if each.name == "mailgate" else None) for each in contenders]
            total, good = measure(contenders, options)
            with contextlib.closing(sqlite3.connect(gateway.folder / "mailgate.db")) as store:
                listed = store.execute("select count(*) from offers").fetchone()[0]
        print(f"messages {total + checked[-1]}, offers stored {listed}")
        if listed != total + checked[-1]:
            raise SystemExit("they are not equal")
        if not good:
            raise SystemExit("a ratio is below what it must be")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
