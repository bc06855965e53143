"""Links of ours in a thread: found in every encoding, and made worthless without touching anything else."""

from __future__ import annotations

import base64
import quopri

import pytest

from smtp_hooks.mime import Site, locate
from smtp_hooks.quoted import WORTHLESS, disarm, tokens_in

PREFIX = "https://call.example.org/a/"
BEN, CARLA = "AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7i_o", "AZ3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7i-o"
HEAD = b"From: ada@example.org\r\nMIME-Version: 1.0\r\n"


def sited(message: bytes) -> Site:
    site = locate(message)
    assert isinstance(site, Site)
    return site


def plain(text: str, encoding: str = "7bit") -> bytes:
    octets = text.encode("ascii")
    match encoding:
        case "base64":
            octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        case "quoted-printable":
            octets = quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    fields = f"Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    return HEAD + fields + octets


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_only_the_named_token_is_made_worthless(encoding: str) -> None:
    text = "Fine.\r\n\r\nOn Monday, Ben wrote:\r\n" + "".join(
        f"> words before it {PREFIX}{token} and behind it, so that the line is long\r\n" for token in (BEN, CARLA, BEN)
    )
    message = plain(text, encoding)
    assert tokens_in(sited(message), PREFIX) == (BEN, CARLA)
    out = disarm(message, sited(message), PREFIX, {BEN}, eight_bit=True)
    assert isinstance(out, bytes)
    after = sited(out).plain
    assert after is not None and after.body.text == text.replace(BEN, WORTHLESS)
    assert tokens_in(sited(out), PREFIX) == (CARLA,)


@pytest.mark.parametrize(
    "link",
    [
        f'<a href="{PREFIX}{BEN}">call</a>',
        f'<a href="{PREFIX.upper()}{BEN}">call</a>',
        f'<a href="https://safe.example/?url=https%3A%2F%2Fcall.example.org%2Fa%2F{BEN}&amp;data=1">call</a>',
        f'<a href="https://safe.example/?url=https%253A%252F%252Fcall.example.org%252Fa%252F{BEN}">call</a>',
        f'<a href="https:&#47;&#47;call.example.org&#47;a&#47;{BEN}">call</a>',
        f'<a href="http://call.example.org/a/{BEN}">call</a>',
    ],
)
def test_links_in_html_are_seen_as_link_protectors_write_them(link: str) -> None:
    message = HEAD + b"Content-Type: text/html\r\n\r\n<html><body>" + link.encode() + b"</body></html>\r\n"
    assert tokens_in(sited(message), PREFIX) == (BEN,)
    out = disarm(message, sited(message), PREFIX, {BEN}, eight_bit=True)
    assert out == message.replace(BEN.encode(), WORTHLESS.encode())


@pytest.mark.parametrize(
    "text",
    [
        f"https://other.example.org/a/{BEN}",
        f"{PREFIX}{BEN}x",
        f"{PREFIX}{BEN[:-1]}",
        f"{PREFIX}b/{BEN}",
        BEN,
    ],
)
def test_what_is_no_link_of_ours_is_not_taken_for_one(text: str) -> None:
    assert tokens_in(sited(plain(text + "\r\n")), PREFIX) == ()


def test_a_prefix_with_port_and_path_is_meant_as_it_stands() -> None:
    prefix = "http://127.0.0.1:8480/calls/a/"
    message = plain(f"> {prefix}{BEN}\r\n")
    assert tokens_in(sited(message), prefix) == (BEN,)
    assert tokens_in(sited(message), "http://127.0.0.1:8480/a/") == ()
