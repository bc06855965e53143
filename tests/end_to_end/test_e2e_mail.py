"""A message from Ada's mail program to Ben's mailbox, through a real Postfix, the gateway, and Postfix again."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest
from e2e_hidden import faces, shows
from e2e_letters import letter
from lab.world import ADA_NUMBER, BEN, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


CARLA = "carla@example.net"


@pytest.fixture
def world(one_world: World) -> World:
    return one_world


async def deliver(world: World, message: EmailMessage | bytes, *, sender: str = "ada@example.org") -> bytes:
    before = len(world.mailbox(BEN))
    await world.submit(message, sender=sender)
    return (await world.wait_for_mail(BEN, before + 1))[-1]


def parts_of(message: bytes) -> dict[str, EmailMessage]:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    return {part.get_content_type(): part for part in parsed.walk()}  # type: ignore[misc]


def body_of(message: bytes) -> bytes:
    return (
        message.partition(b"\n\n")[2].replace(b"\r\n", b"\n")
        if b"\r\n\r\n" not in message
        else (message.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"))
    )


@pytest.mark.claim("T4", "T5", "T19", "T20", "T14", "T29", "C11", "C21", "C25")
async def test_the_offer_arrives_and_the_number_does_not(world: World) -> None:
    arrived = await deliver(world, letter())
    parts = parts_of(arrived)
    (link,) = world.links(arrived)
    assert re.fullmatch(re.escape(world.gateway.url) + r"/a/[A-Za-z0-9_-]{36}", link)
    assert f"\n{link}\n" in parts["text/plain"].get_content().replace("\r\n", "\n")
    html = parts["text/html"].get_content()
    image = re.search(r'<img[^>]*src="cid:([^"]+)"', html)
    assert image is not None and link in html
    assert parts["image/png"]["Content-ID"] == f"<{image[1]}>"
    assert parts["image/png"].get_content().startswith(b"\x89PNG")
    assert "Ada Lovelace" in parts["text/plain"].get_content()
    assert not any(shows(face, ADA_NUMBER) for face in faces(arrived))
    assert world.dkim_valid(arrived)


async def test_a_letter_of_one_part_gets_what_fits_it(world: World) -> None:
    plain = parts_of(await deliver(world, letter(html=False)))
    assert set(plain) == {"text/plain"}
    html = parts_of(await deliver(world, letter(plain=False)))
    assert set(html) == {"multipart/related", "text/html", "image/png"}


async def test_each_recipient_has_a_token_of_its_own(world: World) -> None:
    before = len(world.mailbox(BEN)), len(world.mailbox(CARLA))
    await world.submit(letter(), recipients=[BEN, CARLA])
    to_ben = (await world.wait_for_mail(BEN, before[0] + 1))[-1]
    to_carla = (await world.wait_for_mail(CARLA, before[1] + 1))[-1]
    assert len({*world.links(to_ben), *world.links(to_carla)}) == 2
    listed = world.gateway.run("offers").stdout
    assert BEN in listed and CARLA in listed


@pytest.mark.claim("T27")
async def test_without_an_account_nothing_is_touched(world: World) -> None:
    message = letter().as_bytes(policy=email.policy.SMTP)
    before = world.gateway.log.count("reason=no-account")
    arrived = await deliver(world, message, sender="eve@example.org")
    assert body_of(arrived) == body_of(message)
    assert b"DKIM-Signature" not in arrived
    assert world.gateway.log.count("reason=no-account") == before + 1


SIGNED = b"""From: Ada <ada@example.org>\r
To: ben@example.net\r
Subject: signed\r
Date: Sat, 21 Nov 2026 12:00:00 +0000\r
Message-ID: <signed@example.org>\r
MIME-Version: 1.0\r
Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
my number is 01 99 00 12 34\r
--b\r
Content-Type: application/pgp-signature\r
\r
-----BEGIN PGP SIGNATURE-----\r
\r
iQ==\r
-----END PGP SIGNATURE-----\r
--b--\r
"""


@pytest.mark.parametrize(
    "message",
    [
        SIGNED,
        SIGNED.replace(b"\r\n--b--\r\n", b"\r\n"),
        SIGNED.replace(b"signed; protocol", b"mixed; protocol").replace(b"--b--", b""),
    ],
    ids=["signed", "signed and cut off", "without its last boundary"],
)
async def test_what_cannot_be_changed_safely_arrives_as_it_was(world: World, message: bytes) -> None:
    arrived = await deliver(world, message)
    assert body_of(arrived) == body_of(message)
    assert b"DKIM-Signature" not in arrived


async def test_required_hiding_refuses_what_would_show_the_number(world: World) -> None:
    before = len(world.mailbox(BEN))
    world.gateway.run("account", "change", "ada@example.org", "--hide", "required")
    await asyncio.sleep(1.5)  # accounts are remembered until the clock sees what another process has written
    await world.submit(SIGNED)
    for _ in range(200):
        log = world.postfix.log()
        if "status=bounced" in log:
            break
        await asyncio.sleep(0.1)
    assert "550 5.7.1" in log and "text/plain" in log
    world.gateway.run("account", "change", "ada@example.org", "--hide", "best-effort")
    await asyncio.sleep(1.5)
    assert len(world.mailbox(BEN)) == before


async def test_the_sender_s_own_words_are_left_alone(world: World) -> None:
    """Take out what was put in and put the numbers back: every other line is as Ada wrote it."""
    message = letter()
    arrived = parts_of(await deliver(world, message))["text/plain"].get_content()
    sent = message.get_body(("plain",))
    assert sent is not None
    kept = set(arrived.replace("\r\n", "\n").splitlines())
    for line in sent.get_content().splitlines():
        if "99" not in line:
            assert line in kept


async def test_spam_filters_think_no_worse_of_it(folder: Path) -> None:
    """Links lead to a name under https, as they do anywhere but on loopback; a bare address is suspect by itself."""

    def score(message: bytes) -> float:
        done = subprocess.run(
            ["spamassassin", "-L", "-t", "-x"], input=message, capture_output=True, check=True, timeout=60
        )
        found = re.search(rb"X-Spam-Status:.*?score=(-?[0-9.]+)", done.stdout, re.DOTALL)
        assert found is not None, done.stdout[:2000]
        print(done.stdout[:3000].decode(errors="replace"))
        return float(found[1])

    async with World(folder, configuration={"gateway": {"public_url": "https://call.example.org"}}) as world:
        for shape in ({}, {"html": False}, {"plain": False}):
            message = letter(**shape, subject="The drawings")
            before = await deliver(world, message, sender="eve@example.org")
            after = await deliver(world, message)
            assert b"X-Call-Offer-Trace" in after
            rise = await asyncio.to_thread(score, after) - await asyncio.to_thread(score, before)
            assert rise <= 0.5, (shape, rise)
