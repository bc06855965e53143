"""The calendar side of a notice about a slot: when it is, in the reader's words, and the file that goes along.

The file is a part of its own beside the text, as an attachment that mail programs know for an invitation: its method
stands in the Content-Type as well (RFC 6047, 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol
from zoneinfo import ZoneInfo

from mailgate import calendar, when
from mailgate.calendar import Entry, Method
from mailgate.offers.hours import zone_of
from mailgate.offers.notice import Kind, Notice


class Settings(Protocol):
    """What is needed of mailgate.networks.mail.MailSettings."""

    @property
    def from_address(self) -> str: ...
    @property
    def organisation(self) -> str: ...
    @property
    def public_url(self) -> str: ...
    @property
    def gateway_number(self) -> str: ...
    @property
    def time_zone(self) -> str: ...


_METHODS = {
    Kind.SLOT_BOOKED: Method.REQUEST,
    Kind.SLOT_MOVED: Method.REQUEST,
    Kind.SLOT_CANCELLED: Method.CANCEL,
    Kind.YOUR_SLOT: Method.REQUEST,
    Kind.YOUR_SLOT_CANCELLED: Method.CANCEL,
}
_YOURS = frozenset({Kind.YOUR_SLOT, Kind.YOUR_SLOT_CANCELLED})
_GONE = frozenset({Kind.SLOT_CANCELLED, Kind.YOUR_SLOT_CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """`when` in words; `page`: the offeree's, empty for the offeror; `file` is empty where no calendar changes."""

    when: str
    page: str = field(default="", repr=False)
    method: Method = Method.REQUEST
    file: bytes = field(default=b"", repr=False)


def of(notice: Notice, settings: Settings) -> Invitation | None:
    """None for a notice that is about no slot."""
    values = notice.values
    if "start" not in values:
        return None
    start = float(values["start"])
    zone = zone_of(values.get("zone", "")) or zone_of(settings.time_zone) or ZoneInfo("UTC")
    page = f"{settings.public_url}/a/{values['token']}" if values.get("token") else ""
    said = when.moment(start, zone, notice.language.partition("-")[0].lower())
    method = _METHODS.get(notice.kind)
    if method is None:
        return Invitation(when=said, page=page)
    return Invitation(
        when=said, page=page, method=method, file=calendar.write(_entry(notice, settings, start, page), method)
    )


def _entry(notice: Notice, settings: Settings, start: float, page: str) -> Entry:
    values = notice.values
    says = calendar.words(notice.language)
    side = "offeree" if notice.kind in _YOURS else "offeror"
    filled = {**values, "gateway": settings.gateway_number, "page": page, "my": f"{settings.public_url}/my"}
    text = "" if notice.kind in _GONE else says[f"text-{side}"].format_map(filled)
    if values.get("pin"):
        text += " " + says["text-dial-in"].format_map(filled)
    return Entry(
        uid=f"{values['uid']}@{settings.from_address.rpartition('@')[2]}",
        sequence=int(values["sequence"]),
        start=start,
        end=start + int(values["minutes"]) * 60.0,
        stamp=notice.created_at,
        summary=says[f"summary-{side}"].format_map(filled),
        description=text,
        language=notice.language,
        organisation=settings.organisation,
        organizer=settings.from_address,
        attendee=notice.address,
        page=page,
        pin=values.get("pin", ""),
        number=settings.gateway_number,
    )


def attach(message: EmailMessage, invitation: Invitation) -> None:
    """Put the file beside the text."""
    message.add_attachment(
        invitation.file,
        maintype="text",
        subtype="calendar",
        filename=calendar.FILE_NAME,
        params={"charset": "utf-8", "method": invitation.method.value},
        cte="base64",
    )
