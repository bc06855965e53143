"""`mailgate keys api`: keys by which programs act for an account."""

from __future__ import annotations

import time

import click
from rich.table import Table

from mailgate.cli.account import _find
from mailgate.cli.common import console, desk, when
from mailgate.errors import MailgateError
from mailgate.offers.api_keys import ApiKeys
from mailgate.store import accounts

EPILOG = """\b
Examples:
  mailgate keys api add ada@example.org --label "the shop"
  mailgate keys api list
  mailgate keys api revoke 3f1c0a52
"""


class NoKey(MailgateError):
    """There is no such key."""


@click.group(epilog=EPILOG)
def api() -> None:
    """Hand out, list and revoke keys for the API (/api/v1)."""


@api.command()
@click.argument("account")
@click.option("--label", default="", help="What the key is for, as you will know it in the list.")
@click.pass_context
def add(context: click.Context, account: str, label: str) -> None:
    """Make a key that acts for ACCOUNT. It is shown this once.

    \b
    Example:
      mailgate keys api add ada@example.org --label "the shop"
    """
    with desk(context) as d:
        owner = _find(d, account)
        text = ApiKeys(store=d.store, sealer=d.sealer, now=time.time).add(owner.account_id, label)
    click.echo(text)
    click.echo("Keep it: it cannot be shown again, only revoked.", err=True)


@api.command("list")
@click.argument("account", required=False)
@click.pass_context
def list_(context: click.Context, account: str | None) -> None:
    """List the keys of ACCOUNT, or all; by their prefix, never whole.

    \b
    Example:
      mailgate keys api list ada@example.org
    """
    with desk(context) as d:
        owner = _find(d, account).account_id if account else None
        found = ApiKeys(store=d.store, sealer=d.sealer, now=time.time).list(owner)
        names = {a.account_id: a.addresses[0] for a in d.store.read(lambda r: accounts.everyone(r, d.sealer))}
    table = Table("Key", "Account", "Label", "Made", "Used", "Revoked")
    for key in found:
        shown = (when(key.created_at), when(key.used_at), when(key.revoked_at))
        table.add_row(f"mg_{key.key_id}_…", names.get(key.account_id, ""), key.label, *shown)
    console.print(table if found else "There is no key; `mailgate keys api add ACCOUNT` makes one.")


@api.command()
@click.argument("prefix")
@click.pass_context
def revoke(context: click.Context, prefix: str) -> None:
    """End the key that begins with PREFIX, at once.

    \b
    Example:
      mailgate keys api revoke 3f1c0a52
    """
    key_id = prefix.removeprefix("mg_").partition("_")[0]
    with desk(context) as d:
        if not ApiKeys(store=d.store, sealer=d.sealer, now=time.time).revoke(key_id):
            raise NoKey(f"there is no key {prefix} that is still good; `mailgate keys api list` shows all")
    console.print(f"Revoked mg_{key_id}_….")
