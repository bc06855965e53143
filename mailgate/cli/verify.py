"""`mailgate account verify`: let the telephones and addresses of an account ring."""

from __future__ import annotations

import time

import click
from rich.table import Table

from mailgate.accounts.model import Account
from mailgate.calls.model import Channel
from mailgate.cli.account import _find
from mailgate.cli.common import Desk, console, desk, masked, parse_number
from mailgate.errors import MailgateError
from mailgate.offers.codes import Codes, new_code
from mailgate.offers.verifying import Verifying

EPILOG = """\b
Examples:
  mailgate account verify ada@example.org                       which channels ring, and which do not
  mailgate account verify ada@example.org --send                call (or mail) the one that does not, with a code
  mailgate account verify ada@example.org --code 123456         what was heard there
  mailgate account verify ada@example.org --channel "01 99 00 12 34" --vouch
"""


class NotVerified(MailgateError):
    """The channel rings no more than before; the text says why."""


@click.command(epilog=EPILOG)
@click.argument("address")
@click.option("--channel", "wanted", help="A number or sip:address of the account; needed where several do not ring.")
@click.option("--send", is_flag=True, help="Have the running gateway call it, or mail it, and tell a code.")
@click.option("--code", help="The code that was told there.")
@click.option("--vouch", is_flag=True, help="Let it ring without a code: you know whose it is.")
@click.pass_context
def verify(context: click.Context, address: str, wanted: str | None, send: bool, code: str | None, vouch: bool) -> None:
    """Show which channels of ADDRESS may ring, or verify one.

    A destination rings only where whoever answers there has given a code back, or an administrator vouches for it.
    """
    if sum((send, code is not None, vouch)) > 1:
        raise click.UsageError("one of --send, --code and --vouch at a time")
    with desk(context) as d:
        account = _find(d, address)
        codes = Codes(sealer=d.sealer, now=time.time, new_code=new_code)
        verifying = Verifying(store=d.store, sealer=d.sealer, codes=codes, now=time.time)
        if not (send or vouch or code is not None):
            console.print(_listed(account))
            return
        channel = _channel(d, account, wanted)
        mark = verifying.mark(account, channel)
        if send and not verifying.ask_now(account, mark):
            raise NotVerified("no code was sent: the last one is less than a minute old, or there were too many today")
        if vouch:
            verifying.vouch_now(account, mark)
        if code is not None and not verifying.confirm_now(account, mark, code):
            raise NotVerified("that is not the code, or it is too old; `--send` asks for a new one")
    if send:
        console.print(f"{masked(channel)} gets a code from `mailgate serve`; type it with --code within half an hour.")
    else:
        console.print(f"{masked(channel)} may ring from now on.")


def _listed(account: Account) -> Table:
    table = Table("Destination", "Channel", "Rings")
    for destination in account.destinations:
        for channel in destination.channels:
            table.add_row(destination.name, masked(channel), "yes" if channel in destination.verified else "no")
    return table


def _channel(d: Desk, account: Account, wanted: str | None) -> Channel:
    """The channel that was named, or the only one that does not ring. Raises NotVerified."""
    every = list(dict.fromkeys(c for destination in account.destinations for c in destination.channels))
    if wanted:
        if wanted.startswith("sip:"):
            named = next((c for c in every if c.uri == wanted), None)
        else:
            number = parse_number(wanted, d.config.gateway.region)
            named = next((c for c in every if c == number), None)
        if named is None:
            raise NotVerified("no destination of the account leads there; without options all are listed")
        return named
    silent = [c for c in every if any(c in t.channels and c not in t.verified for t in account.destinations)]
    if len(silent) != 1:
        raise NotVerified("every channel rings already" if not silent else "several do not ring: name one by --channel")
    return silent[0]
