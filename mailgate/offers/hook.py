"""Webhooks, as data: which steps of an offer are told, what is told, how it is signed, when it is tried again. Pure.

What is told holds no link, no PIN and no number; who wants these asks the API.

Standard: Standard Webhooks (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and `webhook-signature`,
HMAC-SHA256 over `id.timestamp.body` in base64 behind `v1,`; secrets are `whsec_` with base64 behind it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from mailgate.calls.model import Bridged, Ended
from mailgate.offers.answer import MISSED, Declined, NotMe, Replied
from mailgate.offers.events import Accepted, Event, Expired, Revoked
from mailgate.offers.offer import Attempt, Offer

TYPES = (
    "offer.made",
    "offer.withdrawn",
    "offer.accepted",
    "offer.declined",
    "offer.replied",
    "offer.revoked",
    "offer.expired",
    "offer.suppressed",
    "call.connected",
    "call.ended",
    "call.missed",
    "webhook.test",
)
"""Everything that is told, by name."""

EXPIRES_S = 5 * 86400.0
"""An event that nobody has taken by then is dead."""
DELAYS_S = (5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""What is waited after the first, second … try that failed."""
SECRET_OCTETS = 32
LONGEST_URL = 1000

_TEXT = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a URL leads, in the parts that a request is made of. `path` with its query."""

    tls: bool
    host: str
    port: int
    path: str
    authority: str


def target(url: str) -> Target:
    """The parts of a URL that may be a webhook's; raises ValueError with what is wrong."""
    if len(url) > LONGEST_URL or not _TEXT.match(url) or "\\" in url:
        raise ValueError("not a URL of printable ASCII characters")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("not of the form https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("a webhook's URL has no user and no fragment")
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    if port not in (80, 443) and port < 1024:
        raise ValueError("the port is 443, or 1024 and above")
    query = f"?{parts.query}" if parts.query else ""
    return Target(
        tls=parts.scheme == "https",
        host=parts.hostname,
        port=port,
        path=f"{parts.path or '/'}{query}",
        authority=parts.netloc,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One event on its way."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str = "application/json"


def parcel(url: str, secrets: Sequence[str], event_id: str, body: bytes, now: float) -> Parcel:
    """The event, signed with each secret for this moment."""
    at = str(int(now))
    signatures = " ".join(signature(secret, event_id, at, body) for secret in secrets)
    headers = {"webhook-id": event_id, "webhook-timestamp": at, "webhook-signature": signatures}
    return Parcel(url=url, headers=headers, body=body)


def signature(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    """As in the header; raises ValueError where the secret is not of the form."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def secret_of(octets: bytes) -> str:
    """A secret's text."""
    return "whsec_" + base64.b64encode(octets).decode()


def delay_s(tries: int) -> float:
    """How long to wait after a try that failed, when `tries` had failed before it."""
    return float(DELAYS_S[min(tries, len(DELAYS_S) - 1)])


def type_of(event: Event) -> str:
    """What a step is told as, "" where it is not."""
    match event:
        case Accepted():
            return "offer.accepted"
        case Declined():
            return "offer.declined"
        case Replied():
            return "offer.replied"
        case NotMe():
            return "offer.suppressed"
        case Revoked():
            return "offer.revoked"
        case Expired():
            return "offer.expired"
        case Bridged():
            return "call.connected"
        case Ended(outcome=outcome):
            return "call.missed" if outcome in MISSED else "call.ended"
        case _:
            return ""


def id_of(offer: Offer) -> str:
    """The event's id, the same however often it is sent: of each version of an offer there is one at the most."""
    return f"evt_{offer.offer_id}_{offer.version}"


def body(kind: str, offer: Offer, now: float, event: Event | None = None) -> bytes:
    """What is sent of a step that led to `offer`."""
    data: dict[str, Any] = {"offer": _offer(offer)}
    match event:
        case Declined(reason=reason, text=text):
            data["answer"] = {"reason": reason.value, "text": text}
        case Replied(text=text):
            data["answer"] = {"reason": None, "text": text}
        case Accepted() | Bridged() | Ended() if offer.attempt is not None:
            data["call"] = _call(offer.attempt)
        case _:
            pass
    return envelope(kind, data, now)


def envelope(kind: str, data: Mapping[str, Any], now: float) -> bytes:
    """The event's text."""
    return json.dumps({"type": kind, "timestamp": _moment(now), "data": data}, separators=(",", ":")).encode()


def _offer(offer: Offer) -> dict[str, Any]:
    terms = offer.terms
    return {
        "id": offer.offer_id,
        "state": offer.state.value,
        "offeree": terms.offeree_address or None,
        "destination": terms.destination_name,
        "created_at": _moment(offer.created_at),
        "expires_at": _moment(offer.expires_at),
        "uses_left": offer.uses_left,
        "attempts_left": offer.attempts_left,
    }


def _call(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.attempt_id,
        "ordinal": attempt.ordinal,
        "by": attempt.leg1.kind.value,
        "started_at": _moment(attempt.started_at),
        "ended_at": None if attempt.ended_at is None else _moment(attempt.ended_at),
        "outcome": attempt.outcome.value if attempt.outcome else None,
        "bridged_s": attempt.bridged_s,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
