"""`mailgate explain`: everything that is known of one offer, or what would become of a message, and why."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.table import Table

from mailgate.cli.common import Desk, console, desk, masked, when
from mailgate.cli.message import explain_message
from mailgate.offers.offer import Offer
from mailgate.offers.service import UnknownOffer
from mailgate.offers.view import view
from mailgate.store import offers as rows_of
from tokens import coupon
from tokens.coupon import Purpose
from tokens.errors import TokenError

EPILOG = """\b
Examples:
  mailgate explain 3f1c0a52b1d84a0f9b7a5c2f60d1e7aa
  mailgate explain https://call.example.org/a/AXk3…
  mailgate explain letter.eml --recipient ben@example.net
"""


@click.command(epilog=EPILOG)
@click.argument("what", metavar="TOKEN-OR-ID-OR-MESSAGE")
@click.option("--sender", default="", help="Of a message: who sends it; otherwise the address in From.")
@click.option("--recipient", default="", help="Of a message: who gets it; otherwise the first address in To.")
@click.pass_context
def explain(context: click.Context, what: str, sender: str, recipient: str) -> None:
    """Tell the story of an offer, named by its id, its token or its whole link; or, for a file with a message, whether
    it would get an offer, why, and where in it."""
    if Path(what).is_file():
        explain_message(context, Path(what), sender, recipient)
        return
    with desk(context) as d:
        offer = _find(d, what)
        attempts = d.store.read(lambda rows: rows_of.attempts(rows, d.sealer, offer.offer_id))
        history = d.store.read(lambda rows: rows_of.history(rows, offer.offer_id))
    terms = offer.terms
    console.print(f"Offer [bold]{offer.offer_id}[/]: {view(offer, time.time()).state.value}")
    console.print(f"  a call with {terms.destination_name}, offered by {terms.offeror_name} to {terms.offeree_address}")
    if terms.offeree is not None:
        console.print(f"  whose number the offeror has given: {masked(terms.offeree)}")
    console.print(f"  in the message {terms.message_id or '(without Message-ID)'}")
    console.print(f"  made {when(offer.created_at)}, good until {when(offer.expires_at)}")
    console.print(f"  connected calls left: {offer.uses_left}; attempts left: {offer.attempts_left}")
    table = Table("When", "What happened", "Then", "Attempt")
    table.add_row(when(offer.created_at), "made", "open", "")
    for entry in history:
        table.add_row(when(entry.at), entry.event, entry.state, (entry.attempt_id or "")[:8])
    console.print(table)
    for attempt in attempts:
        outcome = attempt.outcome.value if attempt.outcome else "under way"
        console.print(
            f"  attempt {attempt.ordinal} ({attempt.attempt_id[:8]}, to a {attempt.leg1.kind.value} address): {outcome}"
            f", cause {attempt.cause}, connected for {attempt.bridged_s:.1f} s"
        )


def _find(d: Desk, text: str) -> Offer:
    if re.fullmatch(r"[0-9a-f]{32}", text):
        found = d.store.read(lambda rows: rows_of.by_id(rows, d.sealer, text))
        if found is None:
            raise UnknownOffer(f"there is no offer {text}; `mailgate offers` lists them")
        return found
    token = urlsplit(text).path.rstrip("/").rpartition("/")[2] if "/" in text else text
    try:
        mark = coupon.verify(d.ring, token, purpose=Purpose.ACCEPT)
    except TokenError as error:
        raise UnknownOffer(f"neither the id of an offer nor a token of this gateway: {error}") from error
    found = d.store.read(lambda rows: rows_of.by_fingerprint(rows, d.sealer, mark))
    if found is None:
        raise UnknownOffer("the token is ours, but its offer is no longer in the store")
    return found
