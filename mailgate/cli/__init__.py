"""The `mailgate` command. Each command has a file of its own; this one only gathers them."""

from __future__ import annotations

import sys

import click

from mailgate import __version__
from mailgate.cli.account import account
from mailgate.cli.account_channel import channel
from mailgate.cli.book import book
from mailgate.cli.check import check
from mailgate.cli.deploy import deploy
from mailgate.cli.device import device, networks
from mailgate.cli.dkim import dkim
from mailgate.cli.explain import explain
from mailgate.cli.init import init
from mailgate.cli.keys import keys
from mailgate.cli.listen import listen
from mailgate.cli.message import preview
from mailgate.cli.offer import offer
from mailgate.cli.offers import offers
from mailgate.cli.recording import recording
from mailgate.cli.rewrite import rewrite
from mailgate.cli.run import serve
from mailgate.cli.suppress import suppress
from mailgate.cli.verify import verify
from mailgate.cli.webhook import webhook
from mailgate.errors import MailgateError

EPILOG = """\b
Examples:
  mailgate init /etc/mailgate --domain example.org --number +33199000000 --url https://call.example.org
  mailgate account add ada@example.org --name "Ada Lovelace" --number "01 99 00 12 34"
  mailgate deploy postfix
  mailgate serve
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(dir_okay=False),
    envvar="MAILGATE_CONFIG",
    help="The configuration file; otherwise ./mailgate.toml, then /etc/mailgate/mailgate.toml.",
)
@click.version_option(__version__, prog_name="mailgate")
@click.pass_context
def group(context: click.Context, path: str | None) -> None:
    """An e-mail gateway that puts the offer of a telephone call into ordinary outgoing mail."""
    context.obj = path


for command in (
    init,
    check,
    account,
    serve,
    deploy,
    offers,
    explain,
    rewrite,
    preview,
    suppress,
    keys,
    dkim,
    listen,
    offer,
):
    group.add_command(command)
account.add_command(book)
account.add_command(device)
account.add_command(networks)
account.add_command(verify)
account.add_command(channel)
account.add_command(webhook)
account.add_command(recording)


def main() -> None:
    """Run the command line; an error raised on purpose is one line on stderr and exit status 1."""
    try:
        group(prog_name="mailgate")
    except MailgateError as error:
        click.echo(f"mailgate: {error}", err=True)
        sys.exit(1)


__all__ = ["main"]
