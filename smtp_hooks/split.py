"""Several recipients in one transaction, each of whom gets a copy of its own: for clients that do not split.

To the server this is a next hop like any other, around the one that makes offers (`smtp_hooks.pipeline`). RCPT is
answered by the next hop. At the end of DATA the message is either handed over as one, or, where the copies must
differ, that transaction is given up and each copy goes in one of its own: some at a time, no new ones after
`within_s`, so that the client hears in time. What the client is told then says `smtp_hooks.copies`.

Nothing is lost and nothing doubled when a client tries again: what was delivered is noted, durably, before a 451 that
stands for a partial failure; the retry delivers what is missing and takes the note away. A client that goes while
copies are under way is such a failure too: those under way are finished, and noted.

Standards: RFC 5321, RFC 3461. Known limits: killed between the first copy and the reply, the copies delivered by then
come twice (the client never had an acknowledgement).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from smtp_hooks.copies import NOT_REPORTED, Again, Report, Settled, retry_key, summarize, wants_report
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.errors import Refused
from smtp_hooks.protocol import Capabilities
from smtp_hooks.transaction import NextHop, Recorded, Transaction

log = logging.getLogger(__name__)

NOT_TRIED = Reply(code=451, enhanced="4.4.7", text="Not tried yet, there was no time left")
FAULT = Reply(code=451, enhanced="4.3.0", text="Internal error, try again later")


class Notes(Protocol):
    """Durable memory of what was delivered where a client was told to try again."""

    @property
    def any(self) -> bool:
        """Whether there may be any note at all; cheap."""

    async def claim(self, key: bytes, recipients: Sequence[str]) -> Mapping[str, int]:
        """Those of the recipients that were delivered to, each with the id of its note. A note is held for the
        caller until `keep` or `done`, so that two retries at once do not both rely on it."""

    async def keep(self, key: bytes, claim: Mapping[str, int], delivered: Sequence[str]) -> None:
        """The claimed notes stay and further ones are made; durable when this returns."""

    async def done(self, claim: Mapping[str, int]) -> None:
        """The retry is complete: the claimed notes go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """`copies`: with more than that a message goes to all as it is; `at_once`: connections that one message takes;
    `within_s`: no copy is begun later, well below the 10 minutes that a client waits (RFC 5321, 4.5.3.2.6)."""

    copies: int = 100
    at_once: int = 5
    within_s: float = 240


Copies = Callable[[Envelope, bytes, int], Awaitable[tuple[Envelope, ...]]]
"""The envelopes of the copies that must differ, at most so many; a single one where one message does for all."""

ReportOf = Callable[[Envelope, Sequence[tuple[Recipient, Reply]], bytes], bytes]
"""The message that tells the sender of these refusals (`smtp_hooks.dsn.failure_report`)."""


class Splitting:
    """`next_hop` makes the offers, `relay` takes reports as they are."""

    def __init__(
        self,
        next_hop: NextHop,
        relay: NextHop,
        *,
        copies: Copies,
        report: ReportOf,
        notes: Notes,
        settings: SplitSettings | None = None,
    ) -> None:
        self.next_hop = next_hop
        self._relay = relay
        self.copies = copies
        self._report = report
        self.notes = notes
        self._settings = settings or SplitSettings()
        self._under_way: set[asyncio.Task[Reply]] = set()  # the loop itself keeps only weak references

    async def capabilities(self) -> Capabilities:
        return await self.next_hop.capabilities()

    async def begin(self, envelope: Envelope) -> Transaction:
        return Recorded(envelope, await self.next_hop.begin(envelope), self.hand_over)

    async def close(self) -> None:
        """Wait for copies whose client is gone."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def hand_over(self, envelope: Envelope, message: bytes, inner: Transaction) -> Reply:
        """`envelope` with the accepted recipients only, as `inner` has them."""
        alone = len(envelope.recipients) == 1
        if alone and not self.notes.any:
            return await inner.data(message)
        key = retry_key(envelope, message)
        claim: Mapping[str, int] = {}
        if key and self.notes.any:
            claim = await self.notes.claim(key, [recipient.address for recipient in envelope.recipients])
        missing = _once(recipient for recipient in envelope.recipients if recipient.address not in claim)
        envelopes: tuple[Envelope, ...] = ()
        if missing and key:
            envelopes = await self.copies(replace(envelope, recipients=missing), message, self._settings.copies)
        if not claim and len(envelopes) < 2:
            return await inner.data(message)
        await inner.abort()
        run = _Run(self, self._settings, key, claim, message)
        task = asyncio.create_task(run.deliver(envelope, envelopes))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            run.client_gone = True
            raise

    async def tell(self, envelope: Envelope, refused: Sequence[tuple[Recipient, Reply]], message: bytes) -> bool:
        """Hand the report of these refusals over; whether that is done, or nobody wants one."""
        wanted = [(recipient, reply) for recipient, reply in refused if wants_report(recipient)]
        if not wanted or not envelope.reverse_path:  # a report never causes a report (RFC 3461, 6.1)
            return True
        ascii_only = envelope.reverse_path.isascii()
        parameters = () if ascii_only else ("SMTPUTF8", "BODY=8BITMIME")
        offers = await self._relay.capabilities()
        to = Recipient(address=envelope.reverse_path, parameters=("NOTIFY=NEVER",) if offers.dsn else ())
        transaction = await self._relay.begin(Envelope(reverse_path="", recipients=(), parameters=parameters))
        try:
            if not (await transaction.rcpt(to)).accepted:
                return False
            return (await transaction.data(self._report(envelope, wanted, message))).accepted
        finally:
            await transaction.abort()


class _Run:
    """The delivery of one message's copies. `client_gone`: no further copy is begun, and nobody hears the reply."""

    def __init__(
        self, splitting: Splitting, settings: SplitSettings, key: bytes, claim: Mapping[str, int], message: bytes
    ) -> None:
        self._splitting = splitting
        self._key = key
        self._claim = claim
        self._message = message
        self._places = asyncio.Semaphore(settings.at_once)
        self._latest = asyncio.get_running_loop().time() + settings.within_s
        self.client_gone = False

    async def deliver(self, whole: Envelope, envelopes: Sequence[Envelope]) -> Reply:
        """Send each copy; the reply for the client, after what must be remembered is durable."""
        results = await asyncio.gather(*(self._copy(envelope) for envelope in envelopes))
        outcomes = {recipient: reply for result in results for recipient, reply in result.items()}
        summary = summarize(outcomes, len(self._claim))
        if isinstance(summary, Report) and not self.client_gone:
            if await self._tell(whole, summary.refused):
                summary = Settled(
                    Reply(code=250, enhanced="2.0.0", text=f"{len(summary.delivered)} copies handed over")
                )
            else:
                summary = Again(NOT_REPORTED, summary.delivered)
        notes = self._splitting.notes
        if self.client_gone:  # it has no acknowledgement, so it will try again
            await notes.keep(self._key, self._claim, [r.address for r, reply in outcomes.items() if reply.accepted])
            return NOT_TRIED
        if isinstance(summary, Settled):
            if self._claim:
                await notes.done(self._claim)
            return summary.reply
        assert isinstance(summary, Again)
        log.info("copies of a message are tried again", extra={"action": "split-partial"})
        await notes.keep(self._key, self._claim, summary.delivered)
        return summary.reply

    async def _tell(self, whole: Envelope, refused: Sequence[tuple[Recipient, Reply]]) -> bool:
        try:
            return await self._splitting.tell(whole, refused, self._message)
        except Exception:
            log.exception("a report of refused recipients could not be made")
            return False

    async def _copy(self, envelope: Envelope) -> dict[Recipient, Reply]:
        """The outcome for each recipient of one copy."""
        async with self._places:
            if self.client_gone or asyncio.get_running_loop().time() > self._latest:
                return dict.fromkeys(envelope.recipients, NOT_TRIED)
            try:
                return await self._send(envelope)
            except Refused as refused:
                return dict.fromkeys(envelope.recipients, refused.reply)
            except Exception:
                log.exception("a copy of a message failed")
                return dict.fromkeys(envelope.recipients, FAULT)

    async def _send(self, envelope: Envelope) -> dict[Recipient, Reply]:
        transaction = await self._splitting.next_hop.begin(replace(envelope, recipients=()))
        try:
            outcomes = {recipient: await transaction.rcpt(recipient) for recipient in envelope.recipients}
            if any(reply.accepted for reply in outcomes.values()):
                after = await transaction.data(self._message)
                outcomes = {r: after if reply.accepted else reply for r, reply in outcomes.items()}
            return outcomes
        finally:
            await transaction.abort()


def _once(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Each address once, as the next hop would do it."""
    return tuple({recipient.address: recipient for recipient in recipients}.values())
