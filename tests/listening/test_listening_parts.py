"""The parts of listening that need no gateway: words, proofs, addresses that may be connected to, the screen."""

from __future__ import annotations

import contextlib
import io
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import Channel, Kind
from mailgate.errors import MailgateError
from mailgate.listen import commands, protocol
from mailgate.listen.client import socket_address
from mailgate.listen.commands import Be, KeepQuiet, MakeOffer, NoCommand, OnOffer, Simply
from mailgate.listen.proof import device_proof, gateway_proof
from mailgate.listen.protocol import Status
from mailgate.listen.screen import Screen, clean
from mailgate.networks.socket import NotAllowed, resolve, where
from mailgate.presence import OpenSocket, Presence


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("accept", OnOffer(what="accept")),
        ("a 2 +33199000002", OnOffer(what="accept", number=2, text="+33199000002")),
        ("accept sip:ben", OnOffer(what="accept", text="sip:ben")),
        ("decline 1 in a meeting", OnOffer(what="decline", number=1, text="in a meeting")),
        ("l", OnOffer(what="later")),
        ("w 3 at noon", OnOffer(what="answer", number=3, text="at noon")),
        ("offer ben@example.net", MakeOffer(address="ben@example.net")),
        ("status BUSY", Be(status="busy")),
        ('quiet "Mon-Sun 0-7" Europe/Paris', KeepQuiet(hours="Mon-Sun 0-7", zone="Europe/Paris")),
        ("quiet off", KeepQuiet(hours="")),
        ("?", Simply(what="help")),
        ("   ", None),
    ],
)
def test_what_is_typed(line: str, command: object) -> None:
    assert commands.read(line) == command


@pytest.mark.parametrize("line", ["call", "answer 1", "offer ben", "status gone", "quiet"])
def test_what_is_no_command_says_what_is(line: str) -> None:
    with pytest.raises(NoCommand):
        commands.read(line)


@given(st.text())
def test_a_device_may_say_anything(text: str) -> None:
    with contextlib.suppress(protocol.Malformed):
        protocol.from_device(text)


def test_messages_are_read_as_they_were_written() -> None:
    hello = protocol.Hello(key="k", name="laptop", channels=("sip:ben",), status="away")
    assert protocol.from_device(hello.wire()) == hello
    refused = protocol.Refused(about="make", reason="suppressed")
    assert protocol.from_gateway(refused.wire()) == refused
    with pytest.raises(protocol.Malformed):
        protocol.from_device(refused.wire())


@given(st.text(), st.text(), st.text())
def test_no_side_s_proof_serves_for_the_other(key: str, one: str, two: str) -> None:
    assert device_proof(key, one, two) != gateway_proof(key, one, two)
    assert device_proof(key, one, two) != device_proof(key + "x", one, two)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://call.example.org", "wss://call.example.org/listen"),
        ("call.example.org/calls/", "wss://call.example.org/calls/listen"),
        ("http://127.0.0.1:8480", "ws://127.0.0.1:8480/listen"),
    ],
)
def test_where_the_gateway_listens(url: str, address: str) -> None:
    assert socket_address(url) == address


@pytest.mark.parametrize("url", ["http://call.example.org", "ftp://call.example.org", "https://"])
def test_a_key_goes_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(MailgateError):
        socket_address(url)


@pytest.mark.parametrize("url", ["http://h/", "wss://", "wss://u:p@h/", "wss://h:99999/", "ws:h", "wss://h/#x"])
def test_what_is_no_socket(url: str) -> None:
    with pytest.raises(NotAllowed):
        where(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost", "169.254.169.254", "0x7f000001"])
async def test_nothing_outside_the_allowed_networks_is_connected_to(host: str) -> None:
    with pytest.raises(NotAllowed):
        await resolve(host, 80, [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])


async def test_an_allowed_address_is_connected_to() -> None:
    assert await resolve("127.0.0.1", 80, [ip_network("127.0.0.0/8")]) == "127.0.0.1"
    with pytest.raises(NotAllowed):
        await resolve("127.0.0.1", 80, [])


@given(st.text())
def test_nothing_of_a_stranger_moves_the_cursor(text: str) -> None:
    shown = clean(text)
    assert not [c for c in shown if ord(c) < 32 or c in "\x7f\x9b\u202e\u2066"] and "\n" not in shown


@pytest.mark.parametrize("plain", [True, False])
def test_words_of_strangers_are_words(plain: bool) -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, markup=False, width=100), plain=plain, notify=False)
    news = protocol.News(id="1", kind="replied", title="[bold]x[/bold]\x1b[2J", text="two\nlines\u202e")
    screen.news(news)
    assert "[bold]x[/bold]" in file.getvalue() and "\x1b" not in file.getvalue() and "\u202e" not in file.getvalue()
    assert not plain or file.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("says", "talks", "status"),
    [
        ("available", set(), "available"),
        ("available", {"ben"}, "busy"),
        ("available", {"desk"}, "available"),  # not verified: perhaps somebody else's
        ("available", {"eve"}, "available"),
        ("away", {"ben"}, "away"),
        ("dnd", {"ben"}, "dnd"),
    ],
)
async def test_who_talks_on_a_telephone_of_theirs_is_busy(says: Status, talks: set[str], status: Status) -> None:
    ben, desk = Channel(Kind.SIP, "ben"), Channel(Kind.SIP, "desk")
    account = Account(
        account_id="b",
        display_name="Ben Bright",
        addresses=("ben@example.net",),
        destinations=(
            Destination(name="default", display_name="Ben", channels=(ben, desk), verified=frozenset({ben})),
        ),
    )

    async def nothing(*text: str) -> None:
        return None

    present = Presence(lambda: 0.0, lambda name: name in talks)
    device = OpenSocket(
        account=account, device_id="1", name="laptop", channels=(), status=says, send=nothing, close=nothing
    )
    present.come(device)
    assert present.status(device) == status
    assert present.available("ben@example.net") == (status == "available")
