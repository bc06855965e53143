"""What several commands need: the configuration, the open store, and numbers shown without being shown."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import phonenumbers
from rich.console import Console

from mailgate import config as configuration
from mailgate.calls.model import Channel, Kind
from mailgate.config import Config
from mailgate.errors import ConfigError
from mailgate.keyfiles import load_ring
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from tokens.keys import KeyRing

BROWSER = "browser"
"""How the account's own page, which rings while it is open, is named on a command line."""
PLACES = (Path("mailgate.toml"), Path("/etc/mailgate/mailgate.toml"))

# Off a terminal nothing is cut to a screen's width: what is piped is read by programs.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)


def find_config(context: click.Context) -> Path:
    """The configuration file that was named, or the first one that is there."""
    named = context.find_root().obj
    if named:
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(
        "no configuration: neither ./mailgate.toml nor /etc/mailgate/mailgate.toml is there. "
        "Name one with --config or MAILGATE_CONFIG, or make one with `mailgate init DIR`"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An administrator's desk: configuration, store and keys."""

    config: Config
    store: Store
    sealer: Sealer
    ring: KeyRing


@contextlib.contextmanager
def desk(context: click.Context) -> Iterator[Desk]:
    """Open everything that a command about accounts or offers needs; raises ConfigError, StoreError."""
    config = configuration.load(find_config(context))
    sealer = Sealer(load_ring(config.keys.number_file))
    ring = load_ring(config.keys.token_file)
    store = Store(config.store.path)
    try:
        yield Desk(config=config, store=store, sealer=sealer, ring=ring)
    finally:
        store.close()


def parse_number(text: str, region: str) -> Channel:
    """A number as an administrator writes it; raises click.BadParameter."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise click.BadParameter(f"{text!r} is not a telephone number ({error})") from error
    if not phonenumbers.is_possible_number(number):
        raise click.BadParameter(f"{text!r} has too few or too many digits for a number of its country")
    return Channel(Kind.TEL, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def masked(channel: Channel) -> str:
    """A channel on a screen: enough to know it by, too little to use it."""
    if channel.kind is Kind.TEL:
        return f"tel:{channel.address[:3]}…{channel.address[-2:]}"
    if channel.kind is Kind.PAGE:
        return BROWSER
    return channel.uri


def when(at: float | None) -> str:
    """A moment in local time, to the second."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
