"""mailgate itself, as an administrator runs it: `mailgate init`, accounts, `mailgate serve` as a process of its own.

    gateway = Gateway(folder, ami_port=…, next_hop_port=…); gateway.init(); gateway.account_add(…)
    gateway.start(); …; gateway.stop()

The configuration is what `mailgate init` writes, with single keys set by `configure`. Every listener is on loopback.
Known limits: Linux; ports are guessed free, not reserved.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from lab.ports import free_port

HOST = "127.0.0.1"
GATEWAY_NUMBER = "+33199000000"


class Gateway:
    """Folder, configuration and process of one mailgate."""

    def __init__(self, folder: Path, *, ami_port: int, next_hop_port: int) -> None:
        self.folder = folder
        self.ami_port = ami_port
        self.next_hop_port = next_hop_port
        self.smtp_port = free_port()
        self.web_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def config_path(self) -> Path:
        return self.folder / "mailgate.toml"

    @property
    def config(self) -> dict[str, Any]:
        return tomllib.loads(self.config_path.read_text(encoding="utf-8"))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @property
    def log_path(self) -> Path:
        return self.folder / "log"

    @property
    def log(self) -> str:
        """Everything that the process has written."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    @property
    def ami_secret(self) -> str:
        return (self.folder / "keys" / "ami.secret").read_text().strip()

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One `mailgate` command; raises RuntimeError with its complaint where it fails and `check` is set."""
        done = subprocess.run(
            [sys.executable, "-m", "mailgate", "--config", str(self.config_path), *words],
            capture_output=True,
            text=True,
            timeout=180,  # a busy machine
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"mailgate {words[0]} failed: {done.stderr or done.stdout}")
        return done

    def init(self, domain: str = "example.org") -> str:
        """`mailgate init`; returns what it printed."""
        return self.run(
            *("init", str(self.folder), "--domain", domain, "--number", GATEWAY_NUMBER, "--url", self.url),
            *("--name", "Analytical Engines", "--region", "FR"),
            *("--listen", f"{HOST}:{self.smtp_port}", "--next-hop", f"{HOST}:{self.next_hop_port}"),
            *("--web-listen", f"{HOST}:{self.web_port}", "--ami", f"{HOST}:{self.ami_port}"),
        ).stdout

    def configure(self, section: str, **values: Any) -> None:
        """Set keys of a section, as an editor would: the commented lines stay, the keys come first in it."""
        text = self.config_path.read_text(encoding="utf-8")
        lines = "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
        head = f"[{section}]\n"
        kept = [line for line in text.splitlines(keepends=True) if not _sets(line, values, text, section)]
        self.config_path.write_text("".join(kept).replace(head, head + lines, 1), encoding="utf-8")
        assert {k: self.config[section][k] for k in values}.keys() == values.keys()

    def account_add(self, address: str, name: str, *options: str) -> None:
        self.run("account", "add", address, "--name", name, *options)

    def start(self, within_s: float = 90.0) -> None:
        """`mailgate serve`; returns when mail and pages are served."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mailgate", "--config", str(self.config_path), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + within_s
        while not (listens(self.smtp_port) and listens(self.web_port)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("mailgate did not start: " + self.log[-3000:])
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """The pids of the mail workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"mailgate.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def stop(self, within_s: float = 20.0) -> int:
        """SIGTERM, as systemd would; the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("mailgate did not stop: " + self.log[-3000:]) from None
        finally:
            self.process = None

    def kill(self) -> None:
        """SIGKILL: no chance to say good-bye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return "[" + ", ".join(_toml(each) for each in value) + "]"


def _sets(line: str, values: dict[str, Any], text: str, section: str) -> bool:
    """Whether an uncommented line sets one of the keys in that section."""
    key = line.partition("=")[0].strip()
    if key not in values or line.lstrip().startswith("#"):
        return False
    before = text[: text.index(line)]
    return before.rfind(f"[{section}]\n") > before.rfind("\n[") - 1
