"""Offers, their attempts and their history in the store. Each function takes the rows of a transaction or of a read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailgate.calls.model import Channel, Outcome
from mailgate.offers.answer import Reason
from mailgate.offers.events import Try
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.fresh import Fresh, uris
from mailgate.offers.offer import Attempt, Offer, Terms
from mailgate.offers.table import State
from mailgate.store import slots
from mailgate.store.database import Row, Rows
from mailgate.store.seal import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """How an offer's token is found again: its fingerprint, and what it can be minted from."""

    fingerprint: bytes
    key_id: str
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an offer's history."""

    at: float
    event: str
    state: str
    attempt_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an offeree said instead of calling. `event` is `declined` or `replied`."""

    at: float
    event: str
    reason: Reason | None
    text: str = field(repr=False)


def insert(rows: Rows, sealer: Sealer, offers: Sequence[Fresh]) -> None:
    """New offers, each with its coupon."""
    rows.run_many("insert_offer", [_columns(sealer, each) for each in offers])


def swap(rows: Rows, sealer: Sealer, seen: Offer, changed: Offer, *, event: str, at: float) -> bool:
    """Write `changed` where the offer still is what was `seen`; False where another step came first."""
    attempt = changed.attempt
    done = rows.run(
        "swap_offer",
        offer_id=seen.offer_id,
        seen_version=seen.version,
        state=changed.state.value,
        version=changed.version,
        closing=changed.closing.value if changed.closing else None,
        uses_left=changed.uses_left,
        attempts_left=changed.attempts_left,
        attempt_id=attempt.attempt_id if attempt else None,
        replies=changed.replies,
        holders=_joined(changed.holders),
        has_slot=int(changed.slot is not None),
    )
    if done != 1:
        return False
    if changed.terms != seen.terms:
        rows.run(
            "redirect_offer",
            offer_id=seen.offer_id,
            destination_name=changed.terms.destination_name,
            destination=_sealed_destination(sealer, changed),
        )
    slots.follow(rows, sealer, seen, changed)
    if changed.fallen is not None:
        _put_attempt(rows, sealer, seen.offer_id, changed.fallen)
    if attempt is not None and attempt != seen.attempt:
        _put_attempt(rows, sealer, seen.offer_id, attempt)
    rows.run(
        "insert_history",
        offer_id=seen.offer_id,
        at=at,
        event=event,
        state=changed.state.value,
        attempt_id=attempt.attempt_id if attempt else None,
    )
    return True


def withdraw(rows: Rows, offer_id: str) -> bool:
    """Delete an offer that nothing has happened to yet; False where there is none such."""
    return rows.run("delete_untouched_offer", offer_id=offer_id) == 1


def by_id(rows: Rows, sealer: Sealer, offer_id: str) -> Offer | None:
    return _maybe(rows, sealer, rows.one("offer_by_id", offer_id=offer_id))


def by_fingerprint(rows: Rows, sealer: Sealer, fingerprint: bytes) -> Offer | None:
    return _maybe(rows, sealer, rows.one("offer_by_fingerprint", fingerprint=fingerprint))


def by_attempt(rows: Rows, sealer: Sealer, attempt_id: str) -> Offer | None:
    return _maybe(rows, sealer, rows.one("offer_by_attempt", attempt_id=attempt_id))


def in_states(rows: Rows, sealer: Sealer, states: Iterable[State]) -> list[Offer]:
    names = json.dumps([state.value for state in states])
    return [_offer(rows, sealer, row) for row in rows.all("offers_in_states", states=names)]


def overdue(rows: Rows, sealer: Sealer, now: float, most: int) -> list[Offer]:
    """Open offers whose time is over, the oldest first."""
    return [_offer(rows, sealer, row) for row in rows.all("offers_overdue", now=now, most=most)]


def recent(
    rows: Rows, sealer: Sealer, *, account_id: str | None = None, state: str | None = None, most: int = 50
) -> list[Offer]:
    """The newest offers first."""
    found = rows.all("recent_offers", account_id=account_id, state=state, most=most)
    return [_offer(rows, sealer, row) for row in found]


def page(
    rows: Rows, sealer: Sealer, *, account_id: str, state: str | None, before: tuple[float, str], most: int
) -> list[Offer]:
    """An account's offers, the newest first, from behind `before` (creation time, id)."""
    found = rows.all(
        "offers_page", account_id=account_id, state=state, before_at=before[0], before_id=before[1], most=most
    )
    return [_offer(rows, sealer, row) for row in found]


def attempts(rows: Rows, sealer: Sealer, offer_id: str) -> list[Attempt]:
    return [_attempt(sealer, row) for row in rows.all("attempts_of", offer_id=offer_id)]


def history(rows: Rows, offer_id: str) -> list[Entry]:
    return [Entry(**row) for row in rows.all("history_of", offer_id=offer_id)]


def coupon_of(rows: Rows, offer_id: str) -> Coupon | None:
    row = rows.one("offer_by_id", offer_id=offer_id)
    if row is None:
        return None
    return Coupon(fingerprint=row["fingerprint"], key_id=row["key_id"], generation=row["generation"])


def suppress(rows: Rows, sealer: Sealer, channel: Channel, *, now: float, reason: str) -> None:
    """Nobody is called on this channel any more."""
    rows.run("put_suppression", digest=sealer.digest(channel.uri), since=now, reason=reason)


def suppressed(rows: Rows, sealer: Sealer, channel: Channel) -> bool:
    return rows.one("suppression", digest=sealer.digest(channel.uri)) is not None


def suppress_address(rows: Rows, sealer: Sealer, address: str, *, now: float, reason: str) -> None:
    """Nobody is sent an offer at this address any more, whichever account writes."""
    rows.run("put_suppression", digest=_address_digest(sealer, address), since=now, reason=reason)


def suppressed_address(rows: Rows, sealer: Sealer, address: str) -> bool:
    """Whether whoever reads that mailbox wants no offers there."""
    return rows.one("suppression", digest=_address_digest(sealer, address)) is not None


def put_answer(
    rows: Rows, sealer: Sealer, offer: Offer, *, event: str, reason: Reason | None, text: str, at: float
) -> None:
    """What the offeree said in the step that led to this version of the offer."""
    rows.run(
        "insert_answer",
        offer_id=offer.offer_id,
        version=offer.version,
        at=at,
        event=event,
        reason=reason.value if reason else None,
        text=sealer.seal(text, f"answers {offer.offer_id} {offer.version}"),
    )


def answers(rows: Rows, sealer: Sealer, offer_id: str) -> list[Answer]:
    """What the offeree said, the earliest first."""
    return [
        Answer(
            at=row["at"],
            event=row["event"],
            reason=Reason(row["reason"]) if row["reason"] else None,
            text=sealer.open(row["text"], f"answers {offer_id} {row['version']}"),
        )
        for row in rows.all("answers_of", offer_id=offer_id)
    ]


def _address_digest(sealer: Sealer, address: str) -> bytes:
    # local parts are told apart by case in theory only (RFC 5321, 2.4); whoever said no means all of them
    return sealer.digest(f"mailto:{address.strip().lower()}")


def _sealed_destination(sealer: Sealer, offer: Offer) -> bytes:
    return sealer.seal(uris(offer.terms.destination), f"offers {offer.offer_id}")


def lift(rows: Rows, sealer: Sealer, uri: str) -> bool:
    """The suppression of `tel:…` or `mailto:…` ends; False where there is none."""
    return rows.run("delete_suppression", digest=sealer.digest(uri)) == 1


def _columns(sealer: Sealer, each: Fresh) -> dict[str, object]:
    columns: dict[str, object] = each._asdict()
    columns["fingerprint"] = bytes.fromhex(each.fingerprint)
    columns["destination"] = sealer.seal(each.destination, f"offers {each.offer_id}")
    if each.offeree is not None:
        columns["offeree"] = sealer.seal(each.offeree, f"offeree {each.offer_id}")
    return columns


def _joined(holders: frozenset[str]) -> str:
    return " ".join(sorted(holders))


def _put_attempt(rows: Rows, sealer: Sealer, offer_id: str, attempt: Attempt) -> None:
    rows.run(
        "put_attempt",
        attempt_id=attempt.attempt_id,
        offer_id=offer_id,
        ordinal=attempt.ordinal,
        leg1=sealer.seal(attempt.leg1.uri, f"attempts {attempt.attempt_id}"),
        held=attempt.held.uri.encode() if attempt.held else None,  # the name of a channel, no number
        started_at=attempt.started_at,
        answered_at=attempt.answered_at,
        bridged_at=attempt.bridged_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome.value if attempt.outcome else None,
        cause=attempt.cause,
        bridged_s=attempt.bridged_s,
        destination_first=int(attempt.destination_first),
        rest=_sealed_rest(sealer, attempt),
        falls=attempt.falls,
        again=attempt.again,
    )


def _sealed_rest(sealer: Sealer, attempt: Attempt) -> bytes | None:
    if not attempt.rest:
        return None
    return sealer.seal(json.dumps([[t.attempt_id, t.leg1.uri] for t in attempt.rest]), f"rest {attempt.attempt_id}")


def _rest(sealer: Sealer, row: Row) -> tuple[Try, ...]:
    if not row["rest"]:
        return ()
    found = json.loads(sealer.open(row["rest"], f"rest {row['attempt_id']}"))
    return tuple(Try(attempt_id=attempt_id, leg1=Channel.parse(uri)) for attempt_id, uri in found)


def _maybe(rows: Rows, sealer: Sealer, row: Row | None) -> Offer | None:
    return None if row is None else _offer(rows, sealer, row)


def _offer(rows: Rows, sealer: Sealer, row: Row) -> Offer:
    attempt_row = rows.one("attempt_by_id", attempt_id=row["attempt_id"]) if row["attempt_id"] else None
    return Offer(
        offer_id=row["offer_id"],
        terms=Terms(
            account_id=row["account_id"],
            offeror_name=row["offeror_name"],
            destination_name=row["destination_name"],
            destination=tuple(
                Channel.parse(uri) for uri in json.loads(sealer.open(row["destination"], f"offers {row['offer_id']}"))
            ),
            offeree_address=row["offeree_address"],
            offeree_name=row["offeree_name"],
            offeree=Channel.parse(sealer.open(row["offeree"], f"offeree {row['offer_id']}"))
            if row["offeree"]
            else None,
            language=row["language"],
            message_id=row["message_id"],
        ),
        state=State(row["state"]),
        version=row["version"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        uses_left=row["uses_left"],
        attempts_left=row["attempts_left"],
        attempt=_attempt(sealer, attempt_row) if attempt_row else None,
        closing=State(row["closing"]) if row["closing"] else None,
        replies=row["replies"],
        forwarding=Forwarding(row["forwarding"]),
        holders=frozenset(row["holders"].split()),
        slot=slots.of(rows, sealer, row["offer_id"]) if row["has_slot"] else None,
    )


def from_row(rows: Rows, sealer: Sealer, row: Row) -> Offer:
    """The offer of a row of the table."""
    return _offer(rows, sealer, row)


def _offeree(sealer: Sealer, row: Row) -> Channel | None:
    sealed = row["offeree"]
    return None if sealed is None else Channel.parse(sealer.open(sealed, f"offeree {row['offer_id']}"))


def _attempt(sealer: Sealer, row: Row) -> Attempt:
    return Attempt(
        attempt_id=row["attempt_id"],
        ordinal=row["ordinal"],
        leg1=Channel.parse(sealer.open(row["leg1"], f"attempts {row['attempt_id']}")),
        held=Channel.parse(row["held"].decode()) if row["held"] else None,
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        bridged_at=row["bridged_at"],
        ended_at=row["ended_at"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        cause=row["cause"] or 0,
        bridged_s=row["bridged_s"] or 0.0,
        destination_first=bool(row["destination_first"]),
        rest=_rest(sealer, row),
        falls=row["falls"],
        again=row["again"],
    )
