"""From the configuration to what judges messages: the same for the server, and for commands that only look.

`Config`, keys and books → `MailRoom`, which `smtp_hooks.pipeline.Gate` calls its desk. Nothing is opened here
but files of keys.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import phonenumbers

from mailgate.books import Books
from mailgate.config import Config
from mailgate.dkim_files import SigningKeys
from mailgate.mail import MailRoom, MailSettings
from mailgate.metrics import Counts
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.issue import Issuer, Rules
from smtp_hooks.block import DialIn
from smtp_hooks.dkim import Signer
from smtp_hooks.policy import Facts, ShareBy
from tokens.keys import KeyRing


def offer_rules(config: Config) -> Rules:
    """What each new offer is given."""
    rules = config.offer
    return Rules(
        valid_s=rules.valid_days * 86400,
        uses=rules.uses,
        attempts=rules.attempts,
        longest_s=rules.longest_days * 86400,
        forwarding=Forwarding(rules.forwarding),
        pin_digits=config.call.pin_digits if config.call.dial_in else 0,
        pin_in_mail=config.offer.pin_in_mail,
    )


def facts(config: Config, ring: KeyRing) -> Facts:
    """What the policy knows of this gateway."""
    return Facts(
        trace_keys=tuple(key.derive("trace") for key in ring.newest_first()),
        own_domains=frozenset(key.domain.lower() for key in config.dkim.keys),
        colleagues=frozenset(name.lower().lstrip("@.") for name in config.policy.colleagues),
        nobody=tuple(pattern.lower() for pattern in config.policy.nobody),
        share_percent=config.policy.share_percent,
        share_by=ShareBy(config.policy.share_by),
        once_in_thread=config.policy.once_in_thread,
        shadow=config.policy.mode == "shadow",
    )


def signer(config: Config) -> Signer | None:
    """The DKIM keys whose turn it is, ready to sign; None where none are configured. Raises ConfigError."""
    if not config.dkim.keys:
        return None
    keys = SigningKeys(config.dkim)
    return Signer(keys(time.time()) or (), later=keys)


def _spaced(number: str) -> str:
    """An E.164 number as people write it: `+33199001234` → `+33 1 99 00 12 34`."""
    parsed = phonenumbers.parse(number)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))


def new_id() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def mail_room(
    config: Config,
    *,
    books: Books,
    ring: KeyRing,
    metrics: Counts,
    now: Callable[[], float],
    minting: KeyRing | None = None,
) -> MailRoom:
    """The desk of the pipeline, as configured; `minting` are other keys for tokens. Raises ConfigError."""
    return MailRoom(
        facts=facts(config, ring),
        settings=MailSettings(
            public_url=config.gateway.public_url,
            icon=config.offer.icon,
            replacement=config.offer.number_replacement,
            hostname=config.smtp.hostname,
            dial_in=DialIn(number=config.gateway.number, shown=_spaced(config.gateway.number)),
        ),
        books=books,
        issuer=Issuer(ring=minting or ring, rules=offer_rules(config), now=now, new_id=new_id),
        signer=signer(config),
        metrics=metrics,
        now=now,
    )
