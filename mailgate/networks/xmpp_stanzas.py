"""Messages of XMPP: what goes out beside the text, and what an incoming one says. Nothing is sent here.

Standards: RFC 6121, 5 (messages); XEP-0184 (receipts); XEP-0439 (quick responses); XEP-0004 (forms); XEP-0203 (delay);
XEP-0461 (replies).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from slixmpp.stanza import Message

from mailgate.networks.chat import Button
from mailgate.offers.heard import Heard

RECEIPTS = "urn:xmpp:receipts"
QUICK = "urn:xmpp:tmp:quick-response"
FORMS = "jabber:x:data"
DELAY = "urn:xmpp:delay"
REPLY = "urn:xmpp:reply:0"
PING = "urn:xmpp:ping"
DISCO = "http://jabber.org/protocol/disco#info"

OWN_FEATURES = (DISCO, RECEIPTS, QUICK, FORMS, PING)
"""What this side can, for who asks."""

_FORM_TYPE = "urn:mailgate:answer"


def ask_receipt(message: Message) -> None:
    message.xml.append(ET.Element(f"{{{RECEIPTS}}}request"))


def receipt_of(message: Message) -> str:
    """The id of the message that this one says has come; "" where it says of none."""
    found = message.xml.find(f"{{{RECEIPTS}}}received")
    return "" if found is None else found.get("id", "")


def wants_receipt(message: Message) -> bool:
    return message.xml.find(f"{{{RECEIPTS}}}request") is not None and bool(message["id"])


def make_receipt(message: Message, message_id: str) -> None:
    message.xml.append(ET.Element(f"{{{RECEIPTS}}}received", {"id": message_id}))


def add_buttons(message: Message, buttons: Iterable[Button]) -> None:
    """Quick responses: pressing one sends its value as a message. A program that knows none shows none."""
    for each in buttons:
        message.xml.append(ET.Element(f"{{{QUICK}}}response", {"value": each.value, "label": each.label}))


def add_form(message: Message, title: str, buttons: Sequence[Button]) -> None:
    """The same answers as a form, for programs that know forms and no quick responses."""
    form = ET.Element(f"{{{FORMS}}}x", {"type": "form"})
    ET.SubElement(form, f"{{{FORMS}}}title").text = title
    _field(form, "FORM_TYPE", "hidden", value=_FORM_TYPE)
    answer = _field(form, "answer", "list-single", label=title)
    ET.SubElement(answer, f"{{{FORMS}}}required")
    for each in buttons:
        option = ET.SubElement(answer, f"{{{FORMS}}}option", {"label": each.label})
        ET.SubElement(option, f"{{{FORMS}}}value").text = each.value
    message.xml.append(form)


def _field(form: ET.Element, name: str, kind: str, *, label: str = "", value: str = "") -> ET.Element:
    made = ET.SubElement(form, f"{{{FORMS}}}field", {"var": name, "type": kind})
    if label:
        made.set("label", label)
    if value:
        ET.SubElement(made, f"{{{FORMS}}}value").text = value
    return made


def heard(message: Message, now: float) -> Heard | None:
    """What the message says; None for one that says nothing (typing notices, receipts, errors, rooms)."""
    if message["type"] not in ("chat", "normal"):
        return None
    text = _submitted(message) or str(message["body"])
    if not text.strip():
        return None
    return Heard(text=text, at=_written(message, now), thread=str(message["thread"]) or _answered(message))


def _submitted(message: Message) -> str:
    """The answer in a form that was filled in."""
    form = message.xml.find(f"{{{FORMS}}}x")
    if form is None or form.get("type") != "submit":
        return ""
    for each in form.findall(f"{{{FORMS}}}field"):
        if each.get("var") == "answer":
            return each.findtext(f"{{{FORMS}}}value") or ""
    return ""


def _answered(message: Message) -> str:
    """The id of the message that this one answers, which for an offer is its thread as well."""
    found = message.xml.find(f"{{{REPLY}}}reply")
    return "" if found is None else found.get("id", "")


def _written(message: Message, now: float) -> float:
    """When the message was written: where a server has kept it, it says since when."""
    found = message.xml.find(f"{{{DELAY}}}delay")
    if found is None:
        return now
    try:
        stamp = datetime.fromisoformat(found.get("stamp", "").replace("Z", "+00:00"))
    except ValueError:
        return 0.0  # kept for who knows how long
    return min(now, (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp())
