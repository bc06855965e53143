"""Offers in a chat: whom an offer went to, and what becomes of their answers by word. For every network of instant
messages alike: the network carries texts, and says with certainty who wrote them.

    begin   before an offer's message leaves: it is noted that this reader has it
    hear    a message came in: understood (mailgate.offers.words), done as from the page, answered
    after   how the call went that an answer began, where there is something to say

Only who was sent an offer can answer it: `reader` is the network's address of them as a URI. An answer belongs to the
offer that its thread names, else to the one that a question was asked about lately, else to the latest that is open;
where several are, the answer says which it was. What was said is durable when `hear` returns.
Known limits: an acceptance older than LATE_S is not acted on, since nobody may be there any more; a question that was
asked back is forgotten after ASKED_S.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from mailgate.calls.model import SEES, Channel
from mailgate.errors import CallRefused
from mailgate.offers import chat_times
from mailgate.offers.answer import Reason
from mailgate.offers.booking import Asked, Bookings
from mailgate.offers.heard import ChatRules, Heard, Spoken, failure, shown
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.slots import SlotRefused
from mailgate.offers.table import ENDED, State
from mailgate.offers.view import View
from mailgate.offers.words import (
    Accept,
    Answer,
    At,
    Decline,
    Help,
    Later,
    Number,
    Said,
    Unclear,
    Vocabulary,
    understood,
)
from mailgate.store import accounts, chats
from mailgate.store import offers as rows_of
from mailgate.store.chats import Chat
from mailgate.store.database import Rows, Store
from mailgate.store.seal import Sealer
from tokens import coupon
from tokens.errors import KeyRingError, TokenError
from tokens.keys import KeyRing

log = logging.getLogger(__name__)

LATE_S = 300.0
ASKED_S = 900.0
_NO_WAY = frozenset({"no-channel", "none-available"})
"""Refusals of a call by the reader's own list: there is none, or nothing of it can be had. A number would do."""
_NUMBER, _TIME, _SLOT = "number", "time", "slot "

Says = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """An offer that a reader has, as it stands."""

    chat: Chat
    token: str = field(repr=False)
    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class _Party:
    """What the gateway knows of the reader from their own account: where they are called, and their time zone."""

    channel: Channel | None = field(default=None, repr=False)
    zone: str = ""


class Chats:
    """The chats of a gateway. `texts`: what is said, by language; `dial` as in mailgate.calls.dialling; `bookings`
    None: no times are offered. `now` gives UNIX seconds."""

    def __init__(
        self,
        offers: Offers,
        *,
        own_order: OwnOrder,
        store: Store,
        sealer: Sealer,
        ring: KeyRing,
        bookings: Bookings | None,
        dial: Callable[[str, str], Channel],
        texts: Mapping[str, Says],
        words: Vocabulary,
        rules: ChatRules,
        now: Callable[[], float],
    ) -> None:
        self._offers = offers
        self._own_order = own_order
        self._store = store
        self._sealer = sealer
        self._ring = ring
        self._bookings = bookings
        self._dial = dial
        self._texts = texts
        self._words = words
        self._rules = rules
        self._now = now

    async def begin(self, reader: str, token: str, thread: str) -> None:
        """Note that the reader is sent this offer. Raises TokenError, UnknownOffer."""
        offer_id, now = self._offers.offer_id_of(token), self._now()
        await self._store.transact(
            lambda rows: chats.put(rows, self._sealer, offer_id=offer_id, reader=reader, thread=thread, at=now)
        )

    async def hear(self, reader: str, heard: Heard) -> Spoken:
        """Do what the reader says, and the answer to it; durable when this returns."""
        held = self._store.read(lambda rows: self._held(rows, reader))
        if not held:
            return Spoken(text=self._says(self._rules.language)["nothing"], language=self._rules.language)
        said = understood(heard.text, self._words)
        turn = self._meant(held, heard)
        log.info("answer by word", extra={"offer": turn.view.offer_id, "said": type(said).__name__.lower()})
        answer = _Turn(self, reader, turn, said, late=self._now() - heard.at > LATE_S, others=self._open(held, turn))
        return await answer.take()

    async def after(self, call: tuple[str, int]) -> Spoken | None:
        """Waits for the end of the call that an answer began; what there is to say of it, None where nothing."""
        token, attempts = call
        with contextlib.suppress(TokenError, UnknownOffer):
            async with contextlib.aclosing(self._offers.watch(token)) as views:
                async for view in views:
                    if view.in_call and view.attempts == attempts:
                        continue
                    key = failure(view.outcome) if view.attempts == attempts else ""
                    if not key or view.state in ENDED:
                        return None
                    return Spoken(
                        text=self._says(view.language)[key].format(offeror=view.destination_name),
                        language=view.language,
                    )
        return None

    # --- which offer -------------------------------------------------------------------------------------------

    def _held(self, rows: Rows, reader: str) -> list[_Held]:
        """What the reader was sent, the latest first."""
        found = []
        for chat in chats.of_reader(rows, self._sealer, reader, now=self._now()):
            made = rows_of.coupon_of(rows, chat.offer_id)
            if made is None:
                continue
            with contextlib.suppress(KeyRingError, TokenError, UnknownOffer):
                token = coupon.mint(
                    self._ring.find(made.key_id),
                    offer_id=chat.offer_id,
                    purpose=coupon.Purpose.ACCEPT,
                    generation=made.generation,
                )
                found.append(_Held(chat=chat, token=token, view=self._offers.look(token)))
        return found

    def _meant(self, held: Sequence[_Held], heard: Heard) -> _Held:
        """The offer that a message is about."""
        for each in held:
            if heard.thread and each.chat.thread == heard.thread:
                return each
        standing = [each for each in held if each.view.state not in ENDED]
        asked = [each for each in standing if self.question(each)]
        newest = max(asked, key=lambda each: each.chat.asked_at, default=None)
        return newest or (standing or held)[0]

    def _open(self, held: Sequence[_Held], but: _Held) -> list[_Held]:
        return [each for each in held if each.view.may_accept and each is not but]

    def question(self, held: _Held) -> str:
        """What the reader was asked about the offer, as long as it holds."""
        return held.chat.asked if self._now() - held.chat.asked_at < ASKED_S else ""

    # --- for a turn --------------------------------------------------------------------------------------------

    def _says(self, language: str) -> Says:
        return self._texts.get(language.partition("-")[0].lower()) or self._texts["en"]

    def link(self, held: _Held) -> str:
        return f"{self._rules.public_url}/a/{held.token}"

    async def ask(self, reader: str, held: _Held, asked: str) -> None:
        """Note what the reader is asked back."""
        if asked or held.chat.asked:
            offer_id, now = held.chat.offer_id, self._now()
            await self._store.transact(
                lambda rows: chats.ask(rows, self._sealer, offer_id=offer_id, reader=reader, asked=asked, at=now)
            )

    def party(self, held: _Held) -> _Party:
        def work(rows: Rows) -> _Party:
            offer = rows_of.by_id(rows, self._sealer, held.chat.offer_id)
            found = accounts.by_address(rows, self._sealer, offer.terms.offeree_address) if offer else None
            if found is None:
                return _Party()
            sure = next((c for c in found.destinations[0].ringing if c.kind not in SEES), None)
            return _Party(channel=sure, zone=found.time_zone)

        return self._store.read(work)

    def called_on(self, held: _Held) -> Channel:
        """Where the reader's telephone is called by the attempt that has just begun."""
        offer = self._store.read(lambda rows: rows_of.by_id(rows, self._sealer, held.chat.offer_id))
        assert offer is not None and offer.attempt is not None
        return offer.attempt.leg1


class _Turn:
    """One message and its answer."""

    def __init__(
        self, chats_: Chats, reader: str, held: _Held, said: Said, *, late: bool, others: Sequence[_Held]
    ) -> None:
        self._chats = chats_
        self._reader = reader
        self._held = held
        self._said = said
        self._late = late
        self._others = others
        self._language = held.view.language
        self._says = chats_._says(self._language)
        self._call: tuple[str, int] | None = None

    async def take(self) -> Spoken:
        """Act, and say what was done."""
        question = self._chats.question(self._held)
        try:
            text = await self._act(question)
        except CallRefused as error:
            text = self._say("disturb" if error.reason in ("do-not-disturb", "unverified") else "refused")
        except (UnknownOffer, TokenError):
            text = self._say("ended")
        except IllegalTransition as error:
            text = self._say(self._illegal(error))
        if self._others and not isinstance(self._said, Help):
            text += "\n\n" + self._say("several", count=str(len(self._others)))
        return Spoken(text=text, language=self._language, call=self._call)

    async def _act(self, question: str) -> str:
        said, view = self._said, self._held.view
        if isinstance(said, Help):
            return self._help()
        if view.state in ENDED:
            return self._say("ended")
        if self._late and not isinstance(said, Decline | Answer):
            return self._say("late")
        if not isinstance(said, Number | At):
            await self._chats.ask(self._reader, self._held, "")
        offers = self._chats._offers
        match said:
            case Accept(number=number):
                return await self._accept(number)
            case Number(text=number):
                return await self._number(number, question)
            case At():
                return await self._at(said, question)
            case Later():
                return await self._later()
            case Decline(text=text):
                await offers.answers.decline(self._held.token, None if text else Reason.OTHER, text)
                return self._say("declined")
            case Answer(text=text):
                await offers.answers.reply(self._held.token, text)
                return self._say("answered")
            case Unclear():
                return self._unclear()
            case _:
                assert_never(said)

    async def _accept(self, number: str) -> str:
        typed = self._typed(number) if number else None
        if self._held.view.in_call:
            return self._say("under-way")
        try:
            if typed is not None:
                view = await self._chats._offers.accept(self._held.token, typed, browser=self._reader)
            else:
                view = await self._chats._own_order.accept_listed(self._held.token, browser=self._reader)
        except CallRefused as error:
            if error.reason not in _NO_WAY:
                raise
            await self._chats.ask(self._reader, self._held, _NUMBER)
            return self._say("number")
        self._call = (self._held.token, view.attempts)
        return self._say("calling", where=shown(typed or self._chats.called_on(self._held)))

    async def _number(self, number: str, question: str) -> str:
        if question.startswith(_SLOT):
            return await self._book(float(question.removeprefix(_SLOT)), self._typed(number))
        if question == _NUMBER:
            said = await self._accept(number)
            await self._chats.ask(self._reader, self._held, "")
            return said
        return self._unclear()

    async def _later(self) -> str:
        free = self._free()
        if not free:
            return self._say("no-times")
        await self._chats.ask(self._reader, self._held, _TIME)
        return self._times(free)

    async def _at(self, said: At, question: str) -> str:
        if said.alone and question != _TIME:
            return self._unclear()
        free = self._free()
        if not free:
            return self._say("no-times")
        start = chat_times.chosen(free, self._zone, said, self._chats._now())
        if start is None:
            await self._chats.ask(self._reader, self._held, _TIME)
            return self._say("not-free", asked=f"{said.hour:02}:{said.minute:02}") + " " + self._times(free)
        channel = self._chats.party(self._held).channel
        if channel is None:
            await self._chats.ask(self._reader, self._held, f"{_SLOT}{start}")
            return self._say("number")
        return await self._book(start, channel)

    async def _book(self, start: float, channel: Channel) -> str:
        bookings = self._chats._bookings
        assert bookings is not None  # a time was free
        try:
            asked_for = Asked(start=start, zone=self._zone, leg1=channel)
            await bookings.book(self._held.token, asked_for, browser=self._reader)
        except SlotRefused:
            await self._chats.ask(self._reader, self._held, _TIME)
            asked = chat_times.shown(start, self._zone, self._language)
            return self._say("not-free", asked=asked) + " " + self._times(self._free())
        await self._chats.ask(self._reader, self._held, "")
        when = chat_times.in_words(start, self._zone, self._language)
        return self._say("booked", when=when, where=shown(channel))

    # --- what can be said ---------------------------------------------------------------------------------------

    @property
    def _zone(self) -> str:
        return self._chats.party(self._held).zone or self._chats._rules.zone

    def _free(self) -> list[float]:
        bookings = self._chats._bookings
        if bookings is None or not self._held.view.may_accept:
            return []
        return chat_times.awake(bookings.choices(self._held.token), self._zone, bookings.rules)

    def _times(self, free: Sequence[float]) -> str:
        if not free:
            return self._say("no-times")
        few = chat_times.few(free)
        return self._say("times", times="; ".join(chat_times.shown(at, self._zone, self._language) for at in few))

    def _typed(self, number: str) -> Channel:
        return self._chats._dial(number, self._chats._rules.region)

    def _help(self) -> str:
        standing = [self._held, *self._others] if self._held.view.may_accept else list(self._others)
        if not standing:
            return self._say("under-way" if self._held.view.in_call else "nothing")
        lines = [
            self._says["open"].format(offeror=each.view.offeror_name, link=self._chats.link(each)) for each in standing
        ]
        return "\n".join((*lines, "", self._says["answers"].strip()))

    def _unclear(self) -> str:
        return self._say("unclear") + "\n\n" + self._says["answers"].strip()

    def _illegal(self, error: IllegalTransition) -> str:
        view = self._chats._offers.look(self._held.token)
        if view.state in ENDED:
            return "ended"
        if view.in_call:
            return "under-way"
        if isinstance(self._said, Decline) and error.state is State.DECLINED:
            return "declined-already"
        return "enough" if isinstance(self._said, Answer) else "ended"

    def _say(self, key: str, **values: str) -> str:
        offeror = self._held.view.offeror_name
        return self._says[key].format_map({"offeror": offeror, "link": self._chats.link(self._held), **values})
