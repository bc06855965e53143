"""`mailgate account device` and `networks`: who listens for an account, and by which networks it is told."""

from __future__ import annotations

import secrets
import time
import uuid
from pathlib import Path

import click
from rich.table import Table

from mailgate.accounts.device import Device
from mailgate.cli.account import _find
from mailgate.cli.common import console, desk, when
from mailgate.errors import MailgateError
from mailgate.offers import ways
from mailgate.store import devices, pushes

EPILOG = """\b
Examples:
  mailgate account device add ben@example.net --name laptop > listen.key
  mailgate account device add ben@example.net --name desk --connect wss://192.0.2.7:7443/ > listen.key
  mailgate account device list ben@example.net
  mailgate account device remove ben@example.net 3f1c0a52
"""


class NoDevice(MailgateError):
    """The account has no such device."""


@click.group(epilog=EPILOG)
def device() -> None:
    """Add, list and remove devices that listen for an account."""


@device.command(epilog=EPILOG)
@click.argument("address")
@click.option("--name", default="device", show_default=True, help="What others see of it.")
@click.option(
    "--connect", "url", default="", help="Its own socket (mailgate listen --serve), such as wss://host:7443/."
)
@click.option(
    "--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A key that it has already."
)
@click.pass_context
def add(context: click.Context, address: str, name: str, url: str, key_file: Path | None) -> None:
    """Let a device listen for ADDRESS; its key is printed, this once."""
    from mailgate.networks.socket import where

    key = key_file.read_text(encoding="utf-8").strip() if key_file else f"mgl-{secrets.token_urlsafe(24)}"
    if len(key) < 24:
        raise click.BadParameter("a key has 24 characters or more", param_hint="--key-file")
    if url:
        where(url)
    with desk(context) as d:
        if url and not d.config.listening.call_out:
            raise MailgateError("listening.call_out is empty: name there the networks that the gateway may connect to")
        made = Device(
            device_id=uuid.uuid4().hex,
            account_id=_find(d, address).account_id,
            name=name[:80],
            created_at=time.time(),
            url=url,
        )
        try:
            d.store.transact_now(lambda rows: devices.insert(rows, d.sealer, made, key))
        except devices.KeyTaken:
            raise MailgateError("another device has that key; each needs its own") from None
        public = d.config.gateway.public_url
    click.echo(f"{name} ({made.device_id[:8]}) may listen for {address}. Its key, which is shown only now:", err=True)
    click.echo(key)
    start = "--serve HOST:PORT" if url else public
    click.echo(f"There: mailgate listen {start} --key-file FILE", err=True)


@device.command("list")
@click.argument("address")
@click.pass_context
def list_(context: click.Context, address: str) -> None:
    """List the devices of ADDRESS.

    \b
    Example:
      mailgate account device list ben@example.net
    """
    with desk(context) as d:
        owner = _find(d, address).account_id
        found = d.store.read(lambda rows: devices.of_account(rows, d.sealer, owner))
        woken = d.store.read(lambda rows: pushes.devices_of(rows, owner))
    table = Table("Device", "Name", "Made", "Last here", "Connects")
    for each in found:
        table.add_row(
            each.device_id[:8],
            each.name,
            when(each.created_at),
            when(each.seen_at),
            _connects(each, each.device_id in woken),
        )
    console.print(table if found else "No device listens; `mailgate account device add` makes one.")


def _connects(listed: Device, woken: bool) -> str:
    return listed.url or ("by itself, woken by push" if woken else "by itself")


@device.command()
@click.argument("address")
@click.argument("device_id")
@click.pass_context
def remove(context: click.Context, address: str, device_id: str) -> None:
    """Take away the right of DEVICE_ID (as `list` shows it) to listen for ADDRESS.

    \b
    Example:
      mailgate account device remove ben@example.net 3f1c0a52
    """
    with desk(context) as d:
        owner = _find(d, address).account_id
        found = d.store.read(lambda rows: devices.of_account(rows, d.sealer, owner))
        meant = [each for each in found if each.device_id.startswith(device_id)]
        if len(meant) != 1 or not device_id:
            raise NoDevice(
                f"{address} has {len(meant) or 'no'} device {device_id}; `mailgate account device list` names them"
            )
        d.store.transact_now(lambda rows: devices.remove(rows, owner, meant[0].device_id))
    console.print(f"Removed {meant[0].name}.")


@click.command()
@click.argument("address")
@click.argument("order", required=False)
@click.pass_context
def networks(context: click.Context, address: str, order: str | None) -> None:
    """Show, or set, by which networks ADDRESS is told of offers and answers; mail is always the last resort.

    \b
    Examples:
      mailgate account networks ben@example.net
      mailgate account networks ben@example.net socket,mail
    """
    with desk(context) as d:
        owner = _find(d, address)
        if order is not None:
            wished = ways.parse(order)
            d.store.transact_now(lambda rows: devices.put_networks(rows, owner.account_id, wished))
        now = d.store.read(lambda rows: devices.networks_of(rows, address))
    console.print(f"{address} is told by {', then '.join(way.value for way in now)}.")
