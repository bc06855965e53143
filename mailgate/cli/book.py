"""`mailgate account book`: how those whom an account writes to can be called, as far as the offeror knows."""

from __future__ import annotations

import click
from rich.table import Table

from mailgate.cli.account import _address, _find
from mailgate.cli.common import console, desk, masked, parse_number
from mailgate.errors import MailgateError
from mailgate.store import accounts

EPILOG = """\b
Examples:
  mailgate account book put ada@example.org ben@example.net "+33 1 99 00 00 02"
  mailgate account book list ada@example.org
  mailgate account book remove ada@example.org ben@example.net
"""


class NoEntry(MailgateError):
    """The address book has no such entry."""


@click.group(epilog=EPILOG)
def book() -> None:
    """The address book of an account: recipients and their telephone numbers.

    The number goes into each offer to that recipient, sealed; nobody is shown it.
    """


@book.command()
@click.argument("account")
@click.argument("recipient")
@click.argument("number")
@click.pass_context
def put(context: click.Context, account: str, recipient: str, number: str) -> None:
    """Say that RECIPIENT, whom ACCOUNT writes to, can be called on NUMBER.

    \b
    Example:
      mailgate account book put ada@example.org ben@example.net "+33 1 99 00 00 02"
    """
    with desk(context) as d:
        channel, address = parse_number(number, d.config.gateway.region), _address(recipient)
        owner = _find(d, account).account_id
        d.store.transact_now(lambda rows: accounts.put_in_book(rows, d.sealer, owner, address, channel))
    console.print(f"{address} can be called on {masked(channel)}.")


@book.command("list")
@click.argument("account")
@click.pass_context
def list_(context: click.Context, account: str) -> None:
    """List the entries of ACCOUNT, their numbers masked.

    \b
    Example:
      mailgate account book list ada@example.org
    """
    with desk(context) as d:
        owner = _find(d, account).account_id
        found = d.store.read(lambda rows: accounts.book(rows, d.sealer, owner))
    table = Table("Recipient", "Number")
    for address, channel in found.items():
        table.add_row(address, masked(channel))
    console.print(table if found else "The address book is empty.")


@book.command()
@click.argument("account")
@click.argument("recipient")
@click.pass_context
def remove(context: click.Context, account: str, recipient: str) -> None:
    """Take RECIPIENT out of the address book of ACCOUNT; offers made before keep the number.

    \b
    Example:
      mailgate account book remove ada@example.org ben@example.net
    """
    with desk(context) as d:
        owner = _find(d, account).account_id
        if not d.store.transact_now(lambda rows: accounts.strike_from_book(rows, owner, recipient)):
            raise NoEntry(f"the address book of {account} has no entry for {recipient}")
    console.print(f"Removed {recipient}.")
