"""`mailgate account webhook`: events of an account's offers, sent to a program elsewhere."""

from __future__ import annotations

import os
import time
import uuid

import click
from rich.table import Table

from mailgate.cli.account import _find
from mailgate.cli.common import console, desk, when
from mailgate.errors import MailgateError
from mailgate.offers import hook
from mailgate.store import webhooks
from mailgate.store.database import Rows
from mailgate.store.webhooks import Webhook

EPILOG = """\b
Examples:
  mailgate account webhook set ada@example.org https://shop.example.org/calls
  mailgate account webhook test ada@example.org
  mailgate account webhook events ada@example.org --state dead
  mailgate account webhook retry ada@example.org
"""
OVERLAP_S = 86400.0
"""How long the earlier secret signs too, after a new one was made."""


class NoWebhook(MailgateError):
    """The account has none."""


@click.group(epilog=EPILOG)
def webhook() -> None:
    """Tell a program elsewhere what becomes of an account's offers.

    Events are POSTed as JSON and signed (Standard Webhooks); docs/api.md names them.
    """


def _fresh() -> str:
    return hook.secret_of(os.urandom(hook.SECRET_OCTETS))


@webhook.command("set")
@click.argument("address")
@click.argument("url")
@click.pass_context
def set_(context: click.Context, address: str, url: str) -> None:
    """Send the events of ADDRESS to URL. The secret that signs them is shown this once.

    \b
    Example:
      mailgate account webhook set ada@example.org https://shop.example.org/calls
    """
    try:
        to = hook.target(url)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    secret = _fresh()
    with desk(context) as d:
        if not to.tls and not d.config.webhooks.inside:
            raise click.BadParameter("http is for networks that [webhooks] inside names; use https")
        owner, now = _find(d, address), time.time()
        made = Webhook(url=url, secrets=((secret, None),))
        d.store.transact_now(lambda rows: webhooks.put(rows, d.sealer, owner.account_id, made, now))
    click.echo(secret)
    click.echo("Keep it: it cannot be shown again, only renewed (`mailgate account webhook rotate`).", err=True)


@webhook.command()
@click.argument("address")
@click.pass_context
def rotate(context: click.Context, address: str) -> None:
    """Make a new secret for the webhook of ADDRESS; for a day the earlier one signs, too.

    \b
    Example:
      mailgate account webhook rotate ada@example.org
    """
    secret, now = _fresh(), time.time()
    with desk(context) as d:
        owner = _find(d, address)

        def work(rows: Rows) -> None:
            seen = webhooks.of(rows, d.sealer, owner.account_id)
            if seen is None:
                raise NoWebhook(f"{address} has no webhook; `mailgate account webhook set` makes one")
            earlier = tuple((each, now + OVERLAP_S) for each, until in seen.secrets if until is None)
            made = Webhook(url=seen.url, secrets=((secret, None), *earlier))
            webhooks.put(rows, d.sealer, owner.account_id, made, now)

        d.store.transact_now(work)
    click.echo(secret)


@webhook.command()
@click.argument("address")
@click.pass_context
def show(context: click.Context, address: str) -> None:
    """Show where the events of ADDRESS go, and whether they do.

    \b
    Example:
      mailgate account webhook show ada@example.org
    """
    with desk(context) as d:
        owner = _find(d, address)
        seen = d.store.read(lambda rows: webhooks.of(rows, d.sealer, owner.account_id))
    if seen is None:
        console.print(f"{address} has no webhook.")
    elif seen.disabled_at is not None:
        since = when(seen.disabled_at)
        console.print(f"{seen.url}: switched off {since}, since its receiver answered 410; set it anew.")
    else:
        console.print(f"{seen.url}: on.")


@webhook.command()
@click.argument("address")
@click.pass_context
def remove(context: click.Context, address: str) -> None:
    """Tell nobody of the offers of ADDRESS any more; what waits is dropped.

    \b
    Example:
      mailgate account webhook remove ada@example.org
    """
    with desk(context) as d:
        owner = _find(d, address)
        if not d.store.transact_now(lambda rows: webhooks.remove(rows, owner.account_id)):
            raise NoWebhook(f"{address} has no webhook")
    console.print("Removed.")


@webhook.command()
@click.argument("address")
@click.pass_context
def test(context: click.Context, address: str) -> None:
    """Have the running gateway send an event of the type webhook.test.

    \b
    Example:
      mailgate account webhook test ada@example.org
    """
    event_id, now = f"evt_test_{uuid.uuid4().hex}", time.time()
    with desk(context) as d:
        owner = _find(d, address)
        if d.store.read(lambda rows: rows.one("webhook_on", account_id=owner.account_id)) is None:
            raise NoWebhook(f"{address} has no webhook that is on")
        body = hook.envelope("webhook.test", {}, now)
        d.store.transact_now(
            lambda rows: webhooks.put_event(rows, d.sealer, owner.account_id, event_id, "webhook.test", body, now)
        )
    console.print(f"{event_id} waits; `mailgate account webhook events {address}` says what became of it.")


@webhook.command()
@click.argument("address")
@click.option("--state", type=click.Choice(["waiting", "sent", "dead"]), help="Only those in this state.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000), help="The newest so many.")
@click.pass_context
def events(context: click.Context, address: str, state: str | None, most: int) -> None:
    """List events of ADDRESS: those that wait, were sent, or are dead after five days of trying.

    \b
    Example:
      mailgate account webhook events ada@example.org --state dead
    """
    with desk(context) as d:
        owner = _find(d, address)
        found = d.store.read(lambda rows: webhooks.entries(rows, owner.account_id, state, most))
    table = Table("Event", "Type", "Made", "State", "Tries", "Next try", "Latest")
    for each in found:
        due = when(each.due_at) if each.state == "waiting" else ""
        row = (each.event_id, each.type, when(each.created_at), each.state, str(each.tries), due, each.told)
        table.add_row(*row)
    console.print(table if found else "There is no such event.")


@webhook.command()
@click.argument("address")
@click.argument("event_id", required=False)
@click.pass_context
def retry(context: click.Context, address: str, event_id: str | None) -> None:
    """Try a dead event of ADDRESS again, or all of them.

    \b
    Example:
      mailgate account webhook retry ada@example.org
    """
    now = time.time()
    with desk(context) as d:
        owner = _find(d, address)
        count = d.store.transact_now(
            lambda rows: rows.run(
                "retry_events",
                account_id=owner.account_id,
                event_id=event_id,
                now=now,
                expires_at=now + hook.EXPIRES_S,
            )
        )
    console.print(f"{count} tried again.")
