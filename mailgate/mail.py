"""The mail room: who a message is sent for, and offers for it. What `smtp_hooks.pipeline` calls its desk."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mailgate.accounts.model import Account
from mailgate.books import Books
from mailgate.calls.model import Channel, Kind
from mailgate.metrics import Counts
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.issue import Issuer
from mailgate.offers.offer import Offer, Terms
from smtp_hooks import block
from smtp_hooks.block import DialIn
from smtp_hooks.dkim import Signer, complete, split
from smtp_hooks.envelope import Envelope
from smtp_hooks.mime import Addition
from smtp_hooks.numbers import Redactor
from smtp_hooks.pipeline import Coupon, Decision, Offeree, Offeror, Opening
from smtp_hooks.policy import Facts, Hide, Mode, Sender
from smtp_hooks.quoted import Quoted
from smtp_hooks.tags import Wish
from smtp_hooks.trace import stamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """How offers look in a message. `public_url` without a slash at its end; `replacement` empty: words of the
    account's language."""

    public_url: str
    icon: Literal["inline", "remote", "none"] = "inline"
    replacement: str = ""
    hostname: str = "localhost"
    dial_in: DialIn | None = None
    """The way in by telephone, for accounts whose messages show it."""


@dataclass(slots=True, kw_only=True)
class MailRoom:
    """Accounts and offers for the pipeline. One for each event loop."""

    settings: MailSettings
    facts: Facts
    books: Books
    issuer: Issuer
    signer: Signer | None
    metrics: Counts
    now: Callable[[], float]
    told: Callable[[Decision], None] = lambda decision: None
    """Hears of each decision too, for who tries the gate out."""
    _known: dict[str, tuple[Account, Offeror]] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return f"{self.settings.public_url}/a/"

    async def offeree(self, offeror: Offeror, address: str) -> Offeree:
        return await self.books.offeree(self._known[offeror.account_id][0], address)

    async def quoted(self, tokens: Sequence[str]) -> Sequence[Quoted]:
        return await self.books.quoted(tokens)

    async def offeror(self, envelope: Envelope) -> Offeror | None:
        client = envelope.client
        if not client.trusted:
            return None
        address = client.login if "@" in client.login else envelope.reverse_path
        account = await self.books.account(address) if address else None
        if account is None:
            return None  # nobody has a contract for this address
        known = self._known.get(account.account_id)
        if known is None or (known[0] is not account and known[0] != account):  # patterns are compiled when it changed
            known = self._known[account.account_id] = (account, self._offeror(account))
        return known[1]

    def open(self, offeror: Offeror, offeree: Offeree, message_id: str, wish: Wish) -> Opening:
        account, _ = self._known[offeror.account_id]
        destination = account.destination(wish.destination or None) or account.destinations[0]
        terms = Terms(
            account_id=account.account_id,
            offeror_name=account.display_name,
            destination_name=destination.display_name,
            destination=destination.channels,
            offeree_address=offeree.address,
            offeree=Channel(Kind.TEL, offeree.number) if offeree.number else None,
            language=offeror.sender.language,
            message_id=message_id,
        )
        issued = self.issuer.issue(terms, valid_s=wish.ttl_s, forwarding=account.forwarding)
        coupon = Coupon(offer_id=issued.offer.offer_id, url=self.prefix + issued.token)
        durable = self.books.keep(issued)
        if not self._shows_pin(account, issued.offer):
            return Opening(coupon=coupon, durable=durable)
        coupon = replace(coupon, pin=self.issuer.pin(issued))
        return Opening(coupon=coupon, durable=asyncio.ensure_future(self._with_pin(coupon, durable)))

    def _shows_pin(self, account: Account, offer: Offer) -> bool:
        """Not where a code has to be typed first: whoever reads the message could go round it."""
        wanted = self.issuer.rules.pin_in_mail if account.pin_in_mail is None else account.pin_in_mail
        return wanted and self.issuer.rules.pin_digits > 0 and offer.forwarding is not Forwarding.VERIFY

    async def _with_pin(self, coupon: Coupon, durable: Awaitable[None]) -> Coupon | None:
        """The coupon once it is stored, where it was given another PIN than was drawn for it."""
        await durable
        pin = await self.books.pin(coupon.offer_id)
        return None if pin == coupon.pin else replace(coupon, pin=pin)

    async def withdraw(self, coupon: Coupon) -> None:
        await self.books.withdraw(coupon.offer_id)

    def speaking(self, offeror: Offeror, language: str) -> Offeror:
        account, known = self._known[offeror.account_id]
        return self._offeror(replace(account, language=language)) if language not in ("", account.language) else known

    def addition(self, offeror: Offeror, coupon: Coupon, *, picture: bool) -> Addition:
        return block.render(
            language=offeror.sender.language,
            offeror_name=offeror.sender.display_name,
            url=coupon.url,
            icon=self.settings.icon if picture else "none",
            content_id=f"{coupon.offer_id}@{self.settings.hostname}",
            icon_url=f"{self.settings.public_url}/icon.png",
            dial_in=replace(self.settings.dial_in, pin=coupon.pin) if self.settings.dial_in and coupon.pin else None,
        )

    def finish(self, pieces: Sequence[bytes | memoryview], reverse_path: str) -> bytes:
        header, body = _header_and_body(pieces)
        if self.signer is not None:  # a later hop adds what is missing, and breaks the signature
            header = complete(header, now=self.now(), message_id=self._message_id)
        if self.facts.trace_keys:
            header = stamp(header, self.facts.trace_keys[0]) + header
        if self.signer is not None:
            header = self.signer.sign_header(header, body, reverse_path=reverse_path, now=self.now())
        return b"".join([header, *body])

    def _message_id(self) -> str:
        return f"<{uuid.uuid4().hex}@{self.settings.hostname}>"

    def note(self, decision: Decision) -> None:
        self.told(decision)
        self.metrics.count(decision.name, decision.reason)
        log.info(
            f"message {decision.name}",  # of few names; an argument alone costs the library a look at its kind
            extra={"action": "message", "reason": decision.reason or None, "offer": decision.offer_id or None},
        )

    def _offeror(self, account: Account) -> Offeror:
        replacement = self.settings.replacement or block.hidden(account.language)
        return Offeror(
            account_id=account.account_id,
            sender=Sender(
                display_name=account.display_name,
                account_id=account.account_id,
                destinations=frozenset(destination.name for destination in account.destinations),
                numbers=account.numbers,
                mode=Mode(account.mode.value),
                hide=Hide(account.hide.value),
                language=account.language,
                finds_language=account.finds_language,
                replacement=replacement,
            ),
            redactor=Redactor(account.numbers, replacement, cards=account.cards) if account.numbers else None,
        )


def _header_and_body(pieces: Sequence[bytes | memoryview]) -> tuple[bytes, list[bytes | memoryview]]:
    """The header with the blank line behind it, and the body still in pieces."""
    first = 0
    head = b""
    while first < len(pieces) and b"\r\n\r\n" not in head:
        head += pieces[first]
        first += 1
    header, rest = split(head)
    return header, [rest, *pieces[first:]]
