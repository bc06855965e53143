"""Which messages get an offer, decided in one place, each decision with a name.

Envelope, header of the message and the facts of the sender's account → `Pass(reason)`, `Invite(offerees)` or
`Refuse(reply)`. Whether the body can take an offer is not asked here (`mime.locate`), nor whether the offer can be
stored. Reads only the header; pure.

Standards: RFC 3834 (Auto-Submitted), RFC 2919 and RFC 2369 (List-*), RFC 5321 (4.5.5 null reverse-path), RFC 6376
(DKIM-Signature), RFC 3463 (enhanced status codes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.trace import passed

_MAX_HEADER = 262_144  # octets of header that are read; `mime` refuses more
_FIELD = re.compile(
    rb"\n(auto-submitted|precedence|list-[a-z]{2,20}|dkim-signature|x-call-offer)[ \t]*:"
    rb"([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+)\r(?=\n)",
    re.IGNORECASE,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What is known of the account that sends: its name as the offeree sees it, its numbers in E.164, its wishes."""

    display_name: str
    numbers: tuple[str, ...] = ()
    mode: Mode = Mode.ALWAYS
    hide: Hide = Hide.BEST_EFFORT
    language: str = "en"
    replacement: str = "[number hidden]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the gateway: the keys that its trace may be signed with, newest first, and its own domains."""

    trace_keys: tuple[bytes, ...] = ()
    own_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pass:
    """The message goes on untouched."""

    reason: PassReason


@dataclass(frozen=True, slots=True)
class Invite:
    """These recipients are offered a call; other recipients of the message get it as it is."""

    offerees: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client is told so."""

    reply: Reply


Decision = Pass | Invite | Refuse


def decide(envelope: Envelope, message: bytes, sender: Sender | None, facts: Facts) -> Decision:
    """What becomes of a message. `sender` is the account of the authenticated user or trusted reverse-path, if any."""
    if sender is None:
        return Pass(PassReason.NO_ACCOUNT)
    if not envelope.reverse_path:
        return Pass(PassReason.NULL_REVERSE_PATH)
    if sender.mode is Mode.NEVER:
        return Pass(PassReason.MODE_NEVER)
    against = _against(message, sender, facts)
    if against is not None:
        return Pass(against)
    offerees = tuple(r for r in envelope.recipients if read_by_a_person(r.address))
    return Invite(offerees) if offerees else Pass(PassReason.NOBODY_READS)


def refuse_exposed(remaining: Sequence[str]) -> Refuse:
    """The refusal of an account's message that would still show its number (`hide = required`)."""
    where = ", ".join(_visible(r) for r in remaining[:5]) or "the message"
    return Refuse(Reply(code=550, enhanced="5.7.1", text=f"Your telephone number would still be shown in: {where}"))


def read_by_a_person(address: str) -> bool:
    """Whether an address looks like a mailbox that a single person reads."""
    local, _, domain = address.rpartition("@")
    return not (_NOBODY.fullmatch(local.lower()) or _LIST_DOMAIN.fullmatch(domain.lower().rstrip(".")))


def _against(message: bytes, sender: Sender, facts: Facts) -> PassReason | None:
    """What in the header speaks against an offer, if anything."""
    if passed(message, facts.trace_keys):
        return PassReason.ALREADY_PASSED
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    header = b"\n" + message[: end + 2 if end >= 0 else _MAX_HEADER] + b"\n"
    wanted = sender.mode is Mode.ALWAYS
    for match in _FIELD.finditer(header):
        name, value = match[1].lower(), match[2].replace(b"\r\n", b"").strip()
        word = value.split(b";")[0].split(b"(")[0].strip().lower()
        if name == b"auto-submitted" and word != b"no":
            return PassReason.AUTO_SUBMITTED
        if name == b"precedence" and word in (b"bulk", b"list", b"junk"):
            return PassReason.LIST_MAIL
        if name.startswith(b"list-"):
            return PassReason.LIST_MAIL
        if name == b"dkim-signature" and not _is_own(value, facts.own_domains):
            return PassReason.FOREIGN_SIGNATURE
        if name == b"x-call-offer":
            if word in (b"off", b"no"):
                return PassReason.DECLINED_BY_SENDER
            wanted = wanted or word in (b"on", b"yes")
    return None if wanted else PassReason.NOT_REQUESTED


def _is_own(signature: bytes, own_domains: frozenset[str]) -> bool:
    found = _SIGNING_DOMAIN.search(signature)
    if found is None:
        return True  # no signature that anybody could verify
    domain = found[1].decode("latin-1").lower().rstrip(".")
    return any(domain == own or domain.endswith("." + own) for own in own_domains)


def _visible(text: str) -> str:
    """Names of fields come from the message: nothing of them may break a reply."""
    return "".join(c for c in text if " " <= c <= "~")[:80]
