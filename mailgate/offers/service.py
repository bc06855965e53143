"""Offers as a service: persist, then act.

Every change goes the same way: find the offer, `step` it, swap it in the store, and only when that is committed
publish the new view and run the effects. Originate is sent at most once for each attempt, by the process that
committed the attempt; where its answer is lost, the offer is UNSETTLED until Asterisk's records say what happened.

What flows in: tokens from pages, call events from Asterisk, commands of the offeror. Out: views to watchers,
orders to Asterisk. Nothing that leaves here as a view holds a number.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from mailgate.calls.dialling import check_pair
from mailgate.calls.mirror import mirrored
from mailgate.calls.model import CallEvent, CallOrder, Channel, Ended, Kind, Outcome
from mailgate.errors import CallRefused, MailgateError, OutcomeUnknown
from mailgate.offers.answer import Notify
from mailgate.offers.answers import Answers, record
from mailgate.offers.codes import Codes, new_code
from mailgate.offers.events import (
    Accepted,
    Effect,
    Event,
    Expired,
    HangUp,
    PlaceCall,
    Revoked,
    Suppress,
    Try,
    name_of,
)
from mailgate.offers.forwarding import Hand, Standing, standing
from mailgate.offers.fresh import Fresh
from mailgate.offers.held import Held
from mailgate.offers.holders import Holders
from mailgate.offers.issue import Issued, Issuer, Rules
from mailgate.offers.known import KnownNumbers
from mailgate.offers.offer import IllegalTransition, Offer, Terms, step
from mailgate.offers.pins import Pins, Verdict
from mailgate.offers.placing import Calls, Placing
from mailgate.offers.reach import Reach
from mailgate.offers.table import IN_CALL, NOTHING_RANG, WAITING, WITHDRAWN, State
from mailgate.offers.view import View, view
from mailgate.offers.watch import Watchers
from mailgate.store import accounts, webhooks
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens import coupon
from tokens.coupon import Purpose
from tokens.keys import KeyRing

__all__ = ["Calls", "Offers", "Opened", "Rules", "UnknownOffer"]

log = logging.getLogger(__name__)

_SEEN_AT_ONCE = 20  # some milliseconds


class UnknownOffer(MailgateError):
    """An authentic token, or an id, of an offer that the store does not hold (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new offer, durable, and the token that goes to the offeree."""

    offer_id: str
    token: str


class Offers:
    """All offers of a gateway, whose own number in E.164 is called by nobody. `prepare` turns a committed attempt
    into the order that Asterisk is given. `answers` takes what offerees say that is no call; `holders` knows whose an
    offer is to take up."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        ring: KeyRing,
        rules: Rules,
        own_number: str,
        calls: Calls,
        prepare: Callable[[Offer], Awaitable[CallOrder]],
        now: Callable[[], float],
        new_id: Callable[[], str],
        new_code: Callable[[], str] = new_code,
        held: Held | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._ring = ring
        self._own_number = own_number
        self._calls = calls
        self._now = now
        self._new_id = new_id
        self._pins = Pins(store=store, sealer=sealer, ring=ring, digits=rules.pin_digits, now=now)
        self.issuer = Issuer(ring=ring, rules=rules, now=now, new_id=new_id)
        self._who_waits = held or Held()
        self._watchers = Watchers()
        self._tasks: set[asyncio.Task[None]] = set()
        self._foreign = 0
        self._stirred = 0
        self.on_kept: Callable[[Fresh], None] = lambda fresh: None
        """Hears of each offer that a message carries, once it is durable; `on_withdrawn` where that did not go out."""
        self.on_withdrawn: Callable[[str], None] = lambda offer_id: None
        self._reach = reach or Reach(store, sealer)
        self._placing = Placing(
            calls, lambda offer: prepare(self._reach.to_ring(offer)), find=self._by_id, apply=self.apply
        )
        self.codes = Codes(sealer=sealer, now=now, new_code=new_code)
        self.answers = Answers(store=store, sealer=sealer, find=self._find, apply=self.apply, now=now, codes=self.codes)
        self.holders = Holders(store=store, sealer=sealer, codes=self.codes, find=self._find, apply=self.apply, now=now)
        self.known = KnownNumbers(self._find, now)

    # --- making and finding -----------------------------------------------------------------------------------

    async def open(self, terms: Sequence[Terms]) -> list[Opened]:
        """One new offer for each of the terms; durable when this returns."""
        issued = [self.issuer.issue(each) for each in terms]
        await self.keep([each.fresh() for each in issued])
        return [Opened(offer_id=each.offer.offer_id, token=each.token) for each in issued]

    async def keep(self, fresh: Sequence[Fresh]) -> None:
        """Store new offers together; durable when this returns."""
        await self._store.transact(lambda rows: self.put(rows, fresh))
        for each in fresh:
            self.on_kept(each)

    def new(self, terms: Terms) -> Issued:
        """A new offer that is yet to be `put`."""
        return self.issuer.issue(terms)

    def put(self, rows: Rows, fresh: Sequence[Fresh]) -> None:
        """Store new offers in somebody's transaction."""
        rows_of.insert(rows, self._sealer, fresh)
        self._pins.give(rows, [each.offer_id for each in fresh])
        webhooks.record_made(rows, self._sealer, fresh)

    async def withdraw(self, offer_id: str) -> None:
        """Forget an offer whose message did not go out; one that somebody has touched stays."""
        await self._store.transact(lambda rows: webhooks.withdraw(rows, self._sealer, offer_id, self._now()))
        self.on_withdrawn(offer_id)

    def seen(self, offer: Offer) -> View:
        """The view of an offer as the store has it."""
        return self._view(offer, self._now())

    def look(self, token: str) -> View:
        """The view of the token's offer. Raises TokenError, or UnknownOffer where the token is worth nothing now."""
        return self._view(self._find(token), self._now())

    def _view(self, offer: Offer, now: float) -> View:
        on_line = self._who_waits.channel(offer.offer_id) is not None
        if offer.state not in WAITING:
            return view(offer, now, on_line=on_line)
        pin = self._pins.of(offer.offer_id)
        reachable, listed = self._reach.any(offer.terms), self._reach.listed(offer.terms.offeree_address)
        return view(offer, now, pin, on_line=on_line, reachable=reachable, listed=listed)

    def stir(self, offer_id: str) -> None:
        """Show the offer again to who watches it: something beside its state has changed."""
        if (offer := self._by_id(offer_id)) is not None:
            self._watchers.publish(self._view(offer, self._now()))

    async def watch(self, token: str) -> AsyncGenerator[View]:
        """The view of the token's offer, again after each change. Raises as `look`."""
        async with contextlib.aclosing(self._watchers.watch(self.look(token))) as views:
            async for each in views:
                yield each

    def follow(self, offer_id: str, tell: Callable[[View], None]) -> tuple[View, Callable[[], None]]:
        """The offer's view now; `tell` gets each newer one until what is returned is called. Raises UnknownOffer."""
        offer = self._by_id(offer_id)
        if offer is None:
            raise UnknownOffer(f"there is no offer {offer_id}")
        first = self._view(offer, self._now())
        return first, self._watchers.follow(first, tell)

    def token_of(self, offer_id: str) -> str:
        """The offer's token, minted again. Raises UnknownOffer, KeyRingError where its key has left the ring."""
        made_from = self._store.read(lambda rows: rows_of.coupon_of(rows, offer_id))
        if made_from is None:
            raise UnknownOffer(f"there is no offer {offer_id}")
        key = self._ring.find(made_from.key_id)
        return coupon.mint(key, offer_id=offer_id, purpose=Purpose.ACCEPT, generation=made_from.generation)

    def pin_of(self, offer_id: str) -> str:
        """The PIN that the offer was given, "" where it has none."""
        return self._pins.of(offer_id)

    def offeree_of(self, offer_id: str) -> str:
        """The address that the offer went to, in lower case. Raises UnknownOffer."""
        offer = self._by_id(offer_id)
        if offer is None:
            raise UnknownOffer(f"there is no offer {offer_id}")
        return offer.terms.offeree_address.lower()

    def agreed(self, token: str) -> tuple[Offer, Channel | None]:
        """The token's offer as it was agreed, and the channel on which its offeror waits just now. Raises TokenError,
        UnknownOffer."""
        offer = self._find(token)
        return offer, self._who_waits.channel(offer.offer_id)

    def offer_id_of(self, token: str) -> str:
        """Raises TokenError, UnknownOffer."""
        return self._find(token).offer_id

    def _find(self, token: str) -> Offer:
        mark = coupon.verify(self._ring, token, purpose=Purpose.ACCEPT)
        found = self._store.read(lambda rows: rows_of.by_fingerprint(rows, self._sealer, mark))
        if found is None:
            raise UnknownOffer("this link is worth nothing any more")
        return found

    def _by_id(self, offer_id: str) -> Offer | None:
        return self._store.read(lambda rows: rows_of.by_id(rows, self._sealer, offer_id))

    def _in_states(self, states: Iterable[State]) -> list[Offer]:
        return self._store.read(lambda rows: rows_of.in_states(rows, self._sealer, states))

    # --- what people do ---------------------------------------------------------------------------------------

    async def accept(
        self,
        token: str,
        leg1: Channel,
        *,
        then: Sequence[Channel] | None = None,
        browser: str = "",
        proven: bool = False,
    ) -> View:
        """Begin the call now; the view says how it stands once that is committed. `then`: where the offeree is called
        next who is not reached there, of a plan (mailgate.offers.own_order) that has seen to what may go with what.
        `browser`: the text of the cookie that tells browsers apart. `proven`: it is the recipient for certain, whoever
        has taken the offer up before.

        Raises TokenError, UnknownOffer, CallRefused (`suppressed`, `same-number`, `own-number`, `do-not-disturb`,
        `unverified`, `stranger`, `unproven`), or IllegalTransition where the offer cannot be accepted in the state it
        is in.
        """
        offer = self._find(token)
        held = self._who_waits.channel(offer.offer_id)
        if not held and self._store.read(lambda rows: accounts.do_not_disturb(rows, offer.terms.account_id)):
            raise CallRefused("do-not-disturb", "the offeror takes no calls just now")
        for channel in offer.terms.destination if then is None else ():
            check_pair(leg1, channel, self._own_number)
        if self._store.read(lambda rows: rows_of.suppressed(rows, self._sealer, leg1)):
            raise CallRefused("suppressed", "whoever answers there has asked not to be called")
        if not held:  # who waits on the line has no need to be rung
            self._reach.may_ring(offer, self._now())
        hand: Hand | None = self.holders.hand(offer.offer_id, browser, leg1) if browser or not proven else None
        if proven and hand and standing(offer.forwarding, offer.holders, hand) is not Standing.HOLDER:
            hand = None
        rest = tuple(Try(attempt_id=self._new_id(), leg1=each) for each in then or ())
        event = Accepted(attempt_id=self._new_id(), leg1=leg1, rest=rest, held=held, hand=hand)
        return await self.apply(offer.offer_id, event)

    async def dialled_in(self, pin: str, caller: str, channel: str) -> Verdict:
        """Somebody has dialled the gateway's number and typed this PIN; the call waits in Asterisk on `channel`."""

        async def accept(offer_id: str, leg1: Channel) -> View:
            if not self._who_waits.channel(offer_id) and (offer := self._by_id(offer_id)) is not None:
                self._reach.may_ring(offer, self._now())
            hand = self.holders.hand(offer_id, "", caller=caller)
            held = self._who_waits.channel(offer_id)
            return await self.apply(
                offer_id, Accepted(attempt_id=self._new_id(), leg1=leg1, held=held, hand=hand, dialled=True)
            )

        return await self._pins.dialled(pin, caller, channel, accept)

    def talking(self, token: str, nonce: str) -> str | None:
        """The attempt under way whose leg 1 is the page that was given this nonce. Raises TokenError, UnknownOffer."""
        offer = self._find(token)
        attempt = offer.attempt
        if attempt is None or offer.state not in IN_CALL or attempt.leg1.kind is not Kind.BROWSER:
            return None
        return attempt.attempt_id if hmac.compare_digest(attempt.leg1.address.encode(), nonce.encode()) else None

    async def left(self, attempt_id: str) -> None:
        """The page of an attempt is gone: end what it was in."""
        await self._placing.hang_up(attempt_id, revoked=False)

    async def revoke(self, offer_id: str) -> View:
        """Take the offer back. Raises UnknownOffer, IllegalTransition."""
        return await self.apply(offer_id, Revoked())

    # --- what Asterisk says -----------------------------------------------------------------------------------

    async def on_call_event(self, event: CallEvent) -> None:
        """Take in what Asterisk says of an attempt; what is late or of no offer of ours is noted and left."""
        offer = self._store.read(lambda rows: rows_of.by_attempt(rows, self._sealer, event.attempt_id))
        if offer is None:
            log.warning("call event of an unknown attempt", extra={"attempt": event.attempt_id})
            return
        if offer.attempt and offer.attempt.destination_first:
            event = mirrored(event)
        try:
            await self.apply(offer.offer_id, event)
        except IllegalTransition as error:
            log.debug("call event changes nothing: %s", error, extra={"attempt": event.attempt_id})

    async def settle(self) -> None:
        """Ask Asterisk about every attempt under way that this process is not placing right now.

        Called at the start, after each reconnection, and while anything is unsettled.
        """
        attempts = {o.attempt: o.state for o in self._in_states(IN_CALL) if o.attempt}
        asked = {a.attempt_id: state for a, state in attempts.items() if a.attempt_id not in self._placing.under_way}
        if not asked:
            return
        try:
            answers = await self._calls.settle({a.attempt_id: a.started_at for a in attempts if a.attempt_id in asked})
        except OutcomeUnknown as error:
            log.info("calls under way cannot be settled yet: %s", error)
            return
        for attempt_id, state in asked.items():
            unknown = Outcome.NOT_PLACED if state in NOTHING_RANG else Outcome.LOST
            await self.on_call_event(answers[attempt_id] or Ended(attempt_id=attempt_id, outcome=unknown))

    async def tick(self) -> bool:
        """What time brings: offers expire, unsettled calls are asked for, and other processes' changes are seen.

        True where what mail remembers of accounts and recipients may have changed since the last time: another process
        has written to the store, or this one to their tables.
        """
        overdue = self._store.read(lambda rows: rows_of.overdue(rows, self._sealer, self._now(), 500))
        for offer in overdue:
            try:
                await self.apply(offer.offer_id, Expired())
            except IllegalTransition:
                log.debug("offer was no longer open when its time was over", extra={"offer": offer.offer_id})
        if self._in_states((State.UNSETTLED,)):
            await self.settle()
        foreign, stirred = await self._store.transact(lambda rows: (rows.foreign_commits(), rows.stirred))
        changed = stirred != self._stirred
        self._stirred = stirred
        if foreign != self._foreign:
            self._foreign = foreign
            changed = True
            await self._see_foreign_changes()
        if changed:
            self._reach.forget()
        return changed

    async def _see_foreign_changes(self) -> None:
        for number, offer_id in enumerate(self._watchers.watched()):
            changed = self._by_id(offer_id)
            if changed is not None:
                self._watchers.publish(self._view(changed, self._now()))
            if number % _SEEN_AT_ONCE == 0:
                await asyncio.sleep(0)  # ten thousand pages may be watched, and others wait
        for offer in self._in_states(IN_CALL):
            if offer.closing in WITHDRAWN and offer.state is not State.CONNECTED and offer.attempt:
                await self._placing.hang_up(offer.attempt.attempt_id)

    # --- persist, then act ------------------------------------------------------------------------------------

    async def apply(
        self, offer_id: str, event: Event, *, guard: Callable[[Rows, Offer], None] = lambda rows, offer: None
    ) -> View:
        """Step the offer by the event, commit, publish, begin the effects. Raises UnknownOffer, IllegalTransition.

        `guard` looks at the offer and at others in the same transaction, and may refuse by an exception of its own.
        """
        while True:
            now = self._now()
            swap = partial(self._swap, offer_id=offer_id, event=event, now=now, guard=guard)
            done = await self._store.transact(swap)
            if done is not None:
                break
        offer, effects = done
        log.info(
            "offer stepped",
            extra={
                "offer": offer_id,
                "event": name_of(event).value,
                "state": offer.state.value,
                "attempt": offer.attempt.attempt_id if offer.attempt else None,
            },
        )
        shown = self._view(offer, now)
        self._watchers.publish(shown)
        self._who_waits.stepped(offer, event)
        for effect in effects:
            await self._begin(offer, effect)
        return shown

    def _swap(
        self, rows: Rows, *, offer_id: str, event: Event, now: float, guard: Callable[[Rows, Offer], None]
    ) -> tuple[Offer, tuple[Effect, ...]] | None:
        seen = rows_of.by_id(rows, self._sealer, offer_id)
        if seen is None:
            raise UnknownOffer(f"there is no offer {offer_id}")
        guard(rows, seen)
        changed, effects = step(seen, event, now)
        name = name_of(event).value
        if not rows_of.swap(rows, self._sealer, seen, changed, event=name, at=now):
            return None
        record(rows, self._sealer, changed, event, effects, now)
        webhooks.record(rows, self._sealer, changed, event, now)
        return changed, effects

    async def _begin(self, offer: Offer, effect: Effect) -> None:
        match effect:
            case PlaceCall():
                placing = self._spawn(self._placing.place(offer, effect.attempt_id))
                if offer.attempt and offer.attempt.leg1.kind is Kind.BROWSER:
                    await asyncio.wait([placing])  # the page calls as soon as it is told: its order is there by then
            case HangUp():
                self._spawn(self._placing.hang_up(effect.attempt_id))
            case Suppress(channel=channel):
                now = self._now()
                await self._store.transact(
                    lambda rows: rows_of.suppress(rows, self._sealer, channel, now=now, reason="not-me")
                )
            case Notify():
                pass  # written down with the step; mailgate.offers.post takes it from there
            case _:
                assert_never(effect)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # a task that nobody holds may be collected before it is done
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait for orders under way to reach Asterisk; calls go on there."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
