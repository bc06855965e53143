"""What a notice says where it is no message of its own: a title and a text, in the party's language.

The words are those of the mail (templates/mail/notices.toml, missed_call.toml), without what only mail has.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailgate.networks import invite, missed_call
from mailgate.networks.mail import MailSettings, sentences
from mailgate.offers.notice import Kind, Notice
from smtp_hooks.block import clean_name


def said(notice: Notice, settings: MailSettings, languages: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Title and text. Raises KeyError where a value is missing that the words name."""
    if notice.kind in (Kind.MISSED_CALL, Kind.OFFERED):
        return _call(notice)
    says = languages.get(notice.language.partition("-")[0].lower()) or languages["en"]
    values = dict(notice.values) | {"organisation": settings.organisation, "my": f"{settings.public_url}/my"}
    values["link"] = f"{settings.public_url}/my/in/{values.get('secret', '')}"
    invitation = invite.of(notice, settings)
    if invitation:
        values |= {"when": invitation.when, "page": invitation.page}
    told = sentences(notice, says, values)
    if values.get("text"):
        told.append(f"“{values['text']}”")
    return says[f"{notice.kind.value}-subject"].format_map(values), "\n\n".join(told)


def _call(notice: Notice) -> tuple[str, str]:
    words, values = missed_call.words(), notice.values
    says = words.get(notice.language.partition("-")[0].lower()) or words["en"]
    known = "-offered" if notice.kind is Kind.OFFERED else "" if values.get("offeror") else "-guest"
    told = {"offeror": clean_name(values["offeror"]) if values.get("offeror") else says["guest"]}
    text = [says[f"called{known}"].format_map(told)]
    if values.get("why"):
        text.append(says[values["why"]])
    if notice.kind is Kind.MISSED_CALL and not values.get("token"):
        text.append(says["note"])
    elif values.get("on_line"):
        text.append(says["on-line"])
    return says[f"subject{known}"].format_map(told), " ".join(text)
