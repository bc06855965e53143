"""The section about XMPP: as what the gateway is on that network, and whom it reaches there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from mailgate.config.kinds import HostPortOrNone, OptionalPath, Section


def _domain(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", text):
        raise ValueError("not a domain, such as call.example.org")
    return text.lower()


def _jid(text: str) -> str:
    user, _, domain = text.partition("@")
    if text and (not re.fullmatch(r"[^\s@/\"&':<>]{1,256}", user) or not domain or "/" in domain):
        raise ValueError("not an address of XMPP, such as calls@example.org")
    _domain(domain)
    return text.lower()


Domain = Annotated[str, AfterValidator(_domain)]
Jid = Annotated[str, AfterValidator(_jid)]


class Xmpp(Section):
    """Offers and notices as instant messages: by a component or by a client account; with neither there are none."""

    component: Domain = ""
    """The component's domain, as the server's configuration names it …"""
    secret_file: Path = Path("keys/xmpp.secret")
    """… with the secret that both share."""
    name: str = Field(default="calls", pattern=r"^[a-z0-9._-]{1,64}$")
    """What stands before the @ where the component writes from."""
    jid: Jid = ""
    """Instead of a component: a client account …"""
    password_file: Path = Path("keys/xmpp.password")
    """… and its password."""
    server: HostPortOrNone = ""
    """Where the server is; empty: 127.0.0.1:5347 for a component, as DNS says for a client account."""
    ca_file: OptionalPath = None
    """Who vouches for the server's certificate, where the system's authorities do not; for a client account."""
    same_address_domains: tuple[Domain, ...] = ()
    """Domains in which everybody's mail address is their address of XMPP as well."""
    receipt_s: float = Field(default=5.0, ge=1.0, le=30.0)
    """How long a receipt is waited for before another network is taken."""

    @property
    def enabled(self) -> bool:
        return bool(self.component or self.jid)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.component and self.jid:
            raise ValueError("xmpp.component and xmpp.jid are both set: the gateway is one or the other")
        return self
