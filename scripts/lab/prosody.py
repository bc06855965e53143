"""A private Prosody: XMPP accounts and one component on loopback, with configuration, data and log in one folder.

    prosody = Prosody(Path(tempfile.mkdtemp(dir="/tmp")), accounts={"ben@example.net": "secret"})
    prosody.start()
    … clients at prosody.client_port, the component at prosody.component_port …
    prosody.kill(); prosody.start()      # accounts and rosters stay
    prosody.stop()

Clients get STARTTLS with a certificate that `prosody.ca_file` vouches for. Needs Debian's package prosody.
Known limits: no other server is reached; ports are guessed free.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from lab.certificates import Authority
from lab.gateway import listens
from lab.ports import free_port

_CONFIG = """\
daemonize = false
run_as_root = {as_root}
pidfile = "{root}/prosody.pid"
data_path = "{root}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
c2s_direct_tls_ports = {{ }}
c2s_require_encryption = true
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
authentication = "internal_plain"
storage = "internal"
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "presence", "message", "iq", "offline", "carbons" }}
modules_disabled = {{ "s2s", "http" }}
log = {{ debug = "{root}/log" }}
{hosts}
Component "{component}"
  component_secret = "{secret}"
"""

_HOST = """\
VirtualHost "{domain}"
  ssl = {{ certificate = "{files[0]}", key = "{files[1]}" }}
"""


class Prosody:
    """One instance in `root`; `accounts` maps JIDs to passwords."""

    def __init__(
        self,
        root: Path,
        *,
        accounts: Mapping[str, str],
        component: str = "call.example.net",
        secret: str = "component secret",
    ) -> None:
        self.root = root
        self.accounts = dict(accounts)
        self.component = component
        self.secret = secret
        self.client_port = free_port()
        self.component_port = free_port()
        self.ca_file: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._assembled = False

    def _assemble(self) -> None:
        program = shutil.which("prosody")
        if program is None:
            raise RuntimeError("the private Prosody needs the Debian package prosody")
        domains = sorted({jid.partition("@")[2] for jid in self.accounts})
        (self.root / "data").mkdir(parents=True, exist_ok=True)
        authority = Authority(self.root)
        self.ca_file = authority.path
        hosts = [_HOST.format(domain=domain, files=authority.issue(domain)) for domain in domains]
        self.config.write_text(
            _CONFIG.format(
                root=self.root,
                as_root="true" if os.geteuid() == 0 else "false",
                client_port=self.client_port,
                component_port=self.component_port,
                hosts="".join(hosts),
                component=self.component,
                secret=self.secret,
            )
        )
        for jid, password in self.accounts.items():
            user, _, domain = jid.partition("@")
            folder = self.root / "data" / _escaped(domain) / "accounts"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{_escaped(user)}.dat").write_text(f'return {{ ["password"] = "{password}"; }};\n')
        self._assembled = True

    @property
    def config(self) -> Path:
        return self.root / "prosody.cfg.lua"

    @property
    def log(self) -> str:
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, within_s: float = 30.0) -> None:
        """Start it and wait until it takes clients and components."""
        if not self._assembled:
            self._assemble()
        with (self.root / "output").open("ab") as output:
            self._process = subprocess.Popen(
                ["prosody", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + within_s
        while not (listens(self.client_port) and listens(self.component_port)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Prosody did not start: {(self.root / 'output').read_text()}{self.log[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """SIGKILL: nobody is told good-bye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _escaped(name: str) -> str:
    """As Prosody names files: what is no letter or digit as %xx."""
    return "".join(c if c.isalnum() and c.isascii() else f"%{ord(c):02x}" for c in name)
