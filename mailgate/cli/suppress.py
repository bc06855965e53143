"""`mailgate suppress`: people who asked for no more offers, and telephones that are called no more."""

from __future__ import annotations

import time

import click

from mailgate.cli.account import _address
from mailgate.cli.common import console, desk, masked, parse_number
from mailgate.errors import MailgateError
from mailgate.store import offers as rows_of

EPILOG = """\b
Examples:
  mailgate suppress ben@example.net
  mailgate suppress "+33 1 99 00 00 02"
  mailgate suppress ben@example.net --lift
"""


class NotSuppressed(MailgateError):
    """There is nothing to lift."""


@click.command(epilog=EPILOG)
@click.argument("who", metavar="ADDRESS-OR-NUMBER")
@click.option("--lift", is_flag=True, help="Allow it again.")
@click.pass_context
def suppress(context: click.Context, who: str, lift: bool) -> None:
    """Offer no calls to an e-mail address any more, or never call a telephone number.

    The store keeps a keyed digest only, so there is no list of them.
    """
    with desk(context) as d:
        channel = None if "@" in who else parse_number(who, d.config.gateway.region)
        address = "" if channel else _address(who)
        if lift:
            uri = channel.uri if channel else f"mailto:{address}"
            if not d.store.transact_now(lambda rows: rows_of.lift(rows, d.sealer, uri)):
                raise NotSuppressed(f"{who} is not suppressed")
        elif channel:
            leg = channel
            d.store.transact_now(lambda r: rows_of.suppress(r, d.sealer, leg, now=time.time(), reason="by-command"))
        else:
            now = time.time()
            d.store.transact_now(lambda r: rows_of.suppress_address(r, d.sealer, address, now=now, reason="by-command"))
    shown = masked(channel) if channel else address
    console.print(f"{shown}: {'may be offered and called again' if lift else 'no more offers or calls'}.")
