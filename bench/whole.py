"""The whole gateway at work: policy, surgery, redaction, template, durable offer, DKIM RSA-2048, relay; checked.

    python bench/whole.py                  all sizes, 10 connections
    python bench/whole.py --size '4 KiB' --scale 0.2

Runs bench/mail.py (which prints the figures, against smtp-source → smtp-sink in the same run) on `mailgate serve` as
`mailgate init` sets it up, and fails unless offers stored, distinct tokens and valid signatures each equal the
messages sent. Signatures are verified by dkimpy on every message at the next hop, after the clock has stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts")]

import dkim  # noqa: E402
from lab.gateway import Gateway  # noqa: E402

NUMBER = "+33199001234"
MATCH = r"http://127\.0\.0\.1:[0-9]+/a/([A-Za-z0-9_-]{36})"


def serve(folder: Path, listen: str, next_hop: str) -> None:
    """Become `mailgate serve` on these addresses."""
    gateway = Gateway(folder, ami_port=1, next_hop_port=1)
    gateway.configure("smtp", listen=listen, next_hop=next_hop)
    gateway.configure("web", listen="127.0.0.1:0")
    with gateway.log_path.open("ab") as log:  # as loud as it is by default, and not on the screen
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.execv(sys.executable, [sys.executable, "-m", "mailgate", "--config", str(gateway.config_path), "serve"])


def record(gateway: Gateway) -> tuple[bytes, bytes]:
    """Name and text of the DNS record that `mailgate dkim` prints."""
    line = gateway.run("dkim").stdout
    return line.split()[0].encode(), "".join(re.findall(r'"([^"]*)"', line)).encode()


def valid(path: Path, name: bytes, text: bytes) -> bool:
    """Whether the signature of a message verifies."""
    return bool(dkim.verify(path.read_bytes(), dnsfunc=lambda asked, timeout=5: text if asked == name else None))


def check(gateway: Gateway, folder: Path, sent: int | None = None) -> None:
    """Ends the bench unless the messages below the folder, valid signatures and stored offers are equal (and as many as
    were sent). Distinct tokens were counted where the messages arrived."""
    messages = sorted(folder.glob("*/*.eml"))
    name, text = record(gateway)
    with ProcessPoolExecutor() as pool:
        count = len(messages)
        signed = sum(pool.map(valid, messages, [name] * count, [text] * count, chunksize=50))
    with contextlib.closing(sqlite3.connect(gateway.folder / "mailgate.db")) as store:
        ((offers,),) = store.execute("SELECT count(*) FROM offers WHERE state = 'open'").fetchall()
    print(f"messages {count}, offers stored {offers}, valid signatures {signed}")
    if not (sent or count) == count == offers == signed:
        raise SystemExit("they are not equal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", nargs=3, metavar=("FOLDER", "LISTEN", "NEXT_HOP"), help=argparse.SUPPRESS)
    parser.add_argument("--size", action="append", help="'4 KiB', '100 KiB' or '5 MiB'; all by default")
    options, rest = parser.parse_known_args()
    if options.serve:
        serve(Path(options.serve[0]), options.serve[1], options.serve[2])
    folder = Path(tempfile.mkdtemp(prefix="mailgate-bench"))
    try:
        gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=1)
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", NUMBER)
        command = f"{sys.executable} {HERE / 'whole.py'} --serve {gateway.folder} {{listen}} {{next_hop}}"
        mail = [sys.executable, str(HERE / "mail.py"), "--command", command, "--match", MATCH, "--shape", "attachment"]
        for number, size in enumerate(options.size or ("4 KiB", "100 KiB", "5 MiB")):
            kept = folder / str(number)
            kept.mkdir()
            subprocess.run([*mail, "--keep", str(kept), "--size", size, *rest], check=True)
        check(gateway, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
