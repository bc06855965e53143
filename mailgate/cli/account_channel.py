"""`mailgate account channel`: in which order the channels of an account are tried, and when each may ring."""

from __future__ import annotations

from dataclasses import replace

import click
from rich.table import Table

from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import Channel, Kind
from mailgate.cli.account import _find
from mailgate.cli.common import BROWSER, console, desk, masked, parse_number
from mailgate.configured import time_zone
from mailgate.errors import MailgateError
from mailgate.offers import hours as hours_of
from mailgate.store import accounts

EPILOG = """\b
Examples:
  mailgate account channel ada@example.org                                the order, and the hours
  mailgate account channel ada@example.org sip:ada --hours "Mon-Fri 9-18"
  mailgate account channel ada@example.org "01 99 00 12 34" --first       tried before the others
  mailgate account channel ada@example.org sip:ada --hours ""             at any time again
"""


class NoChannel(MailgateError):
    """The account has no such channel; the text says which it has."""


@click.command(epilog=EPILOG)
@click.argument("address")
@click.argument("channel", required=False)
@click.option("--hours", help="When it may ring, such as 'Mon-Fri 9-18; Sat 10-12'; '' for any time.")
@click.option("--first", is_flag=True, help="Try it before the others.")
@click.option("--destination", "name", help="Of this destination; otherwise of the account's own.")
@click.pass_context
def channel(
    context: click.Context, address: str, channel: str | None, hours: str | None, first: bool, name: str | None
) -> None:
    """Show by which channels ADDRESS is called and in which order, or change when CHANNEL may ring.

    A call tries them in this order, as far as each can be reached at that moment: who does not answer on the first one
    is called on the next. Hours are in the account's time zone.
    """
    with desk(context) as d:
        account = _find(d, address)
        zone = account.time_zone or time_zone(d.config)
        seen = account.destination(name)
        if seen is None:
            names = ", ".join(each.name for each in account.destinations)
            raise NoChannel(f"{address} has no destination {name!r}; there is {names}")
        if channel is None and (hours is not None or first):
            raise click.UsageError("which channel? Name it after the address, such as sip:ada, browser or a number")
        if channel is not None:
            wanted = _named(seen, channel, d.config.gateway.region)
            changed = _changed(seen, wanted, hours, zone, first=first)
            seen, account = changed, _with(account, changed)
            d.store.transact_now(lambda rows: accounts.replace(rows, d.sealer, account))
    console.print(_listed(seen, zone))


def _named(destination: Destination, text: str, region: str) -> Channel:
    if text == BROWSER:
        found = [c for c in destination.channels if c.kind is Kind.PAGE]
    elif text.startswith("sip:"):
        found = [c for c in destination.channels if c.uri == text]
    else:
        number = parse_number(text, region)
        found = [c for c in destination.channels if c == number]
    if not found:
        there = ", ".join(masked(c) for c in destination.channels)
        raise NoChannel(f"no channel of this destination is {text!r}; there is {there}")
    return found[0]


def _changed(seen: Destination, wanted: Channel, hours: str | None, zone: str, *, first: bool) -> Destination:
    """Raises click.BadParameter."""
    changed = seen
    if hours is not None:
        written = hours.strip()
        try:
            hours_of.parse(written or "Mon 9-10", zone)
        except hours_of.BadHours as error:
            raise click.BadParameter(str(error), param_hint="--hours") from error
        others = tuple((c, h) for c, h in seen.hours if c != wanted)
        changed = replace(seen, hours=(*others, (wanted, written)) if written else others)
    if first:
        changed = replace(changed, channels=(wanted, *(c for c in seen.channels if c != wanted)))
    return changed


def _with(account: Account, changed: Destination) -> Account:
    return replace(account, destinations=tuple(changed if d.name == changed.name else d for d in account.destinations))


def _listed(destination: Destination, zone: str) -> Table:
    table = Table("", "Channel", "Rings", "Hours")
    for place, each in enumerate(destination.channels, 1):
        hours = destination.hours_of(each)
        rings = "yes" if each in destination.verified else "no: mailgate account verify"
        table.add_row(str(place), masked(each), rings, f"{hours} ({zone})" if hours else "any time")
    return table
