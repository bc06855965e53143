"""Webhooks and their events in the store. Each function takes the rows of a transaction or of a read.

An event is put here in the transaction of the step that it tells of, so that neither is ever there without the other.
URL, secrets and bodies are sealed; a body is blanked once it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailgate.offers import hook
from mailgate.offers.events import Event
from mailgate.offers.fresh import Fresh
from mailgate.offers.offer import Offer
from mailgate.store import offers
from mailgate.store.database import Row, Rows
from mailgate.store.seal import Sealer

KEPT_S = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where an account's events go. `secrets`: each with the time until which it signs, None: for good."""

    url: str = field(repr=False)
    secrets: tuple[tuple[str, float | None], ...] = field(repr=False)
    disabled_at: float | None = None

    def signing(self, now: float) -> tuple[str, ...]:
        return tuple(secret for secret, until in self.secrets if until is None or until > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event to be sent."""

    event_id: str
    account_id: str
    expires_at: float
    tries: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event in a list. `state` is `waiting`, `sent` or `dead`; `told`: what the latest try came to."""

    event_id: str
    type: str
    created_at: float
    due_at: float
    tries: int
    state: str
    told: str


def put(rows: Rows, sealer: Sealer, account_id: str, webhook: Webhook, now: float) -> None:
    """In the place of what there was; one that was disabled is on again."""
    secrets = sealer.seal(json.dumps(webhook.secrets), f"webhook secrets {account_id}")
    url = sealer.seal(webhook.url, f"webhook {account_id}")
    rows.run("put_webhook", account_id=account_id, url=url, secrets=secrets, now=now)


def of(rows: Rows, sealer: Sealer, account_id: str) -> Webhook | None:
    row = rows.one("webhook", account_id=account_id)
    if row is None:
        return None
    secrets = json.loads(sealer.open(row["secrets"], f"webhook secrets {account_id}"))
    return Webhook(
        url=sealer.open(row["url"], f"webhook {account_id}"),
        secrets=tuple((secret, until) for secret, until in secrets),
        disabled_at=row["disabled_at"],
    )


def remove(rows: Rows, account_id: str) -> bool:
    """With all its events; False where there was none."""
    rows.run("delete_events", account_id=account_id)
    return rows.run("delete_webhook", account_id=account_id) == 1


def record(rows: Rows, sealer: Sealer, offer: Offer, event: Event, now: float) -> None:
    """Write down that `event` led to `offer`, where its account wants to hear of that. In the step's transaction."""
    kind, account_id = hook.type_of(event), offer.terms.account_id
    if kind and rows.one("webhook_on", account_id=account_id):
        put_event(rows, sealer, account_id, hook.id_of(offer), kind, hook.body(kind, offer, now, event), now)


def record_made(rows: Rows, sealer: Sealer, made: Iterable[Fresh]) -> None:
    """The same of new offers, which are in the store already."""
    if rows.one("any_webhook") is None:
        return
    for each in made:
        if rows.one("webhook_on", account_id=each.account_id) and (offer := offers.by_id(rows, sealer, each.offer_id)):
            body = hook.body("offer.made", offer, offer.created_at)
            put_event(rows, sealer, each.account_id, hook.id_of(offer), "offer.made", body, offer.created_at)


def withdraw(rows: Rows, sealer: Sealer, offer_id: str, now: float) -> None:
    """Forget an offer that nothing has happened to yet, and tell that; nothing, where its making was not told yet."""
    offer = offers.by_id(rows, sealer, offer_id)
    if offer is None or not offers.withdraw(rows, offer_id):
        return
    account_id = offer.terms.account_id
    if rows.run("forget_event", event_id=hook.id_of(offer)) or not rows.one("webhook_on", account_id=account_id):
        return
    kind = "offer.withdrawn"
    put_event(rows, sealer, account_id, f"{hook.id_of(offer)}_withdrawn", kind, hook.body(kind, offer, now), now)


def put_event(rows: Rows, sealer: Sealer, account_id: str, event_id: str, kind: str, body: bytes, now: float) -> None:
    rows.run(
        "put_event",
        event_id=event_id,
        account_id=account_id,
        type=kind,
        body=sealer.seal(body.decode(), f"webhook event {event_id}"),
        now=now,
        expires_at=now + hook.EXPIRES_S,
    )


def due(rows: Rows, sealer: Sealer, now: float, most: int) -> list[Waiting]:
    """What is to be sent now, the longest due first."""
    return [_waiting(sealer, row) for row in rows.all("events_due", now=now, most=most)]


def entries(rows: Rows, account_id: str, state: str | None, most: int) -> list[Entry]:
    """The newest first."""
    return [Entry(**row) for row in rows.all("events_of", account_id=account_id, state=state, most=most)]


def _waiting(sealer: Sealer, row: Row) -> Waiting:
    return Waiting(
        event_id=row["event_id"],
        account_id=row["account_id"],
        expires_at=row["expires_at"],
        tries=row["tries"],
        body=sealer.open(row["body"], f"webhook event {row['event_id']}").encode(),
    )
