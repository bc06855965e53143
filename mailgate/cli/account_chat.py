"""The option of `mailgate account` that says where an account is reached by instant messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mailgate.cli.common import Desk
from mailgate.errors import MailgateError
from mailgate.store import chats

F = TypeVar("F", bound=Callable[..., Any])


def xmpp_option(command: F) -> F:
    """Adds --xmpp."""
    return click.option(
        "--xmpp", callback=_jid, help="Address of XMPP, such as ada@example.org; '' for none. See docs/networks.md."
    )(command)


def _jid(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if not text:
        return text
    from slixmpp.jid import JID, InvalidJID  # other commands need not wait for it

    try:
        jid = JID(text.removeprefix("xmpp:"))
    except InvalidJID:
        jid = JID("")
    if not jid.user or jid.resource:
        raise click.BadParameter(f"{text!r} is not an address of XMPP, such as ada@example.org")
    return f"xmpp:{jid.bare}"


def set_xmpp(d: Desk, account_id: str, xmpp: str | None) -> None:
    """Store what was given; None changes nothing."""
    if xmpp is None:
        return
    try:
        d.store.transact_now(lambda rows: chats.set_address(rows, account_id, xmpp))
    except sqlite3.IntegrityError as error:
        raise MailgateError(f"{xmpp.removeprefix('xmpp:')} belongs to another account") from error
