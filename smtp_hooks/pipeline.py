"""A message's way through the gateway: decide, locate, open the offer, splice, sign, hand over.

`Gate.judge` says what becomes of a message, for every way in; `Offering` is the way in by SMTP: it wraps the next hop,
and to the server it looks like one. Policy, surgery and signature are pure; accounts and offers come in through the
`Desk`, which somebody else implements. What happens to each message has a name, which `Desk.note` is told.

Order, and why: the decision and the place in the message come before the offer, so that no offer is made for a
message that cannot carry it; the offer is durable before the message moves on; where the next hop then refuses the
message, the offer is taken away again. The next hop's reply is the client's.

Doubt means untouched: whatever goes wrong while an offer is being made, the message passes as it came, unless the
account or the configuration wants it kept back (451).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from smtp_hooks import mime
from smtp_hooks.dkim import Unsignable
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.mime import Addition, Site, Unsuitable
from smtp_hooks.numbers import Redactor
from smtp_hooks.policy import Decision as Ruling
from smtp_hooks.policy import Facts, Hide, Invite, Pass, Refuse, Sender, decide, refuse_exposed
from smtp_hooks.protocol import Capabilities
from smtp_hooks.transaction import NextHop, Transaction

log = logging.getLogger(__name__)

TRY_LATER = Reply(code=451, enhanced="4.3.0", text="The call offer cannot be made just now, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """An offer: its id, and the link that goes into the message."""

    offer_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An offer that is being stored. It may be shown to nobody before `durable` was awaited, which raises where it
    could not be stored."""

    coupon: Coupon
    durable: Awaitable[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a message. `name` is `offered`, `passed`, `refused` or `fault`; `reason` a stable name."""

    name: Literal["offered", "passed", "refused", "fault"]
    reason: str = ""
    offer_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offeror:
    """The account that a message is sent for. `redactor` finds its numbers; None where it has none."""

    account_id: str
    sender: Sender
    redactor: Redactor | None = None


class Desk(Protocol):
    """What the pipeline needs of those who know accounts, offers and keys."""

    @property
    def facts(self) -> Facts:
        """What the policy knows of this gateway."""

    async def offeror(self, envelope: Envelope) -> Offeror | None:
        """The account that the message is sent for; None where it is nobody's, or the sender is not believed."""

    def open(self, offeror: Offeror, offeree: str, message_id: str) -> Opening:
        """A new offer to that address; storing it begins at once."""

    async def withdraw(self, coupon: Coupon) -> None:
        """The message did not go out: the offer is to be as if it had never been."""

    def addition(self, offeror: Offeror, coupon: Coupon) -> Addition:
        """What goes into the message."""

    def finish(self, pieces: Sequence[bytes | memoryview], reverse_path: str) -> bytes:
        """The changed message, in one piece, with Date and Message-ID, our trace and signature. Raises Unsignable."""

    def note(self, decision: Decision) -> None:
        """For log and metrics."""


_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:[ \t]*(?:\r\n[ \t]+)?(<[!-;=?-~]{1,250}>)", re.IGNORECASE | re.MULTILINE)


def message_id(message: bytes) -> str:
    """The Message-ID with its brackets (RFC 5322, 3.6.4); empty where there is none that can be read."""
    end = message.find(b"\r\n\r\n")
    found = _MESSAGE_ID.search(message, 0, end if end >= 0 else len(message))
    return found[1].decode("ascii") if found else ""


@dataclass(frozen=True, slots=True)
class Untouched:
    """The message goes on as it came."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The client is told so; the message goes nowhere."""

    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The message as it goes on: with the offer, completed, marked and signed. `coupon` is to be withdrawn where it
    does not go out after all."""

    message: bytes
    coupon: Coupon


Verdict = Untouched | Refused | Offered


class Gate:
    """What becomes of a message, whatever way it came in by: SMTP proxy or milter."""

    def __init__(
        self, desk: Desk, *, on_fault: Literal["pass", "tempfail"] = "pass", decide: Callable[..., Ruling] = decide
    ) -> None:
        """`decide` is the policy; another one serves to see what surgery alone would do."""
        self._desk = desk
        self._decide = decide
        self._on_fault = on_fault

    async def judge(self, envelope: Envelope, message: bytes, *, eight_bit: bool, size_limit: int = 0) -> Verdict:
        """`envelope` with the accepted recipients only. `eight_bit`: the next hop takes 8BITMIME; `size_limit` in
        octets: no more of a message (0: any). Never raises but for cancellation: a fault of our own passes the
        message on or keeps it back, as configured."""
        offeror: Offeror | None = None
        try:
            offeror = await self._desk.offeror(envelope)
            return await self._judge(envelope, message, offeror, eight_bit, size_limit)
        except Exception:
            log.exception("making an offer failed")
            self._desk.note(Decision(name="fault"))
            if self._on_fault == "tempfail" or (offeror is not None and _must_hide(offeror)):
                return Refused(TRY_LATER)
            return Untouched()

    async def withdraw(self, coupon: Coupon) -> None:
        """The message did not go out. Never raises."""
        try:
            await self._desk.withdraw(coupon)
        except Exception:
            log.exception("an offer of a message that did not go out stays", extra={"offer": coupon.offer_id})

    async def copies(self, envelope: Envelope, message: bytes, most: int) -> tuple[Envelope, ...]:
        """The envelopes of the copies that must differ: one for each who is offered a call, one for all others. A
        single one where the message goes to all as it is, and where there would be more than `most`. Never raises."""
        try:
            offeror = await self._desk.offeror(envelope)
            decision = self._decide(envelope, message, offeror.sender if offeror else None, self._desk.facts)
            if not isinstance(decision, Invite) or isinstance(mime.locate(message), Unsuitable):
                return (envelope,)
            offerees = decision.offerees
        except Exception:
            log.exception("a message cannot be split")  # judge meets the same, and does what is configured
            return (envelope,)
        others = tuple(recipient for recipient in envelope.recipients if recipient not in offerees)
        parts = [(offeree,) for offeree in offerees] + ([others] if others else [])
        return tuple(replace(envelope, recipients=part) for part in parts) if len(parts) <= most else (envelope,)

    async def _judge(
        self, envelope: Envelope, message: bytes, offeror: Offeror | None, eight_bit: bool, size_limit: int
    ) -> Verdict:
        desk = self._desk
        ruling = self._decide(envelope, message, offeror.sender if offeror else None, desk.facts)
        match ruling:
            case Refuse(reply=reply):
                desk.note(Decision(name="refused", reason="policy"))
                return Refused(reply)
            case Pass(reason=reason):
                return self._untouched(message, offeror, reason.value)
            case Invite(offerees=offerees):
                pass
        assert offeror is not None  # nobody's message passes
        if len(envelope.recipients) > 1:  # one body for all of them, and a coupon is for one
            return self._untouched(message, offeror, "several-recipients")
        site = mime.locate(message)
        if isinstance(site, Unsuitable):
            return self._untouched(message, offeror, site.reason.value)
        opening = desk.open(offeror, offerees[0].address, message_id(message))
        try:  # the message is changed and signed while the offer is being stored
            verdict = self._spliced(envelope, message, offeror, site, opening.coupon, eight_bit, size_limit)
            await asyncio.shield(opening.durable)
        except BaseException:
            await self._take_back(opening)
            raise
        if isinstance(verdict, Offered):
            desk.note(Decision(name="offered", offer_id=opening.coupon.offer_id))
        else:
            await self.withdraw(opening.coupon)
        return verdict

    async def _take_back(self, opening: Opening) -> None:
        """Once it is stored, if it is: a withdrawal must not come first."""
        try:
            await opening.durable
        except Exception:
            return  # there is nothing to take back
        await self.withdraw(opening.coupon)

    def _spliced(
        self,
        envelope: Envelope,
        message: bytes,
        offeror: Offeror,
        site: Site,
        coupon: Coupon,
        eight_bit: bool,
        size_limit: int,
    ) -> Verdict:
        desk = self._desk
        addition = desk.addition(offeror, coupon)
        spliced = mime.splice(message, site, addition, redactor=offeror.redactor, eight_bit=eight_bit)
        if isinstance(spliced, Unsuitable):
            return self._untouched(message, offeror, spliced.reason.value)
        if spliced.remaining and _must_hide(offeror):
            return self._exposed(spliced.remaining)
        try:
            finished = desk.finish(spliced.pieces, envelope.reverse_path)
        except Unsignable as error:
            log.info("message cannot be signed, so it is not changed: %s", error)
            return self._untouched(message, offeror, "unsignable")
        if size_limit and len(finished) > size_limit >= len(message):
            return self._untouched(message, offeror, "too-large-with-offer")
        return Offered(message=finished, coupon=coupon)

    def _untouched(self, message: bytes, offeror: Offeror | None, reason: str) -> Verdict:
        """A message that is not changed goes as it came, unless it shows a number that must be hidden."""
        if offeror is not None and _must_hide(offeror) and offeror.redactor is not None:
            showing = mime.exposed(message, offeror.redactor)
            if showing:
                return self._exposed(showing)
        self._desk.note(Decision(name="passed", reason=reason))
        return Untouched()

    def _exposed(self, where: tuple[str, ...]) -> Verdict:
        self._desk.note(Decision(name="refused", reason="shows-number"))
        return Refused(refuse_exposed(where).reply)


def _must_hide(offeror: Offeror) -> bool:
    return offeror.sender.hide is Hide.REQUIRED


class Offering:
    """A next hop that puts an offer into each message that gets one; to the server it looks like any other."""

    def __init__(self, next_hop: NextHop, gate: Gate) -> None:
        self._next_hop = next_hop
        self._gate = gate

    async def capabilities(self) -> Capabilities:
        return await self._next_hop.capabilities()

    async def begin(self, envelope: Envelope) -> Transaction:
        return _OfferingTransaction(envelope, await self._next_hop.begin(envelope), self)

    async def hand_over(self, envelope: Envelope, message: bytes, inner: Transaction) -> Reply:
        """Send the message on as the gate says; the reply for the client."""
        hop = await self._next_hop.capabilities()
        match await self._gate.judge(envelope, message, eight_bit=hop.eight_bit, size_limit=hop.size or 0):
            case Untouched():
                return await inner.data(message)
            case Refused(reply=reply):
                await inner.abort()
                return reply
            case Offered(message=changed, coupon=coupon):
                reply = await inner.data(changed)
                if not reply.accepted:
                    await self._gate.withdraw(coupon)
                return reply


class _OfferingTransaction:
    """Mirrors the client's transaction, and remembers which recipients the next hop has accepted."""

    def __init__(self, envelope: Envelope, inner: Transaction, offering: Offering) -> None:
        self._envelope = envelope
        self._inner = inner
        self._offering = offering
        self._accepted: list[Recipient] = []

    async def rcpt(self, recipient: Recipient) -> Reply:
        reply = await self._inner.rcpt(recipient)
        if reply.accepted:
            self._accepted.append(recipient)
        return reply

    async def data(self, message: bytes) -> Reply:
        envelope = replace(self._envelope, recipients=tuple(self._accepted))
        return await self._offering.hand_over(envelope, message, self._inner)

    async def abort(self) -> None:
        await self._inner.abort()
