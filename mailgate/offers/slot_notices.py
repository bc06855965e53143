"""What is to be told of a slot, as notices: to the offeror always, to the offeree where they have asked for it. Pure.

A notice holds the moment, not its words: the network puts it into the reader's language and time zone, and makes the
calendar file of it.
"""

from __future__ import annotations

from dataclasses import replace

from mailgate.accounts.model import Account
from mailgate.offers.answer import News, Notify
from mailgate.offers.notice import Kind, Notice
from mailgate.offers.offer import Offer
from mailgate.offers.slots import Access, Slot

_YOURS = {
    News.SLOT_BOOKED: Kind.YOUR_SLOT,
    News.SLOT_MOVED: Kind.YOUR_SLOT,
    News.SLOT_CANCELLED: Kind.YOUR_SLOT_CANCELLED,
}


def notices(offer: Offer, account: Account | None, told: Notify, slot: Slot, now: float) -> list[Notice]:
    """The notices that a step asks for, for as long as they are of use: until a day after the slot."""
    terms = offer.terms
    values = {
        "offeree": terms.offeree_address,
        "offeror": terms.offeror_name,
        "destination": terms.destination_name,
        "message_id": terms.message_id,
        "start": str(slot.start),
        "minutes": str(slot.minutes),
        "uid": offer.offer_id,
        "sequence": str(slot.sequence),
        "outcome": told.outcome.value if told.outcome else "",
        "missed": slot.missed.value if slot.missed and not told.outcome else "",
        "zone": account.time_zone if account else "",
    }
    first = Notice(
        notice_id=f"{offer.offer_id}.{offer.version}.slot",
        kind=Kind(told.news.value),
        address=account.addresses[0] if account else "",
        language=account.language if account else "",
        created_at=now,
        expires_at=max(now, slot.end) + 86400.0,
        values=values,
    )
    made = [first] if account else []
    if slot.mail and told.news in _YOURS:
        access = told.access or Access()
        yours = {**values, "zone": slot.zone, "token": access.token, "pin": access.pin, "message_id": ""}
        made.append(
            replace(
                first,
                notice_id=f"{offer.offer_id}.{offer.version}.yours",
                kind=_YOURS[told.news],
                address=terms.offeree_address,
                language=terms.language,
                values=yours,
            )
        )
    return made
