"""Letters that Ada sends in the end-to-end tests, with her hidden number written in several ways."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

PLAIN = f"""Dear Ben,

the drawings are ready. Call me on 01 99 00 12 34 or +33 (0)1 99 00 12 34.

--{" "}
Ada Lovelace
Tel. 0033 1 99.00.12.34
"""

HTML = """<html><body><p>Dear Ben,</p>
<p>the drawings are ready. Call me on <a href="tel:+33199001234">01&nbsp;99&nbsp;00&nbsp;12&nbsp;34</a>.</p>
<p>Ada Lovelace<br>Tel. <b>01 99</b> 00 12 34</p></body></html>
"""


def letter(*, plain: bool = True, html: bool = True, to: str = "ben@example.net", subject: str = "") -> EmailMessage:
    """A message as a mail program writes it: text, HTML, or both as alternatives."""
    message = EmailMessage()
    message["From"] = "Ada Lovelace <ada@example.org>"
    message["To"] = f"Ben <{to}>"
    message["Subject"] = subject or "The drawings (or ring +33199001234)"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain="example.org")
    if plain:
        message.set_content(PLAIN)
    if html and plain:
        message.add_alternative(HTML, subtype="html")
    elif html:
        message.set_content(HTML, subtype="html")
    return message
