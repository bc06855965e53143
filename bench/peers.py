"""What the gateway is held against: Postfix passing mail through, and Haraka with a banner, as real programs.

    with peers.postfix(folder, listen, next_hop): …        smtpd_proxy_filter: no queue, nothing changed
    with peers.haraka(listen, next_hop): …                 banner into each text, queue/smtp_forward, no store, no DKIM

Haraka 3 is installed by npm into ~/.cache/mailgate/haraka when it is first asked for. Both run on all cores: Postfix
has a process for each connection, Haraka as many cluster nodes as there are cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.postfix import Postfix

CACHE = Path.home() / ".cache" / "mailgate" / "haraka"
# The overrides are releases that every registry has had for long; Haraka itself asks for the newest.
_PACKAGE = {
    "name": "bench",
    "version": "1.0.0",
    "private": True,
    "dependencies": {"Haraka": "^3.3.4"},
    "overrides": {"encoding-japanese": "2.2.0", "libqp": "2.1.1"},
}
_BANNER = """\
exports.hook_connect = function (next, connection) { connection.relaying = true; next() }
exports.hook_data = function (next, connection) {
  connection.transaction.set_banner(
    'Call me: https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo',
    '<p><a href="https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo">Call me</a></p>')
  next()
}
exports.hook_rcpt = function (next) { next(OK) }
"""


@contextlib.contextmanager
def postfix(listen: int, next_hop: int) -> Iterator[int]:
    """A private Postfix on that port before that next hop; the pid of its master."""
    folder = Path(tempfile.mkdtemp(prefix="mgp", dir="/tmp"))
    server = Postfix(folder, mailboxes=[])
    server.port = listen
    server.assemble(
        smtpd_proxy_filter=f"127.0.0.1:{next_hop}",
        default_transport="smtp",
        relay_transport="smtp",
        smtpd_client_connection_count_limit="0",
        default_process_limit="200",
    )
    try:
        server.start()
        yield int((folder / "queue" / "pid" / "master.pid").read_text())
    finally:
        server.stop()
        shutil.rmtree(folder)


def _installed() -> Path:
    """Haraka's program, installed first where it is not there."""
    program = CACHE / "node_modules" / "Haraka" / "bin" / "haraka"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").write_text(json.dumps(_PACKAGE))
        subprocess.run(
            ["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", "--ignore-scripts"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return program


@contextlib.contextmanager
def haraka(listen: int, next_hop: int) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The command and environment that start a Haraka on that port, in a folder of its own."""
    program = _installed()
    folder = Path(tempfile.mkdtemp(prefix="mgh", dir="/tmp"))
    files = {
        "config/smtp.ini": f"listen=127.0.0.1:{listen}\nnodes=cpus\n",
        "config/plugins": "banner\nqueue/smtp_forward\n",
        "config/smtp_forward.ini": f"host=127.0.0.1\nport={next_hop}\nmax_connections=100\n",
        "config/me": "haraka.example\n",
        "config/loglevel": "error\n",
        "config/databytes": "0\n",
        "config/host_list": "example.net\n",
        "plugins/banner.js": _BANNER,
    }
    try:
        shutil.copytree(program.parents[1] / "config", folder / "config")  # it does not fall back to its own
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        environment = dict(os.environ) | {"HARAKA": str(folder), "NODE_PATH": str(CACHE / "node_modules")}
        yield ["node", str(program), "-c", str(folder)], environment
    finally:
        shutil.rmtree(folder)
