"""An ordinary call that failed becomes an offer: the one who was called gets a message, the caller becomes the offeror.

FailedCall → whose extension, who calls, is there a way back → in one transaction: the call (each once, however often
Asterisk tells of it), the offer with its coupon, and the message in the outbox. A kill at any moment loses none.

Who calls: the account that the telephone belongs to, or a guest, whose offer names nobody. The way back is the number
that the network gave, by the same rules as any number that is dialled; a telephone that registers here is rung as such.
No offer comes of a call without a way back (a number withheld, or not to be dialled): the party is told that somebody
called. Nothing at all comes of a call to nobody's extension, of a party's call to itself, of the gateway's own calls,
and where the party's mailbox wants no offers. Who calls again while the offer stands is counted; who calls many people,
or is one of many callers, is counted too: see Limits.
Known limit: a network's caller ID is believed as far as telephones believe it: the name shown is that of the account
whose number it is, and a call back goes to that account, not to who may have claimed its number.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from mailgate.accounts.model import Account
from mailgate.calls.failed import FailedCall
from mailgate.calls.model import Channel, Kind
from mailgate.errors import CallRefused
from mailgate.offers.notice import Kind as NoticeKind
from mailgate.offers.notice import Notice
from mailgate.offers.offer import Terms
from mailgate.offers.service import Offers
from mailgate.store import accounts, missed_calls, outbox
from mailgate.store import offers as rows_of
from mailgate.store.database import Rows, Store
from mailgate.store.missed_calls import Made, MissedCall
from mailgate.store.seal import Sealer

log = logging.getLogger(__name__)

HOUR_S = 3600.0
NOTICE_S = 5 * 86400.0
"""How long the message is tried: RFC 5321, 4.5.4.1 gives four to five days."""
OLDEST_S = 14 * 86400.0
"""A report that Asterisk has kept for longer is worth nothing any more."""

_SIP_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")

Dial = Callable[[str, str], Channel]
"""`dial(number, region) -> Channel`; raises CallRefused. See mailgate.calls.dialling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Messages in an hour; what comes beyond is counted and told to nobody."""

    by_caller: int = 10
    to_callee: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedSettings:
    """`trunks` are the endpoints whose callers are telephone numbers; whoever else calls is a telephone of the house.
    `guests`: what a caller without an account is called, by language."""

    trunks: frozenset[str]
    region: str
    own_number: str
    guests: dict[str, str]
    holds: bool = False  # callers are asked to wait
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was made of a call: None where nothing was. `offer_id` is that of the open offer, where there is one."""

    made: Made | None
    callee: Account | None = None
    caller: Account | None = None
    offer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """Who calls: a digest that is the same each time, an account, and the ways back (none: no offer)."""

    mark: bytes
    account: Account | None
    ways: tuple[Channel, ...]


class MissedCalls:
    """Takes failed calls in. `posted` is called when a message waits in the outbox."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        offers: Offers,
        dial: Dial,
        settings: MissedSettings,
        now: Callable[[], float],
        posted: Callable[[], None],
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._offers = offers
        self._dial = dial
        self._settings = settings
        self._now = now
        self._posted = posted

    async def take(self, call: FailedCall) -> Taken:
        """What was made of the call, durable; the same again for a call that was taken before."""
        taken = await self._store.transact(lambda rows: self._take(rows, call))
        if taken.made in (Made.OFFERED, Made.NOTED):
            self._posted()
        log.info(
            "failed call",
            extra={
                "action": "failed_call",
                "call": call.call_id,
                "why": call.why.value,
                "made": taken.made.value if taken.made else "nothing",
                "offer": taken.offer_id,
            },
        )
        return taken

    def offer_of(self, call_id: str) -> tuple[str, float] | None:
        """The offer that a call led to, and when it came (UNIX seconds)."""
        found = self._store.read(lambda rows: missed_calls.by_id(rows, call_id))
        return (found.offer_id, found.at) if found and found.offer_id else None

    def parties(self, call_id: str) -> tuple[Account | None, Account | None]:
        """Who was called, and who calls."""

        def work(rows: Rows) -> tuple[Account | None, Account | None]:
            found = missed_calls.by_id(rows, call_id)
            if found is None:
                return None, None
            caller = accounts.by_id(rows, self._sealer, found.caller_id) if found.caller_id else None
            return accounts.by_id(rows, self._sealer, found.callee_id), caller

        return self._store.read(work)

    def _take(self, rows: Rows, call: FailedCall) -> Taken:
        now = self._now()
        if (seen := missed_calls.by_id(rows, call.call_id)) is not None:
            callee = accounts.by_id(rows, self._sealer, seen.callee_id)
            caller = accounts.by_id(rows, self._sealer, seen.caller_id) if seen.caller_id else None
            return Taken(made=seen.made, callee=callee, caller=caller, offer_id=seen.offer_id)
        callee = accounts.by_extension(rows, self._sealer, call.called)
        if callee is None or now - call.at > OLDEST_S:
            return Taken(made=None)
        if rows_of.suppressed_address(rows, self._sealer, callee.addresses[0]):
            return Taken(made=None)
        who = self._who(rows, call)
        if who is None or (who.account and who.account.account_id == callee.account_id):
            return Taken(made=None)
        if not who.account and set(who.ways) & set(callee.destinations[0].channels):
            return Taken(made=None)
        made, offer_id = self._make(rows, call, callee, who, now)
        missed = MissedCall(
            call_id=call.call_id,
            at=call.at,
            callee_id=callee.account_id,
            caller=who.mark,
            made=made,
            offer_id=offer_id,
            caller_id=who.account.account_id if who.account else None,
        )
        missed_calls.insert(rows, missed)
        return Taken(made=made, callee=callee, caller=who.account, offer_id=offer_id)

    def _make(self, rows: Rows, call: FailedCall, callee: Account, who: _Caller, now: float) -> tuple[Made, str | None]:
        """An offer, a note, or one more for what is there already."""
        standing = missed_calls.open_offer(rows, callee_id=callee.account_id, caller=who.mark, now=now)
        if standing is not None:
            return Made.COUNTED, standing
        lately = missed_calls.lately(rows, callee_id=callee.account_id, caller=who.mark, since=now - HOUR_S)
        limits = self._settings.limits
        # Of a caller whom nobody can call back one message in an hour is enough.
        if lately.by_caller >= limits.by_caller or lately.to_callee >= limits.to_callee:
            return Made.COUNTED, None
        if not who.ways:
            if lately.of_pair:
                return Made.COUNTED, None
            self._post(rows, call, callee, who, now, token="")
            return Made.NOTED, None
        issued = self._offers.new(self._terms(callee, who))
        self._offers.put(rows, [issued.fresh()])
        self._post(rows, call, callee, who, now, token=issued.token)
        return Made.OFFERED, issued.offer.offer_id

    def _who(self, rows: Rows, call: FailedCall) -> _Caller | None:
        """The caller; None for a call of the gateway's own."""
        if call.withheld:
            return _Caller(mark=self._sealer.digest("caller withheld"), account=None, ways=())
        channel = self._channel(call)
        if channel is None:
            return _Caller(mark=self._sealer.digest(f"caller {call.endpoint} {call.caller}"), account=None, ways=())
        if channel.address == self._settings.own_number:
            return None
        account = accounts.by_caller(rows, self._sealer, channel)
        ways = account.destinations[0].channels if account else (channel,)
        return _Caller(mark=self._sealer.digest(f"caller {channel.uri}"), account=account, ways=ways)

    def _channel(self, call: FailedCall) -> Channel | None:
        """How the caller can be called back."""
        if call.endpoint and call.endpoint not in self._settings.trunks:
            return Channel(Kind.SIP, call.endpoint) if _SIP_USER.match(call.endpoint) else None
        # Networks write numbers with and without the plus sign of the international form.
        for text in (call.caller, f"+{call.caller}"):
            try:
                return self._dial(text, self._settings.region)
            except CallRefused:
                continue
        return None

    def _terms(self, callee: Account, who: _Caller) -> Terms:
        name = who.account.display_name if who.account else self._guest(callee.language)
        return Terms(
            account_id=who.account.account_id if who.account else f"guest-{who.mark.hex()[:32]}",
            offeror_name=name,
            destination_name=name,
            destination=who.ways,
            offeree_address=callee.addresses[0],
            offeree_name=callee.display_name,
            language=callee.language,
        )

    def _guest(self, language: str) -> str:
        return self._settings.guests.get(language.partition("-")[0].lower()) or self._settings.guests["en"]

    def _post(self, rows: Rows, call: FailedCall, callee: Account, who: _Caller, now: float, *, token: str) -> None:
        notice = Notice(
            notice_id=f"call.{self._sealer.digest(f'call {call.call_id}').hex()[:32]}",
            kind=NoticeKind.MISSED_CALL,
            address=callee.addresses[0],
            language=callee.language,
            created_at=min(call.at, now) if now - call.at > 60 else now,
            expires_at=now + NOTICE_S,
            values={
                "offeror": who.account.display_name if who.account else "",
                "why": call.why.value,
                "token": token,
                "reply_to": who.account.addresses[0] if who.account else "",
                "on_line": "1" if call.channel and self._settings.holds else "",
            },
        )
        outbox.put(rows, self._sealer, notice)
