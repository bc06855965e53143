"""Web Push on the wire: led nowhere inside, by https alone, and what the service answers taken at its word."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lab.certificates import Authority
from lab.hooks import Receiver, receiver

from mailgate import config as configuration
from mailgate import push_key
from mailgate.accounts.subscription import Subscription, checked, read
from mailgate.errors import ConfigError
from mailgate.listeners import pushes
from mailgate.networks.push import PushNetwork
from mailgate.networks.webhook import NotSent, WebhookNetwork
from mailgate.pushing import Push, Sent, payload
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from tokens.keys import added

P256DH = push_key.public_text(ec.derive_private_key(7, ec.SECP256R1()))
AUTH = "AAECAwQFBgcICQoLDA0ODw"
NOW = 1_800_000_000.0


def push(endpoint: str) -> Push:
    to = Subscription(endpoint=endpoint, p256dh=P256DH, auth=AUTH)
    return Push(subscription=to, payload=payload("Ada Lovelace offers you a call", "tag", "en"), topic="t", ttl_s=60)


class Names:
    """A resolver under the test's control: each question takes the next answer, the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def network(hooks: WebhookNetwork) -> PushNetwork:
    return PushNetwork(push_key.load(push_key.generate()), contact="calls@example.org", hooks=hooks, now=lambda: NOW)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Receiver]:
    authority = Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("push.example"))
    async with receiver(tls=tls) as made:
        yield made


def reaching(tmp_path: Path, *answers: Sequence[str], inside: Sequence[str] = ()) -> PushNetwork:
    return network(
        WebhookNetwork(
            inside=[IPv4Network(each) for each in inside],
            ca_file=tmp_path / "Test-authority.pem",
            resolve=Names(*answers),
        )
    )


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (200, Sent.TAKEN),
        (201, Sent.TAKEN),
        (301, Sent.FAILED),
        (400, Sent.FAILED),
        (403, Sent.FAILED),
        (404, Sent.GONE),
        (410, Sent.GONE),
        (429, Sent.FAILED),
        (500, Sent.FAILED),
    ],
)
async def test_the_service_is_taken_at_its_word(service: Receiver, tmp_path: Path, status: int, sent: Sent) -> None:
    service.answer = status
    at = reaching(tmp_path, ["127.0.0.1"], inside=["127.0.0.0/8"])
    assert await at.send(push(f"https://push.example:{service.port}/x")) is sent
    assert len(service.got) == 1, "and led nowhere else"
    assert service.got[0].headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("endpoint", ["https://push.example:{}/x", "http://push.example:{}/x"])
async def test_a_name_that_leads_inside_is_not_sent_to(service: Receiver, tmp_path: Path, endpoint: str) -> None:
    at = reaching(tmp_path, ["1.1.1.1", "127.0.0.1"])
    with pytest.raises(NotSent):
        await at.judge(endpoint.format(service.port))
    assert await at.send(push(endpoint.format(service.port))) is Sent.FAILED
    assert service.connections == 0


async def test_a_name_that_changes_its_mind_leads_nowhere(service: Receiver, tmp_path: Path) -> None:
    at = reaching(tmp_path, ["1.1.1.1"], ["127.0.0.1"])
    await at.judge(f"https://push.example:{service.port}/x")
    assert await at.send(push(f"https://push.example:{service.port}/x")) is Sent.FAILED
    assert service.connections == 0


async def test_https_alone_even_inside(service: Receiver, tmp_path: Path) -> None:
    at = reaching(tmp_path, ["127.0.0.1"], inside=["127.0.0.0/8"])
    with pytest.raises(NotSent, match="https"):
        await at.judge(f"http://push.example:{service.port}/x")
    assert await at.send(push(f"http://push.example:{service.port}/x")) is Sent.FAILED
    assert service.connections == 0


def test_what_is_stored_is_read_again() -> None:
    made = checked("https://push.example/x", f"{P256DH}=", f"{AUTH}==")
    assert read(made.text()) == made and made.p256dh == P256DH
    assert "push.example" not in repr(made)


def test_payloads_tell_nothing_by_their_length() -> None:
    names = ["Ö", "Ada Lovelace", "Ada " * 40]
    assert {len(payload(f"{name} offers you a call", "t" * 32, "en")) for name in names[:2]} == {256}
    assert all(len(payload(name * 100, "t" * 32, "en")) <= 3000 for name in names), "one record of RFC 8291, 4"


# --- the key ----------------------------------------------------------------------------------------------------------

TOML = """
[gateway]
name = "Analytical Engines"
public_url = "https://call.example.org"
number = "+33199000000"
region = "FR"
[listening]
push = {push}
push_key_file = "{file}"
"""


def made(folder: Path, *, file: str = "keys/push.pem", push: bool = True) -> str | None:
    """The public key of a gateway that starts with that configuration; None: it wakes nobody."""
    path = folder / "mailgate.toml"
    path.write_text(TOML.format(file=file, push=str(push).lower()))
    database = folder / "store.db"
    database.touch()
    store = Store(database)
    try:
        found = pushes(
            configuration.load(path),
            store=store,
            sealer=Sealer(added(None, "n1", b"n" * 32)),
            say=lambda notice: ("", ""),
            contact="calls@example.org",
        )
    finally:
        store.close()
    return found.server_key if found else None


def test_a_missing_key_is_made_once(tmp_path: Path) -> None:
    first = made(tmp_path)
    assert first and len(first) == 87
    path = tmp_path / "keys" / "push.pem"
    assert path.stat().st_mode & 0o777 == 0o640
    assert made(tmp_path) == first
    path.unlink()
    assert made(tmp_path) != first


def test_without_a_key_nobody_is_woken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert made(tmp_path, push=False) is None
    assert not (tmp_path / "keys").exists()
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert made(tmp_path, file="file/push.pem") is None
    assert "closed pages are not woken" in caplog.text and "file/push.pem" in caplog.text


def test_a_file_that_holds_no_such_key_is_named(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"nonsense", other):
        (tmp_path / "bad.pem").write_bytes(content)
        (tmp_path / "bad.pem").chmod(0o640)
        with pytest.raises(ConfigError, match=r"bad\.pem"):
            made(tmp_path, file="bad.pem")
