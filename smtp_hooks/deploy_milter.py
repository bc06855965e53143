"""Configuration for a Postfix that asks the milter, as text that works as it is.

`milter.sh` is a shell script of `postconf` commands, so that it fits any main.cf and master.cf and can be run twice.
Needs Postfix 3.0 or newer (settings for each milter). Run by the tests on a real instance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from smtp_hooks.deploy import SUBMISSION_SERVICES
from smtp_hooks.endpoint import TcpEndpoint, UnixEndpoint, parse_endpoint

_PATH = re.compile(r"[A-Za-z0-9_./+@-]+\Z")
_SERVICE = re.compile(r"[A-Za-z0-9.:\[\]_-]+/(?:inet|unix|pass)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterDeploySettings:
    """`listen`: the milter's address, `unix:/path` or `host:port`. `services` are names of master.cf services as
    postconf writes them; `pickup/unix` stands for mail submitted on the host itself.

    Raises ValueError for what would not stay one word in a shell.
    """

    listen: str
    services: tuple[str, ...] = SUBMISSION_SERVICES

    def __post_init__(self) -> None:
        if not self.listen:
            raise ValueError("milter.listen: is empty; name the socket that Postfix shall ask")
        match parse_endpoint(self.listen):
            case UnixEndpoint(path=path) if not _PATH.match(path):
                raise ValueError(f"milter.listen: {self.listen!r} cannot be written into a Postfix configuration")
        for service in self.services:
            if not _SERVICE.match(service):
                raise ValueError(f"services: {service!r} cannot be written into a Postfix configuration")
        if not self.services:
            raise ValueError("services: at least one")


def render_milter(settings: MilterDeploySettings) -> dict[str, str]:
    """`milter.sh` and its text."""
    match parse_endpoint(settings.listen):
        case UnixEndpoint(path=path):
            values = {"path": path, "address": ""}
        case TcpEndpoint(host=host, port=port):
            values = {"path": "", "address": f"inet:{f'[{host}]' if ':' in host else host}:{port}"}
    # Shell, not HTML: the values were checked above, escaping would only break them.
    environment = Environment(
        loader=PackageLoader("templates", "deploy/postfix"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return {"milter.sh": environment.get_template("milter.sh.j2").render(**values, services=settings.services)}
