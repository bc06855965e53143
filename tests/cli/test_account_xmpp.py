"""`mailgate account … --xmpp`: where an account is reached by instant messages."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from test_commands import Admin, admin  # noqa: F401

from mailgate.errors import MailgateError
from mailgate.store import chats
from mailgate.store.database import Store

ADD = ("account", "add", "ada@example.org", "--name", "Ada", "--number", "01 99 00 12 34")


def reached(folder: Path) -> str:
    store = Store(folder / "mailgate.db")
    found = store.read(lambda rows: chats.address_of(rows, "ada@example.org"))
    store.close()
    return found


def test_it_is_set_changed_and_taken_away(admin: Admin) -> None:  # noqa: F811
    admin.types(*ADD, "--xmpp", "Ada@Chat.Example.org")
    assert reached(admin.folder) == "xmpp:ada@chat.example.org"
    admin.types("account", "change", "ada@example.org", "--mode", "on-request")
    assert reached(admin.folder) == "xmpp:ada@chat.example.org"
    admin.types("account", "change", "ada@example.org", "--xmpp", "")
    assert reached(admin.folder) == ""
    admin.types("account", "change", "ada@example.org", "--xmpp", "ada@example.org")
    admin.types("account", "remove", "ada@example.org", "--yes")
    assert reached(admin.folder) == ""


@pytest.mark.parametrize("text", ["ada", "ada@example.org/desk", "@example.org", "a b@example.org"])
def test_what_is_no_address_is_refused(admin: Admin, text: str) -> None:  # noqa: F811
    with pytest.raises(click.ClickException, match="not an address of XMPP"):
        admin.types(*ADD, "--xmpp", text)


def test_an_address_belongs_to_one_account(admin: Admin) -> None:  # noqa: F811
    admin.types(*ADD, "--xmpp", "ada@example.org")
    with pytest.raises(MailgateError, match="belongs to another account"):
        admin.types(
            *("account", "add", "eve@example.org", "--name", "Eve", "--number", "01 99 00 12 35"),
            *("--xmpp", "ada@example.org"),
        )
