"""`mailgate keys` and `mailgate dkim`: rotate keys, show what the DNS must hold."""

from __future__ import annotations

import time

import click

from mailgate import config as configuration
from mailgate.cli.api_keys import api
from mailgate.cli.common import console, find_config
from mailgate.keyfiles import read_secret, rotate
from smtp_hooks import dkim_keys


@click.group()
def keys() -> None:
    """Rotate the gateway's own keys, hand out those of programs.

    \b
    Example:
      mailgate keys rotate token
    """


@keys.command("rotate")
@click.argument("which", type=click.Choice(["token", "number"]))
@click.pass_context
def rotate_(context: click.Context, which: str) -> None:
    """Add a fresh key to the ring; it is used from the next start on. Earlier keys go on being understood.

    \b
    Example:
      mailgate keys rotate token
    """
    config = configuration.load(find_config(context))
    path = config.keys.token_file if which == "token" else config.keys.number_file
    ring = rotate(path, time.strftime(f"{which[0]}%Y%m%d%H%M%S", time.gmtime()))
    console.print(f"{path}: now {len(ring.keys)} keys, the newest is {ring.newest.key_id}. Restart `mailgate serve`.")


keys.add_command(api)


@click.command()
@click.pass_context
def dkim(context: click.Context) -> None:
    """Print the DNS records of the configured signing keys.

    \b
    Example:
      mailgate dkim
    """
    for key in configuration.load(find_config(context)).dkim.keys:
        click.echo(dkim_keys.zone_line(key.domain, key.selector, read_secret(key.key_file).encode("ascii")))
