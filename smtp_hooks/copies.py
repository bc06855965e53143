"""Copies of one message to several recipients: what one reply says of them all, and how a retry is known again.

Replies of the next hop to each recipient's copy in, one verdict out. A client has one reply for all recipients of a
transaction: a transient failure of any makes it try all of them again, so that what was delivered must be remembered
(`RetryKey`); a permanent failure of some is told to the sender by a report of our own.

Standards: RFC 5321 (4.2.5 what a 250 after DATA promises, 4.5.3.2.6 time), RFC 3461 (4.1 NOTIFY). Pure.

Known limits: a message with neither a queue id (XFORWARD IDENT), nor Message-ID, nor Date cannot be told from an
identical one that is sent on purpose; it has no key, and is not split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.header import named

_MAX_HEADER = 262_144  # as in policy: beyond that nothing is looked for
_NAMED = named(b"message-id|date")
_NO_IDENT = ("", "NOQUEUE")  # what Postfix says before there is a queue file


def retry_key(envelope: Envelope, message: bytes) -> bytes:
    """32 octets that are the same when the client tries again, and others for another message; empty where nothing
    tells the two apart. Received fields are left out: a proxy before the queue writes a new one for each attempt."""
    ident = dict(envelope.client.forwarded).get("IDENT", "")
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    header = b"\n" + message[: end + 2 if end >= 0 else _MAX_HEADER]
    told = {match[1].lower(): b" ".join(match[2].split()) for match in _NAMED.finditer(header + b"\n")}
    if ident not in _NO_IDENT:
        parts = [b"ident", ident.encode(), envelope.client.helo.encode(), told.get(b"message-id", b"")]
    elif any(told.values()):
        body = sha256(memoryview(message)[end + 4 :] if end >= 0 else b"").digest()
        parts = [b"message", told.get(b"message-id", b""), told.get(b"date", b""), body]
    else:
        return b""
    parts.append(envelope.reverse_path.encode())
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


@dataclass(frozen=True, slots=True)
class Settled:
    """The client's reply now. `reply` acknowledges every copy, or refuses every one; nothing is left to remember."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Again:
    """Some copies must be tried again: `delivered` are to be remembered, durably, before the client is told so."""

    reply: Reply
    delivered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All others are delivered: these are refused for good, and the sender must be told before the client is told
    250. Where that fails, `delivered` are to be remembered and the client tries again."""

    refused: tuple[tuple[Recipient, Reply], ...]
    delivered: tuple[str, ...]


Summary = Settled | Again | Report

NOT_REPORTED = Reply(code=451, enhanced="4.3.0", text="Some recipients were refused and no report could be sent yet")


def summarize(outcomes: Mapping[Recipient, Reply], earlier: int = 0) -> Summary:
    """What the client is told after DATA. `outcomes`: the next hop's reply to each recipient's copy; `earlier`: how
    many further recipients an attempt before this one has delivered to."""
    delivered = tuple(recipient.address for recipient, reply in outcomes.items() if reply.accepted)
    refused = tuple((recipient, reply) for recipient, reply in outcomes.items() if reply.permanent)
    waiting = [reply for reply in outcomes.values() if not reply.accepted and not reply.permanent]
    total = len(outcomes) + earlier
    if waiting:
        if not delivered and not earlier and len(waiting) == total:
            return Settled(waiting[0])  # the same as without copies: the next hop's word
        text = f"{len(waiting)} of {total} copies could not be handed over yet: {waiting[0]}"
        return Again(Reply(code=451, enhanced="4.3.0", text=_line(text)), delivered)
    if refused and not delivered and not earlier:
        return Settled(refused[0][1])
    if refused:
        return Report(refused, delivered)
    return Settled(Reply(code=250, enhanced="2.0.0", text=f"{total} copies handed over"))


def wants_report(recipient: Recipient) -> bool:
    """Whether the sender asked, or did not ask otherwise, to be told of a failure (RFC 3461, 4.1)."""
    for parameter in recipient.parameters:
        name, _, value = parameter.upper().partition("=")
        if name == "NOTIFY":
            return "FAILURE" in value.split(",")
    return True


def _line(text: str) -> str:
    return " ".join(text.split())[:400]
