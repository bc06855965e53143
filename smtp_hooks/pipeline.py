"""A message's way through the gateway: decide, locate, open the offer, splice, sign, hand over.

`Offering` wraps the next hop: to the server it looks like one. Policy, surgery and signature are pure; accounts and
offers come in through the `Desk`, which somebody else implements. What happens to each message has a name, which
`Desk.note` is told.

Order, and why: the decision and the place in the message come before the offer, so that no offer is made for a
message that cannot carry it; the offer is durable before the message moves on; where the next hop then refuses the
message, the offer is taken away again. The next hop's reply is the client's.

Doubt means untouched: whatever goes wrong while an offer is being made, the message passes as it came, unless the
account or the configuration wants it kept back (451).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from smtp_hooks import mime
from smtp_hooks.dkim import Unsignable, complete
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.mime import Addition, Unsuitable
from smtp_hooks.numbers import Redactor
from smtp_hooks.policy import Invite, Pass, Refuse, Sender, decide
from smtp_hooks.protocol import Capabilities
from smtp_hooks.transaction import NextHop, Transaction

log = logging.getLogger(__name__)

TRY_LATER = Reply(code=451, enhanced="4.3.0", text="The call offer cannot be made just now, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A durable offer: its id, and the link that goes into the message."""

    offer_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a message. `name` is `offered`, `passed`, `refused` or `fault`; `reason` a stable name."""

    name: Literal["offered", "passed", "refused", "fault"]
    reason: str = ""
    offer_id: str = ""


class Desk(Protocol):
    """What the pipeline needs of those who know accounts, offers and keys."""

    def sender(self, envelope: Envelope) -> Sender | None:
        """The account that the message is sent for; None where it is nobody's, or the sender is not believed."""

    def redactor(self, sender: Sender) -> Redactor | None:
        """Finds the account's numbers; None where it has none."""

    async def open(self, sender: Sender, invite: Invite, message_id: str) -> Coupon:
        """A new offer, durable when this returns."""

    async def withdraw(self, coupon: Coupon) -> None:
        """The message did not go out: the offer is to be as if it had never been."""

    def addition(self, sender: Sender, coupon: Coupon) -> Addition:
        """What goes into the message."""

    def sign(self, message: bytes, reverse_path: str) -> bytes:
        """The message with its signature before it, or unchanged where there is no key for it. Raises Unsignable."""

    def now(self) -> float:
        """UNIX seconds."""

    def new_message_id(self) -> str:
        """For a message that has none, with brackets."""

    def note(self, decision: Decision) -> None:
        """For log and metrics."""


_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:[ \t]*(?:\r\n[ \t]+)?(<[!-;=?-~]{1,250}>)", re.IGNORECASE | re.MULTILINE)


def message_id(message: bytes) -> str:
    """The Message-ID with its brackets (RFC 5322, 3.6.4); empty where there is none that can be read."""
    end = message.find(b"\r\n\r\n")
    found = _MESSAGE_ID.search(message, 0, end if end >= 0 else len(message))
    return found[1].decode("ascii") if found else ""


class Offering:
    """A next hop that puts an offer into each message that gets one."""

    def __init__(self, next_hop: NextHop, desk: Desk, *, on_fault: Literal["pass", "tempfail"] = "pass") -> None:
        self._next_hop = next_hop
        self._desk = desk
        self._on_fault = on_fault

    async def capabilities(self) -> Capabilities:
        return await self._next_hop.capabilities()

    async def begin(self, envelope: Envelope) -> Transaction:
        return _OfferingTransaction(envelope, await self._next_hop.begin(envelope), self)

    async def hand_over(self, envelope: Envelope, message: bytes, inner: Transaction) -> Reply:
        """Send the message on, with an offer where it gets one; the reply for the client."""
        sender: Sender | None = None
        coupon: Coupon | None = None
        try:
            sender = self._desk.sender(envelope)
            changed = await self._changed(envelope, message, sender)
        except Exception:
            log.exception("making an offer failed")
            self._desk.note(Decision(name="fault"))
            if self._on_fault == "tempfail" or (sender is not None and sender.hide_required):
                await inner.abort()
                return TRY_LATER
            changed = message
        match changed:
            case Reply():
                await inner.abort()
                return changed
            case bytes():
                return await inner.data(changed)
            case (new, coupon):
                reply = await inner.data(new)
                if not reply.accepted:
                    await self._withdraw(coupon)
                return reply

    async def _changed(
        self, envelope: Envelope, message: bytes, sender: Sender | None
    ) -> bytes | Reply | tuple[bytes, Coupon]:
        desk = self._desk
        decision = decide(envelope, message, sender)
        match decision:
            case Refuse(reply=reply, reason=reason):
                desk.note(Decision(name="refused", reason=reason))
                return reply
            case Pass(reason=reason):
                desk.note(Decision(name="passed", reason=reason))
                return message
            case Invite():
                pass
        assert sender is not None
        redactor = desk.redactor(sender)
        site = mime.locate(message)
        if isinstance(site, Unsuitable):
            return self._left_alone(message, sender, redactor, site)
        coupon = await desk.open(sender, decision, message_id(message))
        try:
            spliced = mime.splice(
                message,
                site,
                desk.addition(sender, coupon),
                redactor=redactor,
                eight_bit=(await self._next_hop.capabilities()).eight_bit,
            )
            if isinstance(spliced, Unsuitable):
                await self._withdraw(coupon)
                return self._left_alone(message, sender, redactor, spliced)
            if spliced.remaining and sender.hide_required:
                await self._withdraw(coupon)
                return self._shows(spliced.remaining)
            whole = complete(spliced.message, now=desk.now(), message_id=desk.new_message_id())
            signed = desk.sign(whole, envelope.reverse_path)
        except Unsignable as error:
            await self._withdraw(coupon)
            desk.note(Decision(name="passed", reason="unsignable"))
            log.info("message cannot be signed, so it is not changed: %s", error)
            return message
        except BaseException:
            await self._withdraw(coupon)
            raise
        desk.note(Decision(name="offered", offer_id=coupon.offer_id))
        return signed, coupon

    def _left_alone(self, message: bytes, sender: Sender, redactor: Redactor | None, why: Unsuitable) -> bytes | Reply:
        """A message that cannot be changed safely goes as it is, unless it shows a number that must be hidden."""
        if sender.hide_required and redactor is not None:
            showing = mime.exposed(message, None, redactor)
            if showing:
                return self._shows(showing)
        self._desk.note(Decision(name="passed", reason=why.reason.value))
        return message

    def _shows(self, parts: tuple[str, ...]) -> Reply:
        self._desk.note(Decision(name="refused", reason="shows-number"))
        named = ", ".join(parts[:3])
        return Reply(
            code=550,
            enhanced="5.7.1",
            text=f"Your account hides your telephone number, and this message would show it in: {named}",
        )

    async def _withdraw(self, coupon: Coupon) -> None:
        try:
            await self._desk.withdraw(coupon)
        except Exception:
            log.exception("an offer of a message that did not go out stays", extra={"offer": coupon.offer_id})


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
