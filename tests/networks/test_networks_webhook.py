"""Webhooks on the wire: signed as the standard says, and led nowhere inside, whatever a name or an answer says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.certificates import Authority
from lab.hooks import receiver

from mailgate.networks.outside import is_public, parse
from mailgate.networks.webhook import NotSent, WebhookNetwork, resolve
from mailgate.offers import hook
from mailgate.offers.hook import Parcel, target

LOOPBACK = (IPv4Network("127.0.0.0/8"),)
SECRET = hook.secret_of(bytes(range(32)))
BODY = b'{"type":"offer.made"}'


def parcel(url: str) -> Parcel:
    return hook.parcel(url, [SECRET], "evt_1", BODY, 1_800_000_000.0)


class Names:
    """A resolver under the test's control: each question takes the next answer, the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_no_way_inside(text: str) -> None:
    assert not is_public(parse(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_what_is_public(text: str) -> None:
    assert is_public(parse(text))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_takes_for_private(address: object) -> None:
    known = ip_address(str(address))
    if is_public(known):
        assert known.is_global and not known.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/",
        "https:///path",
        "https://user@hooks.example/",
        "https://user:pass@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:25/",
        "https://hooks.example:99999/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX: y",
        "https://hooks.example\\@127.0.0.1/",
        "https://höoks.example/",
        "javascript:alert(1)",
        "https://hooks.example/" + "x" * 1000,
    ],
)
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    with pytest.raises(ValueError):
        target(url)


def test_the_signature_is_that_of_the_standard() -> None:
    """Worked out anew, by the words of the standard, not by our function."""
    sent = parcel("https://hooks.example/")
    key = base64.b64decode(SECRET[len("whsec_") :])
    expected = base64.b64encode(hmac.new(key, b"evt_1.1800000000." + BODY, hashlib.sha256).digest()).decode()
    assert sent.headers == {
        "webhook-id": "evt_1",
        "webhook-timestamp": "1800000000",
        "webhook-signature": f"v1,{expected}",
    }
    both = hook.parcel("https://hooks.example/", [SECRET, hook.secret_of(bytes(32))], "evt_1", BODY, 1.0)
    assert len(both.headers["webhook-signature"].split(" ")) == 2


def test_the_signature_fits_the_standard_s_own_example() -> None:
    """From the specification of Standard Webhooks."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = hook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_an_event_arrives_as_it_was_signed() -> None:
    async with receiver() as there:
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
        status = await network.send(parcel(f"http://hooks.example:{there.port}/calls?shop=1"))
    assert status == 204
    [got] = there.got
    assert got.line == "POST /calls?shop=1 HTTP/1.1"
    assert got.headers["host"] == f"hooks.example:{there.port}" and got.headers["webhook-id"] == "evt_1"
    assert got.headers["content-type"] == "application/json" and got.body == BODY


@pytest.mark.parametrize(
    "url", ["https://hooks.example/", "https://localhost/", "https://127.0.0.1/", "https://[::1]/"]
)
async def test_names_and_addresses_inside_are_not_sent_to(url: str) -> None:
    with pytest.raises(NotSent, match="not public"):
        await WebhookNetwork(resolve=Names(["127.0.0.1"])).send(parcel(url))


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
async def test_every_way_to_write_loopback_is_loopback(host: str) -> None:
    async with receiver() as there:
        with pytest.raises(NotSent):
            await WebhookNetwork(resolve=resolve).send(parcel(f"https://{host}:{there.port}/"))
        assert there.connections == 0


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(NotSent, match="not public"):
        await WebhookNetwork(resolve=Names(["1.1.1.1", "10.0.0.1"])).send(parcel("https://hooks.example/"))


async def test_a_name_that_changes_between_look_and_connection_leads_nowhere_else() -> None:
    """DNS rebinding: the second answer would be another host; it is never asked for."""
    judged = (IPv4Network("127.0.0.2/32"),)
    async with receiver("127.0.0.2") as good, receiver("127.0.0.1", good.port) as bad:
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        network = WebhookNetwork(inside=judged, resolve=names)
        assert await network.send(parcel(f"http://hooks.example:{good.port}/")) == 204
        assert (len(names.asked), good.connections, bad.connections) == (1, 1, 0)
        with pytest.raises(NotSent, match="not public"):  # the next try judges anew
            await network.send(parcel(f"http://hooks.example:{good.port}/"))
        assert (good.connections, bad.connections) == (1, 0)


async def test_plain_http_is_for_named_networks_only() -> None:
    with pytest.raises(NotSent, match="use https"):
        await WebhookNetwork(inside=LOOPBACK, resolve=Names(["1.1.1.1"])).send(parcel("http://hooks.example/"))


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with receiver() as other, receiver() as there:
        there.answer = (
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
        assert await network.send(parcel(f"http://hooks.example:{there.port}/")) == 302
        assert other.connections == 0


async def test_the_environment_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy, receiver() as there:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
        assert await network.send(parcel(f"http://hooks.example:{there.port}/")) == 204
        assert proxy.connections == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
async def test_an_answer_that_is_none(octets: bytes) -> None:
    async with receiver() as there:
        there.answer = octets
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]), within_s=3)
        with pytest.raises(NotSent):
            await network.send(parcel(f"http://hooks.example:{there.port}/"))


async def test_an_endless_body_is_not_read() -> None:
    async with receiver() as there:
        there.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 100_000
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
        assert await network.send(parcel(f"http://hooks.example:{there.port}/")) == 200


async def test_a_receiver_that_sleeps_is_left() -> None:
    async with receiver() as there:
        there.delay_s = 2
        network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]), within_s=0.3)
        with pytest.raises(NotSent, match="no answer within"):
            await network.send(parcel(f"http://hooks.example:{there.port}/"))


async def test_nobody_there() -> None:
    network = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
    with pytest.raises(NotSent, match="no connection"):
        await network.send(parcel("http://hooks.example:1027/"))
    with pytest.raises(NotSent, match="no address"):
        await WebhookNetwork(resolve=Names([])).send(parcel("https://hooks.example/"))


async def test_the_certificate_must_be_the_name_s(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("hooks.example"))
    async with receiver(tls=context) as there:
        network = WebhookNetwork(inside=LOOPBACK, ca_file=authority.path, resolve=Names(["127.0.0.1"]))
        assert await network.send(parcel(f"https://hooks.example:{there.port}/")) == 204
        with pytest.raises(NotSent, match="TLS"):
            await network.send(parcel(f"https://other.example:{there.port}/"))
        stranger = WebhookNetwork(inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
        with pytest.raises(NotSent, match="TLS"):
            await stranger.send(parcel(f"https://hooks.example:{there.port}/"))
        await asyncio.sleep(0.05)
    assert len(there.got) == 1
