"""`mailgate serve`: run the gateway."""

from __future__ import annotations

import click

from mailgate import config as configuration
from mailgate import log
from mailgate.cli.common import find_config

EPILOG = """\b
Example:
  mailgate --config /etc/mailgate/mailgate.toml serve
"""


@click.command(epilog=EPILOG)
@click.pass_context
def serve(context: click.Context) -> None:
    """Take mail, serve the accept pages and drive the calls, in one process.

    SIGTERM and SIGINT end it cleanly: messages in flight finish, calls go on in Asterisk and are picked up again
    at the next start.
    """
    from mailgate import serve as gateway  # every edge comes with it, which --help should not wait for

    path = find_config(context)
    config = configuration.load(path)
    log.set_up(config.log.level, config.log.format)
    gateway.run(config)
