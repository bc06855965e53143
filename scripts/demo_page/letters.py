"""The demo's mail program: writes Ada's letters, and shows what lies in a mailbox. Pure.

Letter → EmailMessage (text/plain, or multipart/alternative), as mail programs make it: links for telephone numbers
and all. Message bytes → Shown: the HTML for a frame without scripts, with inline images as `data:` URLs.
Standards: RFC 5322, RFC 2045 and 2046, RFC 2392 (cid:).
Known limits: shows what the demo sends, not any message; attachments are not listed.
"""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.utils import format_datetime
from textwrap import fill

NUMBER = re.compile(r"(?<![\w+])(?:\+|0)\d(?:[ .()/-]{0,2}\d){7,14}(?!\w)")
"""What mail programs take for a telephone number; good enough for letters of the demo."""

_WIDTH = 72
_STYLE = "font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:1.45"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What the sender writes. `text` has paragraphs, parted by empty lines; `rich` adds an HTML part."""

    sender: Address
    recipient: Address
    subject: str
    text: str
    rich: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as a mail program shows it: `page` is a whole HTML document, `text` the text/plain part."""

    message_id: str
    sender: str
    subject: str
    page: str
    text: str


def compose(letter: Letter, *, message_id: str, now: datetime) -> EmailMessage:
    """The message that goes to the submission server. Raises ValueError for a subject that is no single line."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = letter.sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}>"
    text = _wrapped(letter.text)
    message.set_content(text + "\n")
    if letter.rich:
        message.add_alternative(_rich(text), subtype="html")
    return message


def _wrapped(text: str) -> str:
    """Lines of at most 72 characters, as many mail programs send them; numbers stay on one line."""
    whole = NUMBER.sub(lambda m: m[0].replace(" ", "\xa0"), text.replace("\r\n", "\n").strip("\n"))
    lines = [line if len(line) <= _WIDTH else fill(line, _WIDTH, break_on_hyphens=False) for line in whole.split("\n")]
    return "\n".join(lines).replace("\xa0", " ")


def _rich(text: str) -> str:
    """The HTML that a mail program makes of the same text."""
    body, _, signature = text.strip("\n").partition("\n-- \n")
    paragraphs = "\n".join(f"<p>{_linked(p)}</p>" for p in re.split(r"\n\s*\n", body) if p.strip())
    if signature:
        lines = _linked(signature).replace("\n", "<br>\n")
        paragraphs += f'\n<p style="color:#666666;font-size:13px">--<br>\n{lines}</p>'
    return (
        "<!doctype html>\n<html>\n<head><title>Letter</title></head>\n"
        f'<body>\n<div style="{_STYLE}">\n{paragraphs}\n</div>\n</body>\n</html>\n'
    )


def _linked(text: str) -> str:
    def link(found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        return f'<a href="tel:{"+" if found[0].startswith("+") else ""}{digits}">{found[0]}</a>'

    return NUMBER.sub(link, html.escape(text.strip(), quote=False))


def show(message: bytes) -> Shown:
    """How the recipient sees a message."""
    parsed = message_from_bytes(message, policy=policy.default)
    plain, rich = parsed.get_body(("plain",)), parsed.get_body(("html",))
    text = _content(plain)
    page = _framed(_with_images(_content(rich), parsed)) if rich is not None else _text_page(text)
    return Shown(
        message_id=str(parsed["Message-ID"] or "").strip().strip("<>"),
        sender=_display(parsed),
        subject=str(parsed["Subject"] or ""),
        page=page,
        text=text,
    )


def _content(part: MIMEPart | None) -> str:
    return str(part.get_content()) if part is not None else ""


def _display(message: EmailMessage) -> str:
    addresses = message["From"].addresses if message["From"] else ()
    return addresses[0].display_name or addresses[0].addr_spec if addresses else "unknown"


def _with_images(page: str, message: EmailMessage) -> str:
    """Each `cid:` as the image itself (RFC 2392: the URL is percent-encoded, the field stands in angle brackets)."""
    images: dict[str, str] = {}
    for part in message.walk():
        if part.get_content_maintype() == "image" and part["Content-ID"]:
            data = base64.b64encode(part.get_content()).decode()
            images[str(part["Content-ID"]).strip().strip("<>")] = f"data:{part.get_content_type()};base64,{data}"
    return re.sub(r"cid:([^\"'\s>)]+)", lambda m: images.get(m[1], m[0]), page)


def _framed(page: str) -> str:
    """Room around the message, as every mail program gives it; nothing else of it changes."""
    style = "<style>body{margin:14px 18px}</style>"
    head = re.search(r"<head[^>]*>", page, re.IGNORECASE)
    return page[: head.end()] + style + page[head.end() :] if head else style + page


def _text_page(text: str) -> str:
    linked = re.sub(r"(https?://[^\s<>\"]+)", r'<a href="\1">\1</a>', html.escape(text, quote=False))
    style = "margin:14px 18px;font:15px/1.5 ui-monospace,'DejaVu Sans Mono',monospace;white-space:pre-wrap"
    return f'<!doctype html><meta charset="utf-8"><body style="{style}">{linked}</body>'
