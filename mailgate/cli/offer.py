"""`mailgate offer ADDRESS`: an offeror offers a call from the command line."""

from __future__ import annotations

import time

import click

from mailgate import gate
from mailgate.accounts.model import Account
from mailgate.cli.account import _find
from mailgate.cli.common import Desk, console, desk
from mailgate.errors import MailgateError
from mailgate.offers.making import Making
from mailgate.offers.table import ENDED, IN_CALL, State
from mailgate.store import accounts, devices
from mailgate.store import offers as rows_of

EPILOG = """\b
Examples:
  mailgate offer ben@example.net --from ada@example.org
  mailgate offer ben@example.net --from ada@example.org --destination support --wait 600
"""

_WAYS = {
    "socket": "It is on the screen of a device of theirs.",
    "im": "It went by instant message.",
    "mail": "It went by mail.",
}


@click.command(epilog=EPILOG)
@click.argument("address")
@click.option("--from", "sender", help="The account that offers, by its address; needed where there are several.")
@click.option("--destination", default="", help="Which of the account's destinations the call leads to.")
@click.option(
    "--wait", "wait_s", default=20.0, show_default=True, type=click.FloatRange(0, 86400), help="Seconds to watch."
)
@click.pass_context
def offer(context: click.Context, address: str, sender: str | None, destination: str, wait_s: float) -> None:
    """Offer a call to ADDRESS, by the best network that reaches them, and tell what becomes of it.

    The running gateway delivers it; where none runs it is delivered once one does. Ending this command ends nothing.
    """
    with desk(context) as d:
        account = _find(d, sender) if sender else _only(d)
        making = Making(
            store=d.store,
            sealer=d.sealer,
            ring=d.ring,
            rules=gate.offer_rules(d.config),
            now=time.time,
            new_id=gate.new_id,
        )
        made = d.store.transact_now(lambda rows: making.put(rows, account, address, destination))
        console.print(f"Offered: {d.config.gateway.public_url}/a/{made.token}", soft_wrap=True)
        _watch(d, made.offer_id, made.notice_id, time.monotonic() + wait_s)


def _only(d: Desk) -> Account:
    found = d.store.read(lambda rows: accounts.everyone(rows, d.sealer))
    if len(found) != 1:
        raise MailgateError("who offers the call? Name an account with --from ADDRESS")
    return found[0]


def _watch(d: Desk, offer_id: str, notice_id: str, until: float) -> None:
    """Print what happens, until the offer has ended or the time is over."""
    told, state, said = False, State.OPEN, 0
    while True:
        became, way = d.store.read(lambda rows: devices.became_of(rows, notice_id))
        if not told and became in ("sent", "failed"):
            told = True
            console.print(_WAYS.get(way, "It was delivered.") if became == "sent" else "Nobody took it: see the log.")
        seen = d.store.read(lambda rows: rows_of.by_id(rows, d.sealer, offer_id))
        if seen is None:
            return
        answers = d.store.read(lambda rows: rows_of.answers(rows, d.sealer, offer_id))
        for answer in answers[said:]:
            reason = f" ({answer.reason.value})" if answer.reason else ""
            console.print(f"{answer.event.capitalize()}{reason}: {answer.text}", markup=False)
        said = len(answers)
        if seen.state is not state:
            state = seen.state
            outcome = seen.attempt.outcome if seen.attempt and state not in IN_CALL else None
            console.print(f"Now: {state.value}" + (f" ({outcome.value})" if outcome else ""))
        if state in ENDED or time.monotonic() >= until:
            break
        time.sleep(0.2)
    if not told:
        console.print("It waits to be delivered: is the gateway running (`mailgate serve`)?")
