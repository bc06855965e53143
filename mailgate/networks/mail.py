"""Notices by mail: composed in the account's language, signed, handed to the next hop.

What goes out says of itself that no person wrote it, and has the null reverse-path, so that no other robot answers
and no bounce of it bounces. Its Message-ID is made from the notice's id: a repetition is seen as one. A notice about
an offer answers the message that carried it, so that mail programs show both together.

Standards: RFC 5322; RFC 3834 (Auto-Submitted); RFC 5321, 4.5.5 (null reverse-path); RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from importlib.resources import files

from mailgate.networks import invite, missed_call
from mailgate.offers.notice import Delivery, Kind, Notice
from smtp_hooks.block import IconKind
from smtp_hooks.envelope import Envelope, Recipient
from smtp_hooks.transaction import NextHop

log = logging.getLogger(__name__)

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")  # no blanks: it goes into a header as it is
_SLOT = frozenset({Kind.SLOT_BOOKED, Kind.SLOT_MOVED, Kind.SLOT_CANCELLED, Kind.SLOT_MISSED})
_PERSONAL = frozenset({Kind.DECLINED, Kind.REPLIED, Kind.MISSED, *_SLOT})
"""Notices about an offer, to the offeror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """`from_address` is whom notices come from, with the organisation's name; `public_url` has no slash at its end.
    `gateway_number`: E.164, for calendar files; `time_zone`: IANA name, for an account that has none of its own."""

    from_address: str
    organisation: str
    public_url: str
    gateway_number: str = ""
    time_zone: str = "UTC"
    icon: IconKind = "inline"


@cache
def words() -> dict[str, Mapping[str, str]]:
    """What notices say, by language: templates/mail/notices.toml."""
    return tomllib.loads(files("templates").joinpath("mail", "notices.toml").read_text(encoding="utf-8"))


def compose(notice: Notice, settings: MailSettings, languages: Mapping[str, Mapping[str, str]]) -> bytes:
    """The message, with CRLF line ends. Raises ValueError where the address fits into no header."""
    says = languages.get(notice.language.partition("-")[0].lower()) or languages["en"]
    values = dict(notice.values) | {"organisation": settings.organisation, "my": f"{settings.public_url}/my"}
    values["link"] = f"{settings.public_url}/my/in/{values.get('secret', '')}"
    invitation = invite.of(notice, settings)
    if invitation:
        values["when"] = invitation.when
        values["page"] = invitation.page
    message = EmailMessage(policy=policy.SMTP if notice.address.isascii() else policy.SMTPUTF8)
    message["From"] = _mailbox(settings.from_address, settings.organisation)
    message["To"] = _mailbox(notice.address)
    message["Subject"] = says[f"{notice.kind.value}-subject"].format_map(values)
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.created_at, UTC))
    message["Message-ID"] = f"<{notice.notice_id}@{settings.from_address.rpartition('@')[2]}>"
    if _MESSAGE_ID.fullmatch(values.get("message_id", "")):
        message["In-Reply-To"] = values["message_id"]
        message["References"] = values["message_id"]
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(paragraphs(notice, says, values)) + "\n", cte="quoted-printable")
    if invitation and invitation.file:
        invite.attach(message, invitation)
        message.set_boundary(f"=_{notice.notice_id}")  # sent again it is the same message, octet for octet
    return message.as_bytes()


def _mailbox(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    if not local or not domain:
        raise ValueError("not an address")
    return Address(name, local, domain)  # raises ValueError where there are line ends in it


def sentences(notice: Notice, says: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """What happened, and why, as every network says it; `says` is one language's of `words()`."""
    told = [says[notice.kind.value].format_map(values).strip("\n")]
    if values.get("reason") and values["reason"] != "other":
        told.append(says["reason"].format_map({**values, "reason": says[f"reason-{values['reason']}"]}))
    if values.get("outcome"):
        told.append(says[values["outcome"]].format_map(values))
    if values.get("missed"):
        told.append(says[f"missed-{values['missed']}"].format_map(values))
    return told


def paragraphs(notice: Notice, says: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """What a notice says, one paragraph each; `says` is one language's of `words()`."""
    told = sentences(notice, says, values)
    if values.get("text"):
        told.append("\n".join(f"> {line}".rstrip() for line in values["text"].split("\n")))
    if notice.kind in _PERSONAL:
        told.append(says[f"{notice.kind.value}-next"].format_map(values))
        told.append(says["my"].format_map(values))
    return told


class MailNetwork:
    """The network that everybody has. `sign` makes a composed message ready to leave."""

    def __init__(self, next_hop: NextHop, settings: MailSettings, sign: Callable[[bytes], bytes]) -> None:
        self._next_hop = next_hop
        self._settings = settings
        self._sign = sign
        self._words = words()

    async def deliver(self, notice: Notice) -> Delivery:
        """One try; see mailgate.offers.notice.Network."""
        try:
            message = self._sign(self._compose(notice))
        except ValueError as error:
            log.warning("notice fits into no message: %s", type(error).__name__, extra={"notice": notice.notice_id})
            return Delivery.REFUSED
        recipient = Recipient(address=notice.address)
        parameters = () if notice.address.isascii() else ("SMTPUTF8",)
        envelope = Envelope(reverse_path="", recipients=(recipient,), parameters=parameters)
        transaction = await self._next_hop.begin(envelope)
        try:
            reply = await transaction.rcpt(recipient)
            if reply.accepted:
                reply = await transaction.data(message)
        finally:
            await transaction.abort()
        if reply.accepted:
            return Delivery.DELIVERED
        extra = {"notice": notice.notice_id, "reply": f"{reply.code} {reply.enhanced}".strip()}
        log.info("the next hop did not take a notice", extra=extra)
        return Delivery.REFUSED if reply.permanent else Delivery.LATER

    def _compose(self, notice: Notice) -> bytes:
        if notice.kind not in (Kind.MISSED_CALL, Kind.OFFERED):
            return compose(notice, self._settings, self._words)
        settings = missed_call.MissedCallMail(
            from_address=self._settings.from_address,
            organisation=self._settings.organisation,
            public_url=self._settings.public_url,
            icon=self._settings.icon,
        )
        return missed_call.compose(notice, settings)
