"""A private Postfix: its own configuration, queue, ports and log in one folder, mailboxes as Maildir.

Nothing leaves the machine: what is not for one of the mailboxes' domains ends with an error. Needs root (master(8)
changes users) and Debian's postfix package; the system's own Postfix is neither used nor touched.

    postfix = Postfix(Path(tempfile.mkdtemp(dir="/tmp")), mailboxes=["ben@example.net"])
    postfix.assemble()
    postfix.run_script(text)      # what `mailgate deploy postfix` prints
    postfix.start()
    … submit to postfix.port …
    postfix.wait_for_mail("ben@example.net", count=1)
    postfix.stop()

The folder's path must be short: UNIX sockets live in it (108 octets).
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from lab.ports import free_port

_DAEMONS = Path("/usr/lib/postfix/sbin")

_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
daemon_directory = {daemons}
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}
myhostname = {hostname}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
disable_dns_lookups = yes
default_transport = error:5.7.1 no mail leaves the laboratory
relay_transport = error:5.7.1 no mail leaves the laboratory
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = texthash:{root}/conf/mailboxes
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = 104857600
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
biff = no
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One instance in `root`. `port` takes submissions; `mailboxes` are the addresses that exist."""

    def __init__(self, root: Path, *, mailboxes: Iterable[str], hostname: str = "mx.example.net") -> None:
        self.root = root
        self.hostname = hostname
        self.mailboxes = tuple(mailboxes)
        self.port = free_port()
        self.config = root / "conf"

    @property
    def service(self) -> str:
        """The submission service as postconf names it."""
        return f"127.0.0.1:{self.port}/inet"

    def assemble(self, **parameters: str) -> None:
        """Write the configuration; `parameters` go into main.cf as well."""
        if os.geteuid() != 0 or not shutil.which("postfix", path="/usr/sbin"):
            raise RuntimeError("the private Postfix needs root and the Debian package postfix")
        owner = pwd.getpwnam("nobody")
        for name in ("conf", "queue", "data", "log", "mail"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        shutil.chown(self.root / "data", "postfix")
        os.chown(self.root / "mail", owner.pw_uid, owner.pw_gid)
        domains = " ".join(sorted({address.rpartition("@")[2] for address in self.mailboxes}))
        main = _MAIN.format(
            root=self.root,
            daemons=_DAEMONS,
            hostname=self.hostname,
            domains=domains,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
        )
        main += "".join(f"{name} = {value}\n" for name, value in parameters.items())
        (self.config / "main.cf").write_text(main)
        os.utime(self.config / "main.cf", (0, 0))  # Postfix waits two seconds before it reads a new one
        (self.config / "master.cf").write_text(_MASTER.format(port=self.port))
        (self.config / "mailboxes").write_text("".join(f"{address} {address}/\n" for address in self.mailboxes))

    def submit_locally(self, message: bytes, sender: str, *recipients: str) -> None:
        """As a program on this host does it: sendmail(1), not SMTP."""
        text = message.replace(b"\r\n", b"\n")
        self._run("/usr/sbin/sendmail", "-i", "-f", sender, *recipients, given=text.decode())

    def _run(self, *command: str, check: bool = True, given: str | None = None) -> str:
        run = subprocess.run(
            command,
            input=given,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(self.config)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and run.returncode:
            raise RuntimeError(f"{' '.join(command)}: {run.stdout}{run.stderr}{self.log()[-2000:]}")
        return run.stdout + run.stderr

    def run_script(self, text: str) -> str:
        """Run a script of postconf commands on this instance; its output."""
        return self._run("/bin/sh", "-c", text)

    def postconf(self, name: str) -> str:
        """The value of a main.cf parameter."""
        return self._run("/usr/sbin/postconf", "-h", name).strip()

    def start(self) -> None:
        """Start master(8) and wait until it takes connections."""
        self._run("/usr/sbin/postfix", "start")
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Postfix does not listen: {self.log()}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, if it runs."""
        self._run("/usr/sbin/postfix", "stop", check=False)

    def log(self) -> str:
        path = self.root / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def mail(self, address: str) -> list[bytes]:
        """The messages in a mailbox, oldest first, with CRLF line ends again."""
        folder = self.root / "mail" / address / "new"
        paths = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in paths]

    def wait_for_mail(self, address: str, *, count: int, timeout_s: float = 20) -> list[bytes]:
        """The mailbox once it holds that many. Raises TimeoutError with the end of the log."""
        deadline = time.monotonic() + timeout_s
        while len(messages := self.mail(address)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(messages)} of {count} messages for {address}:\n{self.log()[-4000:]}")
            time.sleep(0.05)
        return messages

    def queue(self) -> list[dict[str, object]]:
        """What waits in the queue, as `postqueue -j` tells it."""
        return [json.loads(line) for line in self._run("/usr/sbin/postqueue", "-j").splitlines()]
