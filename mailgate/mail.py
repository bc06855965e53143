"""The mail room: who a message is sent for, and offers for it. What `smtp_hooks.pipeline` calls its desk."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from smtp_hooks.policy import Invite, Sender

from mailgate.accounts.model import Account, Hide, Mode
from mailgate.metrics import Metrics
from mailgate.offers.offer import Terms
from mailgate.offers.service import Offers
from mailgate.store import accounts
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from smtp_hooks import block
from smtp_hooks.dkim import Signer
from smtp_hooks.envelope import Envelope
from smtp_hooks.mime import Addition
from smtp_hooks.numbers import Redactor
from smtp_hooks.pipeline import Coupon, Decision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """How offers look in a message. `public_url` without a slash at its end; `replacement` empty: words of the
    account's language."""

    public_url: str
    icon: Literal["inline", "remote", "none"] = "inline"
    replacement: str = ""
    hostname: str = "localhost"


@dataclass(slots=True)
class _Known:
    """An account as the store has it, and what was made from it."""

    account: Account
    sender: Sender
    redactor: Redactor | None


@dataclass(slots=True, kw_only=True)
class MailRoom:
    """Accounts and offers for the pipeline. One for each event loop."""

    settings: MailSettings
    store: Store
    sealer: Sealer
    offers: Offers
    signer: Signer | None
    metrics: Metrics
    now: Callable[[], float]
    _known: dict[str, _Known] = field(default_factory=dict)

    def sender(self, envelope: Envelope) -> Sender | None:
        client = envelope.client
        if not client.trusted:
            return None
        address = client.login if "@" in client.login else envelope.reverse_path
        account = self.store.read(lambda rows: accounts.by_address(rows, self.sealer, address)) if address else None
        return None if account is None else self._remember(account).sender

    def redactor(self, sender: Sender) -> Redactor | None:
        return self._known[sender.sender_id].redactor

    async def open(self, sender: Sender, invite: Invite, message_id: str) -> Coupon:
        account = self._known[sender.sender_id].account
        destination = account.destination()
        assert destination is not None
        terms = Terms(
            account_id=account.account_id,
            offeror_name=account.display_name,
            destination_name=destination.display_name,
            destination=destination.channels,
            offeree_address=invite.recipient,
            language=account.language,
            message_id=message_id,
        )
        (opened,) = await self.offers.open([terms])
        return Coupon(offer_id=opened.offer_id, url=f"{self.settings.public_url}/a/{opened.token}")

    async def withdraw(self, coupon: Coupon) -> None:
        await self.offers.withdraw(coupon.offer_id)

    def addition(self, sender: Sender, coupon: Coupon) -> Addition:
        account = self._known[sender.sender_id].account
        return block.render(
            language=account.language,
            offeror_name=account.display_name,
            url=coupon.url,
            icon=self.settings.icon,
            content_id=f"{coupon.offer_id}@{self.settings.hostname}",
            icon_url=f"{self.settings.public_url}/icon.png",
        )

    def sign(self, message: bytes, reverse_path: str) -> bytes:
        if self.signer is None:
            return message
        return self.signer.sign(message, reverse_path=reverse_path, now=self.now())

    def new_message_id(self) -> str:
        return f"<{uuid.uuid4().hex}@{self.settings.hostname}>"

    def note(self, decision: Decision) -> None:
        self.metrics.messages.labels(decision=decision.name, reason=decision.reason).inc()
        log.info(
            "message %s",
            decision.name,
            extra={"action": "message", "reason": decision.reason or None, "offer": decision.offer_id or None},
        )

    def _remember(self, account: Account) -> _Known:
        """The account's redactor is compiled once, and again only when the account has changed."""
        known = self._known.get(account.account_id)
        if known is None or known.account != account:
            numbers = account.numbers
            known = _Known(
                account=account,
                sender=Sender(
                    sender_id=account.account_id,
                    mode=account.mode.value,
                    hide_required=account.hide is Hide.REQUIRED,
                ),
                redactor=Redactor(numbers, self.settings.replacement) if numbers else None,
            )
            self._known[account.account_id] = known
        return known


__all__ = ["MailRoom", "MailSettings", "Mode"]
