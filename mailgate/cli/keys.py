"""`mailgate keys`: rotate the keys of tokens and numbers."""

from __future__ import annotations

import time

import click

from mailgate import config as configuration
from mailgate.cli.api_keys import api
from mailgate.cli.common import console, find_config
from mailgate.keyfiles import rotate


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
