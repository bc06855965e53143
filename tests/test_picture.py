"""Where the icon is left out: where a filter would take the message for a picture with a link round it."""

from __future__ import annotations

import pytest

from smtp_hooks.mime import Site, locate
from smtp_hooks.picture import suits

PAGE = b"Content-Type: text/html\r\n\r\n<p>Hello</p>"
SIGNATURE = b"Content-Type: text/html\r\n\r\n<p>a signature of its own</p>"
LONG = b"Content-Type: text/html\r\n\r\n<p>" + b"words " * 600 + b"</p>"
PICTURE = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo="
NAMED, BARE = b"Ada Lovelace <ada@example.org>", b"ada@example.org"


def message(*parts: bytes, sender: bytes = NAMED, to: bytes = b"<ben@example.net>") -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    head = b"From: " + sender + b"\r\nTo: " + to + b"\r\nMIME-Version: 1.0\r\n"
    return head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + inner + b"--b--\r\n"


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (message(PAGE), True),
        (message(PAGE, SIGNATURE), False),
        (message(SIGNATURE, LONG), True),
        (message(PAGE, PICTURE), True),
        (message(PAGE, sender=BARE), True),
        (message(PAGE, to=b"ben@example.net"), True),
        (message(PAGE, sender=BARE, to=b"ben@example.net"), False),
        (message(PAGE, sender=b"<ada@example.org>", to=b"ben@example.net"), False),
        (message(PAGE, sender=b"ada <ada@example.org>", to=b"ben@example.net"), False),
        (message(PAGE, sender=b"=?utf-8?q?Ada_L?= <ada@example.org>", to=b"ben@example.net"), True),
        (message(PAGE, PICTURE, sender=BARE, to=b"ben@example.net"), True),
        (message(PAGE, sender=BARE, to=b"<ben@example.net>, cat@example.net"), True),
        (b"From: ada@example.org\r\n\r\nno HTML at all\r\n", True),
    ],
)
def test_suits(letter: bytes, expected: bool) -> None:
    site = locate(letter)
    assert isinstance(site, Site)
    assert suits(letter, site) is expected
