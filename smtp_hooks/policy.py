"""Which messages get an offer, decided in one place, each decision with a name.

Envelope, header of the message, the sender's account and wish, and the facts of the gateway → `Pass(reason)`,
`Invite(offerees, wish)` or `Refuse(reply)`. Whether the body can take an offer is not asked here (`mime.locate`), nor
what stands in it (`quoted`), nor whether the offer can be stored. Reads only the header; pure.

Standards: RFC 3834 (Auto-Submitted), RFC 2919 and RFC 2369 (List-*), RFC 5321 (4.5.5 null reverse-path), RFC 6376
(DKIM-Signature), RFC 3463 (enhanced status codes).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.header import named
from smtp_hooks.tags import NOTHING, Wish
from smtp_hooks.trace import passed

_MAX_HEADER = 262_144  # octets of header that are read; `mime` refuses more
_FIELD = named(b"auto-submitted|precedence|list-[a-z]{2,20}|dkim-signature")
_SIGNING_DOMAIN = re.compile(rb"(?:\A|;)\s*d\s*=\s*([^;\s]{1,255})")
# Mailboxes that no person reads, and addresses of lists, by the names that programs give them.
_NOBODY = re.compile(
    r"(?:[a-z0-9]+[-_.+])?(?:no|do-?not|dont|never)[-_.]?(?:reply|respond|answer)(?:[-_.+@].*)?|(?:ne-?pas-?repondre"
    r"|nicht-?antworten|no-?responder|non-?rispondere)(?:[-_.+@].*)?|mailer-daemon|postmaster|abuse|bounces?(?:[-_.+].*)?"
    r"|auto-?(?:reply|confirm|mail)(?:[-_.+].*)?|notifications?(?:[-_.+].*)?|listserv|majordomo|owner-.+"
    r"|.+-(?:request|bounces|owner|subscribe|unsubscribe|confirm|leave|join)|reply[+=-][^@]{16,}|.+=.+"
)
_LIST_DOMAIN = re.compile(
    r"(?:lists?|listserv|groups|discuss|bounces?)\..+|googlegroups\.com|groups\.io|freelists\.org"
)


class Mode(StrEnum):
    """When an account's messages carry an offer."""

    ALWAYS = "always"
    ON_REQUEST = "on-request"
    NEVER = "never"


class Hide(StrEnum):
    """What happens where the account's number cannot be taken out of a message."""

    BEST_EFFORT = "best-effort"
    REQUIRED = "required"


class PassReason(StrEnum):
    """Why a message goes on without an offer. Stable names for log, metrics and `mailgate explain`."""

    NO_ACCOUNT = "no-account"
    NULL_REVERSE_PATH = "null-reverse-path"
    MODE_NEVER = "mode-never"
    NOT_REQUESTED = "not-requested"
    DECLINED_BY_SENDER = "declined-by-sender"
    ALREADY_PASSED = "already-passed"
    AUTO_SUBMITTED = "auto-submitted"
    LIST_MAIL = "list-mail"
    FOREIGN_SIGNATURE = "foreign-signature"
    NOBODY_READS = "nobody-reads"
    UNCLEAR_WISH = "unclear-wish"
    COLLEAGUE = "colleague"
    SUPPRESSED = "suppressed"
    OUTSIDE_SHARE = "outside-share"


UNTOUCHABLE = frozenset(
    (
        PassReason.NO_ACCOUNT,
        PassReason.NULL_REVERSE_PATH,
        PassReason.ALREADY_PASSED,
        PassReason.FOREIGN_SIGNATURE,
    )
)
"""Reasons for which a message passes with the sender's tags in it too: it is not ours to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What is known of the account that sends: its name as the offeree sees it, its numbers in E.164, the names of its
    destinations, its wishes. `finds_language`: `language` is only for messages that do not tell theirs."""

    display_name: str
    account_id: str = ""
    destinations: frozenset[str] = frozenset()
    numbers: tuple[str, ...] = ()
    mode: Mode = Mode.ALWAYS
    hide: Hide = Hide.BEST_EFFORT
    language: str = "en"
    finds_language: bool = False
    replacement: str = "[number hidden]"


class ShareBy(StrEnum):
    """What a roll-out counts in percent of."""

    ACCOUNT = "account"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the gateway: the keys that its trace may be signed with, newest first, and its own domains.

    `colleagues` are addresses and domains (with what lies below them) whose people get no offers, `nobody` patterns of
    addresses that no single person reads (`*@tickets.example.org`), both in lower case. `share_percent` of accounts or
    recipients take part. `once_in_thread`: no second offer where the message quotes one that is still open. `shadow`:
    everything is decided, and nothing changed.
    """

    trace_keys: tuple[bytes, ...] = ()
    own_domains: frozenset[str] = frozenset()
    colleagues: frozenset[str] = frozenset()
    nobody: tuple[str, ...] = ()
    share_percent: float = 100.0
    share_by: ShareBy = ShareBy.ACCOUNT
    once_in_thread: bool = True
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """The message goes on untouched."""

    reason: PassReason


@dataclass(frozen=True, slots=True)
class Invite:
    """These recipients are offered a call; other recipients of the message get it as it is."""

    offerees: tuple[Recipient, ...]
    wish: Wish = NOTHING


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client is told so."""

    reply: Reply


Decision = Pass | Invite | Refuse


def decide(
    envelope: Envelope,
    message: bytes,
    sender: Sender | None,
    facts: Facts,
    wish: Wish = NOTHING,
    suppressed: Set[str] = frozenset(),
) -> Decision:
    """What becomes of a message. `sender` is the account of the authenticated user or trusted reverse-path, if any;
    `wish` what the message asks for; `suppressed` the recipients (as in the envelope) who asked for no more offers."""
    if sender is None:
        return Pass(PassReason.NO_ACCOUNT)
    if not envelope.reverse_path:
        return Pass(PassReason.NULL_REVERSE_PATH)
    against = _against(message, facts) or _unwanted(sender, wish)
    if against is not None:
        return Pass(against)
    left_out = [_left_out(r.address, sender, facts, suppressed) for r in envelope.recipients]
    offerees = tuple(r for r, reason in zip(envelope.recipients, left_out, strict=True) if reason is None)
    if offerees:
        return Invite(offerees, wish)
    return Pass(next(iter(left_out), None) or PassReason.NOBODY_READS)


def refuse_exposed(remaining: Sequence[str]) -> Refuse:
    """The refusal of an account's message that would still show its number (`hide = required`)."""
    where = ", ".join(_visible(r) for r in remaining[:5]) or "the message"
    return Refuse(Reply(code=550, enhanced="5.7.1", text=f"Your telephone number would still be shown in: {where}"))


def read_by_a_person(address: str) -> bool:
    """Whether an address looks like a mailbox that a single person reads."""
    local, _, domain = address.rpartition("@")
    return not (_NOBODY.fullmatch(local.lower()) or _LIST_DOMAIN.fullmatch(domain.lower().rstrip(".")))


def _against(message: bytes, facts: Facts) -> PassReason | None:
    """What in the header speaks against an offer, if anything."""
    if passed(message, facts.trace_keys):
        return PassReason.ALREADY_PASSED
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    header = b"\n" + message[: end + 2 if end >= 0 else _MAX_HEADER] + b"\n"
    found: PassReason | None = None
    for match in _FIELD.finditer(header):
        name, value = match[1].lower(), match[2].replace(b"\r\n", b"").strip()
        word = value.split(b";")[0].split(b"(")[0].strip().lower()
        if name == b"dkim-signature":
            if not _is_own(value, facts.own_domains):
                return PassReason.FOREIGN_SIGNATURE  # before all others: such a message is not changed in anything
        elif name == b"auto-submitted":
            found = found or (PassReason.AUTO_SUBMITTED if word != b"no" else None)
        elif name.startswith(b"list-") or word in (b"bulk", b"list", b"junk"):
            found = found or PassReason.LIST_MAIL
    return found


def _unwanted(sender: Sender, wish: Wish) -> PassReason | None:
    """Why account or sender want no offer in this message, if so."""
    if sender.mode is Mode.NEVER:
        return PassReason.MODE_NEVER
    if wish.wanted is False:
        return PassReason.DECLINED_BY_SENDER
    if wish.unclear:
        return PassReason.UNCLEAR_WISH
    if sender.mode is Mode.ON_REQUEST and not wish.wanted:
        return PassReason.NOT_REQUESTED
    return None


def _left_out(address: str, sender: Sender, facts: Facts, suppressed: Set[str]) -> PassReason | None:
    """Why this recipient gets no offer, if so."""
    folded = address.lower()
    if not read_by_a_person(address) or (facts.nobody and _nobody(facts.nobody).match(folded)):
        return PassReason.NOBODY_READS
    if facts.colleagues and not facts.colleagues.isdisjoint(_names(folded)):
        return PassReason.COLLEAGUE
    if address in suppressed:
        return PassReason.SUPPRESSED
    if facts.share_percent < 100:
        key = sender.account_id if facts.share_by is ShareBy.ACCOUNT else folded
        if _percentile(key) >= facts.share_percent:
            return PassReason.OUTSIDE_SHARE
    return None


@lru_cache(maxsize=8)
def _nobody(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def _names(address: str) -> list[str]:
    """The address, its domain, and every domain above."""
    labels = address.rpartition("@")[2].rstrip(".").split(".")
    return [address, *(".".join(labels[n:]) for n in range(len(labels)))]


def _percentile(key: str) -> float:
    """0 to 100, the same for the same key for ever, so that a growing share only adds."""
    return int.from_bytes(hashlib.sha256(b"share " + key.encode("utf-8", "replace")).digest()[:8]) / 2**64 * 100


def _is_own(signature: bytes, own_domains: frozenset[str]) -> bool:
    found = _SIGNING_DOMAIN.search(signature)
    if found is None:
        return True  # no signature that anybody could verify
    domain = found[1].decode("latin-1").lower().rstrip(".")
    return any(domain == own or domain.endswith("." + own) for own in own_domains)


def _visible(text: str) -> str:
    """Names of fields come from the message: nothing of them may break a reply."""
    return "".join(c for c in text if " " <= c <= "~")[:80]
