"""The demo's mail program: what it writes is what people send, and what it shows is what came."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from demo_page.letters import Letter, compose, show

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = "word " * 30 + "call me on +33 1 99 00 12 34 please"


def letter(text: str, rich: bool = True) -> EmailMessage:
    people = {"sender": Address("Ada", "ada", "example.org"), "recipient": Address("Ben", "ben", "example.net")}
    return compose(Letter(subject="x", text=text, rich=rich, **people), message_id="1@example.org", now=NOW)


def test_a_letter_has_both_parts_and_a_link_for_the_number() -> None:
    message = letter(LONG)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = (part.get_content() for part in message.iter_parts())
    assert "+33 1 99 00 12 34" in plain  # not broken across lines
    assert '<a href="tel:+33199001234">+33 1 99 00 12 34</a>' in rich
    assert max(map(len, plain.splitlines())) <= 72


def test_a_plain_letter_has_one_part() -> None:
    assert letter("hello", rich=False).get_content_type() == "text/plain"


def test_a_subject_of_two_lines_is_refused() -> None:
    people = {"sender": Address("Ada", "ada", "example.org"), "recipient": Address("Ben", "ben", "example.net")}
    with pytest.raises(ValueError, match="linefeed"):
        compose(Letter(subject="x\nBcc: eve@example.com", text="", **people), message_id="1@x", now=NOW)


def test_markup_in_a_letter_stays_text() -> None:
    _, rich = (part.get_content() for part in letter("a <script>b</script> & c").iter_parts())
    assert "<script>" not in rich and "&lt;script&gt;" in rich


def test_inline_images_are_shown_and_others_left_alone() -> None:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.org>"
    message.set_content("text")
    message.add_alternative('<p><img src="cid:icon@x"><img src="cid:none@x"></p>', subtype="html")
    message.get_payload()[1].add_related(b"PNG", maintype="image", subtype="png", cid="<icon@x>")
    shown = show(message.as_bytes())
    assert 'src="data:image/png;base64,UE5H"' in shown.page and 'src="cid:none@x"' in shown.page
    assert (shown.sender, shown.text) == ("Ada", "text\n")


def test_a_message_without_html_is_shown_as_text_with_its_link() -> None:
    page = show(letter("see http://127.0.0.1/a/x <b>", rich=False).as_bytes()).page
    assert '<a href="http://127.0.0.1/a/x">' in page and "&lt;b&gt;" in page
