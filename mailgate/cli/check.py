"""`mailgate check`: read the configuration and the keys as `serve` would."""

from __future__ import annotations

import click

from mailgate import chatting, dkim_files, smtp_tls
from mailgate import config as configuration
from mailgate.cli.common import console, desk, find_config
from mailgate.keyfiles import load_push_key, read_secret

EPILOG = """\b
Example:
  mailgate --config /etc/mailgate/mailgate.toml check
"""


@click.command(epilog=EPILOG)
@click.pass_context
def check(context: click.Context) -> None:
    """Say whether the configuration can be used; if not, name file, key and reason."""
    path = find_config(context)
    config = configuration.load(path)
    read_secret(config.asterisk.secret_file)
    for entry in dkim_files.whole(config.dkim, dkim_files.read(config.dkim)):
        dkim_files.load(config.dkim, entry)
    smtp_tls.server(config.smtp.tls)
    smtp_tls.next_hop(config.smtp.next_hop_tls)
    if config.smtp.next_hop_auth.password_file:
        read_secret(config.smtp.next_hop_auth.password_file)
    if config.listening.push and config.listening.push_key_file.exists():  # a missing one is made
        load_push_key(config.listening.push_key_file)
    chatting.check(config)
    with desk(context):
        console.print(f"{path}: good")
