"""Configuration for the MTA that uses the gateway, as text that works as it is.

Postfix: a shell script of `postconf` commands for each way of attaching it (`Way`), and `senders.sh` (who may use which
sender address), so that they fit any main.cf and master.cf and can be run twice. Needs Postfix 3.0 or newer. Run by
the tests on a real instance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment, PackageLoader, StrictUndefined

_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})\Z")
_SERVICE = re.compile(r"[A-Za-z0-9.:\[\]_-]+/(?:inet|unix|pass)\Z")
_NETWORKS = re.compile(r"[0-9A-Fa-f.:\[\]/]+(?:,[0-9A-Fa-f.:\[\]/]+)*\Z")
_MAP = re.compile(r"[a-z]+:[A-Za-z0-9_./${}-]+\Z")

SUBMISSION_SERVICES = ("submission/inet", "submissions/inet", "smtps/inet", "pickup/unix")
"""Where a Postfix takes mail from its own users; those that its master.cf has are filtered."""


class Way(StrEnum):
    """How mailgate is attached: behind the queue (it splits, keeps and tries again), before it (the sender's program
    hears the reply), or as the way out."""

    AFTER_QUEUE = "after-queue"
    BEFORE_QUEUE = "before-queue"
    SMARTHOST = "smarthost"


_SCRIPTS = {Way.AFTER_QUEUE: "filter.sh", Way.BEFORE_QUEUE: "proxy.sh", Way.SMARTHOST: "smarthost.sh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixSettings:
    """`listen`: where mailgate takes mail, `re_entry`: where it gives it back, both host:port.

    `services` are names of master.cf services as postconf writes them. `networks`: where mailgate connects from.
    Raises ValueError for what would not stay one word in a shell.
    """

    listen: str = "127.0.0.1:10025"
    re_entry: str = "127.0.0.1:10026"
    services: tuple[str, ...] = SUBMISSION_SERVICES
    networks: str = "127.0.0.0/8,[::1]/128"
    processes: int = 20
    sender_logins: str = "hash:/etc/postfix/sender_logins"

    def __post_init__(self) -> None:
        checks = [("listen", _ADDRESS, self.listen), ("re_entry", _ADDRESS, self.re_entry)]
        checks += [("networks", _NETWORKS, self.networks), ("sender_logins", _MAP, self.sender_logins)]
        checks += [("services", _SERVICE, service) for service in self.services]
        for name, pattern, value in checks:
            if not pattern.match(value):
                raise ValueError(f"{name}: {value!r} cannot be written into a Postfix configuration")
        if not self.services:
            raise ValueError("services: at least one")


def render_postfix(settings: PostfixSettings, way: Way = Way.AFTER_QUEUE) -> dict[str, str]:
    """Name → text of each script; the way's own is needed (filter.sh, proxy.sh or smarthost.sh), senders.sh advised."""
    host, _, port = settings.listen.rpartition(":")
    values = {
        "listen": settings.listen,
        "next": f"{host if host.startswith('[') else f'[{host}]'}:{port}",  # in brackets: no MX look-up
        "re_entry": settings.re_entry,
        "services": settings.services,
        "networks": settings.networks,
        "processes": settings.processes,
        "sender_logins": settings.sender_logins,
    }
    # Shell, not HTML: the values were checked above, escaping would only break them.
    environment = Environment(
        loader=PackageLoader("templates", "deploy/postfix"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return {name: environment.get_template(f"{name}.j2").render(values) for name in (_SCRIPTS[way], "senders.sh")}
