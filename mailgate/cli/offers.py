"""`mailgate offers`: what was offered and what came of it."""

from __future__ import annotations

import time

import click
from rich.table import Column, Table

from mailgate.calls.model import Outcome
from mailgate.cli.account import _find
from mailgate.cli.common import console, desk, when
from mailgate.offers.events import Revoked, name_of
from mailgate.offers.offer import step
from mailgate.offers.service import UnknownOffer
from mailgate.offers.table import State
from mailgate.offers.view import view
from mailgate.store import offers as rows_of
from mailgate.store import webhooks
from mailgate.store.database import Rows

EPILOG = """\b
Examples:
  mailgate offers
  mailgate offers --account ada@example.org --state open
  mailgate offers revoke 3f1c…
"""


@click.group(invoke_without_command=True, epilog=EPILOG)
@click.option("--account", "address", help="Only those of the account that writes from this address.")
@click.option("--state", type=click.Choice([s.value for s in State]), help="Only those in this state.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000), help="The newest so many.")
@click.pass_context
def offers(context: click.Context, address: str | None, state: str | None, most: int) -> None:
    """List offers, the newest first, or act on one."""
    if context.invoked_subcommand is not None:
        return
    with desk(context) as d:
        account_id = _find(d, address).account_id if address else None
        found = d.store.read(lambda rows: rows_of.recent(rows, d.sealer, account_id=account_id, state=state, most=most))
    table = Table(Column("Offer", no_wrap=True), "Made", "From", "To", "State", "Attempts", "Last outcome")
    now = time.time()
    for offer in found:
        shown = view(offer, now)
        table.add_row(
            offer.offer_id,
            when(offer.created_at),
            offer.terms.offeror_name,
            offer.terms.offeree_address,
            shown.state.value,
            str(shown.attempts),
            _outcome(shown.outcome, shown.bridged_s),
        )
    console.print(table if found else "There is no such offer.")


@offers.command()
@click.argument("offer_id")
@click.pass_context
def revoke(context: click.Context, offer_id: str) -> None:
    """Take the offer with this id back; a call that is not yet connected is ended.

    \b
    Example:
      mailgate offers revoke 3f1c0a52b1d84a0f9b7a5c2f60d1e7aa
    """
    now = time.time()

    with desk(context) as d:

        def work(rows: Rows) -> State:
            seen = rows_of.by_id(rows, d.sealer, offer_id)
            if seen is None:
                raise UnknownOffer(f"there is no offer {offer_id}; `mailgate offers` lists them")
            changed, _ = step(seen, Revoked(), now)  # a running gateway sees the change and hangs up by itself
            rows_of.swap(rows, d.sealer, seen, changed, event=name_of(Revoked()).value, at=now)
            webhooks.record(rows, d.sealer, changed, Revoked(), now)
            return changed.state

        state = d.store.transact_now(work)
    console.print("Revoked." if state is State.REVOKED else f"Revoked; the call under way ({state.value}) comes first.")


def _outcome(outcome: Outcome | None, bridged_s: float) -> str:
    if outcome is None:
        return ""
    return f"{outcome.value} ({bridged_s:.0f} s)" if outcome is Outcome.COMPLETED else outcome.value
