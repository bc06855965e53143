"""A message's way through the gateway: decide, locate, open the offer, splice, sign, hand over.

`Gate.judge` says what becomes of a message, for every way in (that by SMTP is `offering`). Policy, surgery and
signature are pure; accounts and offers come in through the `Desk`, which somebody else implements. What happens to each
message has a name, which `Desk.note` is told.

Order, and why: the decision and the place in the message come before the offer, so that no offer is made for a
message that cannot carry it; the offer is durable before the message moves on; where the next hop then refuses the
message, the offer is taken away again. The next hop's reply is the client's.

Doubt means untouched: whatever goes wrong while an offer is being made, the message passes as it came, unless the
account or the configuration wants it kept back (451).

What the sender wrote for the gateway alone (tags, `tags`) and links that were made for others (`quoted`) do not go on,
whether there is an offer or not, as far as the message is ours to change. In shadow mode everything is done but the
last step: nothing is stored, and every message goes on as it came.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from smtp_hooks import languages, picture, quoted, tags
from smtp_hooks.dkim import Unsignable
from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.mime import Addition, Reason, Site, Unsuitable
from smtp_hooks.mime.model import Edit, apply
from smtp_hooks.numbers import Redactor
from smtp_hooks.policy import UNTOUCHABLE, Facts, Hide, Invite, Pass, PassReason, Refuse, Sender, decide, refuse_exposed
from smtp_hooks.policy import Decision as Ruling
from smtp_hooks.quoted import Quoted
from smtp_hooks.surgery import Here, Surgery
from smtp_hooks.tags import Wish

log = logging.getLogger(__name__)

_UNSURE_HEADER = (
    Reason.MALFORMED_HEADER,
    Reason.AMBIGUOUS_HEADER,
    Reason.NO_HEADER_END,
)  # stays as it is, tags and all
THREAD_SHOWS_OFFER = "thread-shows-offer"
TRY_LATER = Reply(code=451, enhanced="4.3.0", text="The call offer cannot be made just now, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """An offer: its id, and the link that goes into the message, with the PIN where that goes there too."""

    offer_id: str
    url: str
    pin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An offer that is being stored. It may be shown to nobody before `durable` was awaited, which raises where it
    could not be stored. It gives the coupon as it was stored, where that is another: its PIN was somebody else's
    already, and the message has to show the new one."""

    coupon: Coupon
    durable: Awaitable[Coupon | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a message. `reason` is a stable name; for `shadow`, what would have been decided."""

    name: Literal["offered", "passed", "refused", "shadow", "fault"]
    reason: str = ""
    offer_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offeror:
    """The account that a message is sent for. `redactor` finds its numbers; None where it has none."""

    account_id: str
    sender: Sender
    redactor: Redactor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offeree:
    """What is known of a recipient. `suppressed`: wants no more offers. `number` in E.164, from the account's address
    book; empty where it is not there."""

    address: str
    suppressed: bool = False
    number: str = field(default="", repr=False)


class Desk(Protocol):
    """What the pipeline needs of those who know accounts, offers and keys."""

    @property
    def facts(self) -> Facts:
        """What the policy knows of this gateway."""

    @property
    def prefix(self) -> str:
        """What stands before the token in a link of ours."""

    async def offeror(self, envelope: Envelope) -> Offeror | None:
        """The account that the message is sent for; None where it is nobody's, or the sender is not believed."""

    async def offeree(self, offeror: Offeror, address: str) -> Offeree:
        """What is known of a recipient of this account's messages."""

    async def quoted(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        """Those of the texts that are tokens of offers we have."""

    def open(self, offeror: Offeror, offeree: Offeree, message_id: str, wish: Wish) -> Opening:
        """A new offer to that recipient; storing it begins at once."""

    async def withdraw(self, coupon: Coupon) -> None:
        """The message did not go out: the offer is to be as if it had never been."""

    def speaking(self, offeror: Offeror, language: str) -> Offeror:
        """The same, whose block and offer are in that language, where it is one that there are words for."""

    def addition(self, offeror: Offeror, coupon: Coupon, *, picture: bool) -> Addition:
        """What goes into the message; without `picture` no icon."""

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
class Changed:
    """The message as it goes on: completed, marked and signed, with the offer, or at least without what shall not go
    on. `coupon`, where there is one, is to be withdrawn if the message does not go out after all."""

    message: bytes
    coupon: Coupon | None = None


Verdict = Untouched | Refused | Changed
_Ruled = tuple[Verdict, Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the policy says of a message, and what it was told: the sender's wish, the edits that take its words out,
    and what is known of the recipients, by address."""

    ruling: Ruling
    wish: Wish
    edits: tuple[Edit, ...]
    known: Mapping[str, Offeree]


@dataclass(frozen=True, slots=True)
class _Hop:
    """What the next hop takes: 8-bit content, and so many octets (0: any number)."""

    eight_bit: bool
    size_limit: int

    def takes(self, changed: bytes, came: bytes) -> bool:
        return not self.size_limit or len(changed) <= self.size_limit or len(came) > self.size_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A message under judgement. `message` is free of what shall not go on, `came` is as it came; `shows_offer`: it
    quotes an open offer of this account to its only recipient."""

    envelope: Envelope
    came: bytes
    message: bytes
    offeror: Offeror
    hop: _Hop
    site: Site | Unsuitable
    shows_offer: bool = False


class Gate:
    """What becomes of a message, whatever way it came in by: SMTP proxy or milter."""

    def __init__(
        self,
        desk: Desk,
        *,
        on_fault: Literal["pass", "tempfail"] = "pass",
        decide: Callable[..., Ruling] = decide,
        surgery: Surgery | None = None,
    ) -> None:
        """`decide` is the policy; another one serves to see what surgery alone would do. `surgery`: where messages
        are looked into and changed; here where none is given."""
        self._desk = desk
        self._surgery = surgery or Here()
        self._decide = decide
        self._on_fault = on_fault

    async def judge(self, envelope: Envelope, message: bytes, *, eight_bit: bool, size_limit: int = 0) -> Verdict:
        """`envelope` with the accepted recipients only. `eight_bit`: the next hop takes 8BITMIME; `size_limit` in
        octets: no more of a message (0: any). Never raises but for cancellation: a fault of our own passes the
        message on or keeps it back, as configured."""
        offeror: Offeror | None = None
        verdict: Verdict = Untouched()
        try:
            offeror = await self._desk.offeror(envelope)
            verdict, decision = await self._judge(envelope, message, offeror, _Hop(eight_bit, size_limit))
        except Exception:
            log.exception("making an offer failed")
            decision = Decision(name="fault")
            if self._on_fault == "tempfail" or (offeror is not None and _must_hide(offeror)):
                verdict = Refused(TRY_LATER)
        if self._desk.facts.shadow:
            verdict, decision = Untouched(), Decision(name="shadow", reason=decision.reason or decision.name)
        self._desk.note(decision)
        return verdict

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
            asked = await self._asked(envelope, message, offeror) if offeror is not None else None
            if (
                asked is None
                or not isinstance(asked.ruling, Invite)
                or isinstance(await self._surgery.locate(message), Unsuitable)
            ):
                return (envelope,)
            offerees = asked.ruling.offerees
        except Exception:
            log.exception("a message cannot be split")  # judge meets the same, and does what is configured
            return (envelope,)
        others = tuple(recipient for recipient in envelope.recipients if recipient not in offerees)
        parts = [(offeree,) for offeree in offerees] + ([others] if others else [])
        return tuple(replace(envelope, recipients=part) for part in parts) if len(parts) <= most else (envelope,)

    async def _asked(self, envelope: Envelope, message: bytes, offeror: Offeror) -> _Asked:
        wish, edits = tags.read(message, offeror.sender.destinations)
        known = {r.address: await self._desk.offeree(offeror, r.address) for r in envelope.recipients}
        suppressed = frozenset(address for address, offeree in known.items() if offeree.suppressed)
        ruling = self._decide(envelope, message, offeror.sender, self._desk.facts, wish, suppressed)
        return _Asked(ruling=ruling, wish=wish, edits=edits, known=known)

    async def _judge(self, envelope: Envelope, message: bytes, offeror: Offeror | None, hop: _Hop) -> _Ruled:
        if offeror is None:
            return Untouched(), _passed(PassReason.NO_ACCOUNT)
        asked = await self._asked(envelope, message, offeror)
        ruling = asked.ruling
        if isinstance(ruling, Refuse):
            return Refused(ruling.reply), Decision(name="refused", reason="policy")
        if isinstance(ruling, Pass) and ruling.reason in UNTOUCHABLE:
            return await self._exposed_or(Untouched(), message, offeror, ruling.reason)
        case = await self._cleaned(envelope, message, asked.edits, offeror, hop)
        if isinstance(ruling, Pass):
            return await self._without_offer(case, ruling.reason)
        if len(envelope.recipients) > 1:  # one body for all of them, and a coupon is for one
            return await self._without_offer(case, "several-recipients")
        if isinstance(case.site, Unsuitable):
            return await self._without_offer(case, case.site.reason)
        if case.shows_offer and self._desk.facts.once_in_thread:
            return await self._without_offer(case, THREAD_SHOWS_OFFER)
        offeree = asked.known[ruling.offerees[0].address]
        number = tags.callee_for(message, asked.wish, offeree.address)
        if number:
            offeree = replace(offeree, number=number)
        return await self._with_offer(case, case.site, offeree, asked.wish)

    async def _cleaned(
        self, envelope: Envelope, came: bytes, edits: Sequence[Edit], offeror: Offeror, hop: _Hop
    ) -> _Case:
        """The case, its edits made, and links that were made for others than its only recipient made worthless."""
        prefix = self._desk.prefix
        message = apply(came, edits) if edits else came
        site = await self._surgery.locate(message)
        case = _Case(envelope=envelope, came=came, message=message, offeror=offeror, hop=hop, site=site)
        if isinstance(site, Unsuitable):
            return replace(case, message=came) if site.reason in _UNSURE_HEADER else case
        tokens = quoted.tokens_in(site, prefix)
        found = await self._desk.quoted(tokens) if tokens else ()
        only = envelope.recipients[0].address.lower() if len(envelope.recipients) == 1 else ""
        own = [q for q in found if q.offeree == only]
        shows_offer = any(q.is_open and q.account_id == offeror.account_id for q in own)
        others = {q.token for q in found} - {q.token for q in own}
        if not others:
            return replace(case, shows_offer=shows_offer) if shows_offer else case
        pins = {q.pin for q in found if q.token in others and q.pin}
        disarmed = quoted.disarm(message, site, prefix, others, pins, eight_bit=hop.eight_bit)
        if isinstance(disarmed, Unsuitable):
            return replace(case, site=disarmed)
        return replace(case, message=disarmed, site=await self._surgery.locate(disarmed), shows_offer=shows_offer)

    async def _with_offer(self, case: _Case, site: Site, offeree: Offeree, wish: Wish) -> _Ruled:
        desk = self._desk
        if case.offeror.sender.finds_language:
            case = replace(case, offeror=desk.speaking(case.offeror, languages.of_site(site)))
        if desk.facts.shadow:
            return await self._spliced(case, site, Coupon(offer_id="0" * 32, url=desk.prefix + "0" * 36))
        opening = desk.open(case.offeror, offeree, message_id(case.message), wish)
        try:  # the message is changed and signed while the offer is being stored
            await asyncio.sleep(0)  # what was said to the store leaves now: neither surgery nor signature waits
            verdict, decision = await self._spliced(case, site, opening.coupon)
            stored = await asyncio.shield(opening.durable)
            if stored is not None and decision.name == "offered":
                verdict, decision = await self._spliced(case, site, stored)
        except BaseException:
            await self._take_back(opening)
            raise
        if decision.name != "offered":
            await self.withdraw(opening.coupon)
        return verdict, decision

    async def _take_back(self, opening: Opening) -> None:
        """Once it is stored, if it is: a withdrawal must not come first."""
        try:
            await opening.durable
        except Exception:
            return  # there is nothing to take back
        await self.withdraw(opening.coupon)

    async def _spliced(self, case: _Case, site: Site, coupon: Coupon) -> _Ruled:
        desk, offeror = self._desk, case.offeror
        addition = desk.addition(offeror, coupon, picture=picture.suits(case.message, site))
        spliced = await self._surgery.splice(case.message, site, addition, offeror.redactor, case.hop.eight_bit)
        if isinstance(spliced, Unsuitable):
            return await self._without_offer(case, spliced.reason)
        if spliced.remaining and _must_hide(offeror):
            return _exposed(spliced.remaining)
        try:
            finished = desk.finish(spliced.pieces, case.envelope.reverse_path)
        except Unsignable as error:
            log.info("message cannot be signed, so it is not changed: %s", error)
            return await self._exposed_or(Untouched(), case.came, offeror, "unsignable")
        if not case.hop.takes(finished, case.came):
            return await self._without_offer(case, "too-large-with-offer")
        return Changed(message=finished, coupon=coupon), Decision(name="offered", offer_id=coupon.offer_id)

    async def _without_offer(self, case: _Case, reason: str) -> _Ruled:
        """The message goes as it came, or cleaned where there was something to clean."""
        verdict: Verdict = Untouched()
        if case.message is not case.came:
            try:
                finished = self._desk.finish([case.message], case.envelope.reverse_path)
                verdict = Changed(message=finished) if case.hop.takes(finished, case.came) else verdict
            except Unsignable as error:
                log.info("message cannot be signed, so it is not changed: %s", error)
        return await self._exposed_or(verdict, case.message, case.offeror, reason)

    async def _exposed_or(self, verdict: Verdict, message: bytes, offeror: Offeror, reason: str) -> _Ruled:
        """`verdict`, unless the message shows a number that must be hidden."""
        if _must_hide(offeror) and offeror.redactor is not None:
            showing = await self._surgery.exposed(message, offeror.redactor)
            if showing:
                return _exposed(showing)
        return verdict, _passed(reason)


def _passed(reason: str) -> Decision:
    return Decision(name="passed", reason=str(reason))


def _exposed(where: tuple[str, ...]) -> _Ruled:
    return Refused(refuse_exposed(where).reply), Decision(name="refused", reason="shows-number")


def _must_hide(offeror: Offeror) -> bool:
    return offeror.sender.hide is Hide.REQUIRED
