"""The mail room: who a message is sent for, and offers for it. What `smtp_hooks.pipeline` calls its desk."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mailgate.accounts.model import Account
from mailgate.metrics import Metrics
from mailgate.offers.offer import Terms
from mailgate.offers.service import Offers
from mailgate.store import accounts
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from smtp_hooks import block
from smtp_hooks.dkim import Signer, complete
from smtp_hooks.envelope import Envelope
from smtp_hooks.mime import Addition
from smtp_hooks.numbers import Redactor
from smtp_hooks.pipeline import Coupon, Decision, Offeror
from smtp_hooks.policy import Facts, Hide, Mode, Sender
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


HIDDEN = {"en": "[number hidden]", "de": "[Nummer verborgen]", "fr": "[numéro masqué]"}
"""What stands where a number was, where the configuration says nothing else."""


@dataclass(slots=True, kw_only=True)
class MailRoom:
    """Accounts and offers for the pipeline. One for each event loop."""

    settings: MailSettings
    facts: Facts
    store: Store
    sealer: Sealer
    offers: Offers
    signer: Signer | None
    metrics: Metrics
    now: Callable[[], float]
    told: Callable[[Decision], None] = lambda decision: None
    """Hears of each decision too, for who tries the gate out."""
    _known: dict[str, tuple[Account, Offeror]] = field(default_factory=dict)

    def offeror(self, envelope: Envelope) -> Offeror | None:
        client = envelope.client
        if not client.trusted:
            return None
        address = client.login if "@" in client.login else envelope.reverse_path
        account = self.store.read(lambda rows: accounts.by_address(rows, self.sealer, address)) if address else None
        if account is None:
            return None  # nobody has a contract for this address
        known = self._known.get(account.account_id)
        if known is None or known[0] != account:  # patterns are compiled once, and again when the account has changed
            known = self._known[account.account_id] = (account, self._offeror(account))
        return known[1]

    async def open(self, offeror: Offeror, offeree: str, message_id: str) -> Coupon:
        account, _ = self._known[offeror.account_id]
        destination = account.destinations[0]
        terms = Terms(
            account_id=account.account_id,
            offeror_name=account.display_name,
            destination_name=destination.display_name,
            destination=destination.channels,
            offeree_address=offeree,
            language=account.language,
            message_id=message_id,
        )
        (opened,) = await self.offers.open([terms])
        return Coupon(offer_id=opened.offer_id, url=f"{self.settings.public_url}/a/{opened.token}")

    async def withdraw(self, coupon: Coupon) -> None:
        await self.offers.withdraw(coupon.offer_id)

    def addition(self, offeror: Offeror, coupon: Coupon) -> Addition:
        return block.render(
            language=offeror.sender.language,
            offeror_name=offeror.sender.display_name,
            url=coupon.url,
            icon=self.settings.icon,
            content_id=f"{coupon.offer_id}@{self.settings.hostname}",
            icon_url=f"{self.settings.public_url}/icon.png",
        )

    def finish(self, message: bytes, reverse_path: str) -> bytes:
        whole = message
        if (
            self.signer is not None
        ):  # a later hop adds what is missing, which would break the signature and nothing else
            whole = complete(message, now=self.now(), message_id=f"<{uuid.uuid4().hex}@{self.settings.hostname}>")
        if self.facts.trace_keys:
            whole = stamp(whole, self.facts.trace_keys[0]) + whole
        if self.signer is None:
            return whole
        return self.signer.sign(whole, reverse_path=reverse_path, now=self.now())

    def note(self, decision: Decision) -> None:
        self.told(decision)
        self.metrics.messages.labels(decision=decision.name, reason=decision.reason).inc()
        log.info(
            "message %s",
            decision.name,
            extra={"action": "message", "reason": decision.reason or None, "offer": decision.offer_id or None},
        )

    def _offeror(self, account: Account) -> Offeror:
        replacement = self.settings.replacement or HIDDEN.get(account.language, HIDDEN["en"])
        return Offeror(
            account_id=account.account_id,
            sender=Sender(
                display_name=account.display_name,
                numbers=account.numbers,
                mode=Mode(account.mode.value),
                hide=Hide(account.hide.value),
                language=account.language,
                replacement=replacement,
            ),
            redactor=Redactor(account.numbers, replacement) if account.numbers else None,
        )
