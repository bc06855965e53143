"""The message to somebody who was called in vain: who called, and the offer of a call, as in any other mail.

A notice of kind MISSED_CALL (or OFFERED: nobody called, somebody offers a call) → text and HTML with the coupon's
block (smtp_hooks.block), in the party's language. The Date is that of the call. A notice without a token is about a
caller whom nobody can call back, and has no block.
An answer goes to the caller's own address, where the caller has an account; else to nobody.

Standards: RFC 5322; RFC 2046, 5.1.4 (alternative) and RFC 2387 (related); RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from importlib.resources import files

from mailgate.offers.notice import Kind, Notice
from smtp_hooks import block
from smtp_hooks.block import IconKind, clean_name


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedCallMail:
    """What the message looks like. `public_url` without a slash at its end."""

    from_address: str
    organisation: str
    public_url: str
    icon: IconKind = "inline"


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """What is said, by language: templates/mail/missed_call.toml."""
    return tomllib.loads(files("templates").joinpath("mail", "missed_call.toml").read_text(encoding="utf-8"))


def guests() -> dict[str, str]:
    """What a caller without an account is called, by language."""
    return {language: says["guest"] for language, says in words().items()}


def compose(notice: Notice, settings: MissedCallMail) -> bytes:
    """The message, with CRLF line ends. Raises ValueError where an address fits into no header."""
    language = notice.language.partition("-")[0].lower()
    says = words().get(language) or words()["en"]
    values = notice.values
    known = "-offered" if notice.kind is Kind.OFFERED else "" if values.get("offeror") else "-guest"
    offeror = clean_name(values["offeror"]) if values.get("offeror") else says["guest"]
    told = {"offeror": offeror, "organisation": settings.organisation}
    message = EmailMessage(policy=policy.SMTP if notice.address.isascii() else policy.SMTPUTF8)
    message["From"] = _mailbox(settings.from_address, settings.organisation)
    message["To"] = _mailbox(notice.address)
    if values.get("reply_to"):
        message["Reply-To"] = _mailbox(values["reply_to"], offeror)
    message["Subject"] = says[f"subject{known}"].format_map(told)
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.created_at, UTC))
    domain = settings.from_address.rpartition("@")[2]
    message["Message-ID"] = f"<{notice.notice_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    why = (says[values["why"]],) if values.get("why") else ()
    paragraphs = [" ".join((says[f"called{known}"].format_map(told), *why))]
    if not values.get("token"):
        paragraphs.append(says["note"])
    elif values.get("on_line"):
        paragraphs.append(says["on-line"])
    sent = says["sent"].format_map(told)
    if not values.get("token"):
        message.set_content("\n\n".join([*paragraphs, sent]) + "\n", cte="quoted-printable")
        return message.as_bytes()
    content_id = f"{notice.notice_id}.icon@{domain}"
    addition = block.render(
        language=notice.language,
        offeror_name=offeror,
        url=f"{settings.public_url}/a/{values['token']}",
        icon=settings.icon,
        content_id=content_id,
        icon_url=f"{settings.public_url}/icon.png",
    )
    text = "\n\n".join([*paragraphs, addition.text.rstrip("\n"), sent])
    message.set_content(text + "\n", cte="quoted-printable")
    body = "".join(f"<p>{html.escape(each)}</p>\n" for each in paragraphs)
    page = (
        f'<!DOCTYPE html>\n<html lang="{language}" dir="{says["direction"]}"><body>\n'
        f"{body}{addition.html}<p><small>{html.escape(sent)}</small></p>\n</body></html>\n"
    )
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    if addition.icon is not None:
        parts = message.get_payload()
        assert isinstance(parts, list)
        shown = parts[1]
        assert isinstance(shown, EmailMessage)
        shown.add_related(
            addition.icon.content,
            "image",
            "png",
            cid=f"<{content_id}>",
            disposition="inline",
            filename=addition.icon.filename,
        )
    return message.as_bytes()


def _mailbox(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    if not local or not domain:
        raise ValueError("not an address")
    return Address(name, local, domain)
