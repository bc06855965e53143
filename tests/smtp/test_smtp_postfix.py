"""Postfix → gateway → Postfix → Maildir, on exactly the configuration that is printed for admins."""

from __future__ import annotations

import asyncio
import re
import smtplib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import dkim
import pytest
from lab.ports import free_port
from lab.postfix import Postfix

from smtp_hooks.deploy import PostfixSettings, Way, render_postfix
from smtp_hooks.dkim import Signer, complete
from smtp_hooks.dkim_keys import dns_record, generate, load
from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.errors import Refused
from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.transaction import Passthrough, Transform

PEM = generate()
SIGNER = Signer([load("example.org", "s", PEM)])
GATEWAY = free_port()
RE_ENTRY = free_port()
MAILBOXES = tuple(f"{name}@example.net" for name in ("ben", "cat", "dan", "eve", "fay", "gus", "hal", "ivy", "müller"))


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf") as folder:
        postfix = Postfix(Path(folder), mailboxes=MAILBOXES)
        postfix.assemble()
        settings = PostfixSettings(
            listen=f"127.0.0.1:{GATEWAY}", re_entry=f"127.0.0.1:{RE_ENTRY}", services=(postfix.service, "none/inet")
        )
        script = render_postfix(settings)["filter.sh"]
        postfix.run_script(script)
        before = (postfix.config / "master.cf").read_bytes()
        postfix.run_script(script)
        assert (postfix.config / "master.cf").read_bytes() == before, "a second run changes something"
        postfix.start()
        try:
            yield postfix
        finally:
            postfix.stop()


@asynccontextmanager
async def gateway(transform: Transform, next_port: int = RE_ENTRY) -> AsyncIterator[Server]:
    relay = Relay(RelaySettings(host="127.0.0.1", port=next_port))
    server = Server(ServerSettings(port=GATEWAY, hostname="gate.example"), Passthrough(relay, transform))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await relay.close()


async def signed(envelope: Envelope, message: bytes) -> bytes:
    now = time.time()
    message = complete(message, now=now, message_id=f"<{now}@example.org>")
    return SIGNER.sign(message, reverse_path=envelope.reverse_path, now=now)


def submit(
    postfix: Postfix, message: bytes, *recipients: str, sender: str = "ada@example.org", options: tuple[str, ...] = ()
) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
        client.ehlo("client.example")
        assert client.mail(sender, options)[0] == 250
        for recipient in recipients:
            address, _, parameters = recipient.partition(" ")
            assert client.rcpt(address, parameters.split())[0] == 250
        code, text = client.data(message)
        assert code == 250, text


async def in_thread(function: Callable[..., object], *arguments: object, **keywords: object) -> None:
    await asyncio.to_thread(function, *arguments, **keywords)


async def delivered(postfix: Postfix, address: str, count: int = 1) -> list[bytes]:
    return await asyncio.to_thread(postfix.wait_for_mail, address, count=count)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def without_trace(message: bytes) -> bytes:
    """The message as handed to the last hop: what Postfix puts before it taken off."""
    return re.sub(
        rb"\A(?:(?:Return-Path|X-Original-To|Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+", b"", message
    )


def dkim_valid(message: bytes) -> bool:
    return bool(dkim.DKIM(message).verify(dnsfunc=lambda name, timeout=5: dns_record(PEM).encode()))


LEAN = b"From: Ada <ada@example.org>\r\nTo: ben@example.net\r\nSubject: lean\r\n\r\nNo Date, no Message-ID.\r\n"
RICH = (
    "From: Ada <ada@example.org>\r\nTo: undisclosed, local-name,\r\n  ben@example.net\r\nCc: root\r\nBcc:\r\n"
    "Subject: =?utf-8?q?8=2Dbit?=   and   blanks\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Grüße, 7 ‰ \t \r\n.\r\n..\r\n.dot\r\nFrom here\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n<p>ü</p>" + "x" * 900 + "\r\n--b--\r\n\r\n\r\n"
).encode()


@pytest.mark.parametrize("message", [LEAN, RICH], ids=["lean", "rich"])
async def test_signature_survives_the_way_back(postfix: Postfix, message: bytes) -> None:
    handed_over: list[bytes] = []

    async def transform(envelope: Envelope, message: bytes) -> bytes:
        handed_over.append(await signed(envelope, message))
        return handed_over[-1]

    before = len(postfix.mail("ben@example.net"))
    async with gateway(transform):
        await in_thread(submit, postfix, message, "ben@example.net", options=("BODY=8BITMIME",))
        arrived = (await delivered(postfix, "ben@example.net", before + 1))[-1]
    assert without_trace(arrived) == handed_over[0]
    assert handed_over[0].endswith(message.partition(b"\r\n\r\n")[2])
    assert dkim_valid(arrived)


async def test_each_recipient_gets_a_transaction_with_its_parameters(postfix: Postfix) -> None:
    """The envelope as it was submitted; a deferred recipient comes later, nobody twice."""
    envelopes: list[Envelope] = []

    async def transform(envelope: Envelope, message: bytes) -> bytes:
        envelopes.append(envelope)
        (recipient,) = envelope.recipients
        if recipient.address == "dan@example.net" and len(envelopes) <= 3:
            raise Refused(Reply(code=451, enhanced="4.3.0", text="not yet"))
        return b"X-For: " + recipient.address.encode() + b"\r\n" + message

    async with gateway(transform):
        await in_thread(
            submit,
            postfix,
            LEAN,
            "cat@example.net NOTIFY=FAILURE ORCPT=rfc822;Cat@example.net",
            "dan@example.net NOTIFY=FAILURE,DELAY",
            "eve@example.net",
            options=("RET=HDRS", "ENVID=QQ+2B1"),
        )
        for name in ("cat", "dan", "eve"):
            (arrived,) = await delivered(postfix, f"{name}@example.net")
            assert f"\r\nX-For: {name}@example.net\r\n".encode() in arrived
        await in_thread(wait_until, lambda: not postfix.queue())
    assert len(envelopes) == 4
    for envelope in envelopes:
        assert envelope.reverse_path == "ada@example.org"
        assert {"RET=HDRS", "ENVID=QQ+2B1"} <= set(envelope.parameters)
        assert envelope.client.trusted
    parameters = {envelope.recipients[0].address: set(envelope.recipients[0].parameters) for envelope in envelopes}
    assert parameters["cat@example.net"] == {"NOTIFY=FAILURE", "ORCPT=rfc822;Cat@example.net"}
    assert "NOTIFY=FAILURE,DELAY" in parameters["dan@example.net"]
    assert all(len(postfix.mail(f"{name}@example.net")) == 1 for name in ("cat", "dan", "eve"))


async def test_the_client_is_told_by_xforward_and_passed_on(postfix: Postfix) -> None:
    clients = []

    async def transform(envelope: Envelope, message: bytes) -> bytes:
        clients.append(dict(envelope.client.forwarded))
        return message

    async with gateway(transform):
        await in_thread(submit, postfix, LEAN, "fay@example.net")
        await delivered(postfix, "fay@example.net")
    (client,) = clients
    assert client["ADDR"] == "127.0.0.1"
    assert client["HELO"] == "client.example"
    submitted, passed_on = re.findall(r"smtpd\[\d+\]: (\w+): client=", postfix.log())[-2:]
    assert client["IDENT"] == submitted
    assert re.search(rf"{passed_on}: client=.*orig_queue_id={submitted}", postfix.log())


async def test_null_reverse_path(postfix: Postfix) -> None:
    senders = []

    async def transform(envelope: Envelope, message: bytes) -> bytes:
        senders.append(envelope.reverse_path)
        return message

    async with gateway(transform):
        await in_thread(submit, postfix, LEAN, "gus@example.net", sender="")
        (arrived,) = await delivered(postfix, "gus@example.net")
    assert senders == [""]
    assert arrived.startswith(b"Return-Path: <>\r\n")


async def test_utf8_addresses(postfix: Postfix) -> None:
    async def transform(envelope: Envelope, message: bytes) -> bytes:
        assert envelope.recipients[0].address == "müller@example.net"
        return message

    def submit_utf8() -> None:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
            client.ehlo()
            client.command_encoding = "utf-8"
            client.mail("ada@example.org", ("SMTPUTF8",))
            client.rcpt("müller@example.net")
            assert client.data(LEAN)[0] == 250

    async with gateway(transform):
        await in_thread(submit_utf8)
        await delivered(postfix, "müller@example.net")


@pytest.mark.parametrize("down", ["gateway", "next hop"])
async def test_nothing_is_lost_while_something_is_down(postfix: Postfix, down: str) -> None:
    mailbox = {"gateway": "hal@example.net", "next hop": "ivy@example.net"}[down]

    async def outage() -> None:
        await in_thread(submit, postfix, LEAN, mailbox)
        await in_thread(wait_until, lambda: any(entry["queue_name"] == "deferred" for entry in postfix.queue()))

    if down == "gateway":
        await outage()
    else:
        async with gateway(signed, next_port=free_port()):
            await outage()
    reasons = str([entry["recipients"] for entry in postfix.queue()])
    assert ("Connection refused" if down == "gateway" else "451 4.4.1") in reasons
    async with gateway(signed):
        await delivered(postfix, mailbox)
        await in_thread(wait_until, lambda: not postfix.queue())
    assert len(postfix.mail(mailbox)) == 1


async def test_a_large_message_arrives_whole(postfix: Postfix) -> None:
    large = LEAN + b"".join(b".%07d" % n + b"y" * 70 + b"\r\n" for n in range(70_000))
    before = len(postfix.mail("ben@example.net"))
    async with gateway(signed):
        await in_thread(submit, postfix, large, "ben@example.net")
        arrived = (await delivered(postfix, "ben@example.net", before + 1))[-1]
    assert arrived.endswith(large.partition(b"\r\n\r\n")[2])
    assert dkim_valid(arrived)


def test_senders_script_refuses_a_forged_sender() -> None:
    """Without the login that the map asks for, nobody sends as ada."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf") as folder:
        postfix = Postfix(Path(folder), mailboxes=["ben@example.net"])
        postfix.assemble(smtpd_sender_restrictions="reject_non_fqdn_sender")
        script = render_postfix(PostfixSettings())["senders.sh"]
        assert "Postfix then ignores the map" in postfix.run_script(script)
        postfix.assemble(smtpd_sender_restrictions="reject_non_fqdn_sender", smtpd_sasl_auth_enable="yes")
        logins = postfix.config / "logins"
        logins.write_text("ada@example.org ada\n")
        script = render_postfix(PostfixSettings(sender_logins=f"texthash:{logins}"))["senders.sh"]
        assert "ignores" not in postfix.run_script(script) + postfix.run_script(script)
        restrictions = postfix.postconf("smtpd_sender_restrictions")
        assert restrictions == "reject_sender_login_mismatch, reject_non_fqdn_sender"
        postfix.start()
        try:
            with pytest.raises(AssertionError, match="553 == 250"):
                submit(postfix, LEAN, "ben@example.net")
            wait_until(lambda: "Sender address rejected: not logged in" in postfix.log())
            submit(postfix, LEAN, "ben@example.net", sender="eve@example.com")
        finally:
            postfix.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "127.0.0.1:25; rm -rf /"},
        {"re_entry": "127.0.0.1"},
        {"services": ("submission",)},
        {"services": ()},
        {"networks": "127.0.0.0/8 $(id)"},
        {"sender_logins": "hash:/etc/x y"},
    ],
)
def test_settings_that_would_break_the_script(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PostfixSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("way", "name"), [(Way.AFTER_QUEUE, "filter.sh"), (Way.BEFORE_QUEUE, "proxy.sh")])
def test_no_submission_service_is_an_error(way: Way, name: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf") as folder:
        postfix = Postfix(Path(folder), mailboxes=["ben@example.net"])
        postfix.assemble()
        with pytest.raises(RuntimeError, match="no submission service"):
            postfix.run_script(render_postfix(PostfixSettings(services=("absent/inet",)), way)[name])


async def test_before_the_queue_too() -> None:
    """The same gateway as Postfix's smtpd_proxy_filter: several recipients together, refusals told at once."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf") as folder:
        postfix = Postfix(Path(folder), mailboxes=["ben@example.net", "cat@example.net"])
        postfix.assemble()
        re_entry = free_port()
        settings = PostfixSettings(
            listen=f"127.0.0.1:{GATEWAY}", re_entry=f"127.0.0.1:{re_entry}", services=(postfix.service,)
        )
        postfix.run_script(render_postfix(settings, Way.BEFORE_QUEUE)["proxy.sh"])
        envelopes: list[Envelope] = []

        async def transform(envelope: Envelope, message: bytes) -> bytes:
            envelopes.append(envelope)
            if b"number" in message:
                raise Refused(Reply(code=550, enhanced="5.7.1", text="part 1 shows the number"))
            return await signed(envelope, message)

        await in_thread(postfix.start)
        try:
            async with gateway(transform, next_port=re_entry):
                await in_thread(submit, postfix, RICH, "ben@example.net", "cat@example.net")
                for address in postfix.mailboxes:
                    assert dkim_valid((await delivered(postfix, address))[0])
                with pytest.raises(AssertionError, match="part 1 shows the number"):
                    await in_thread(submit, postfix, LEAN + b"my number\r\n", "ben@example.net")
        finally:
            await in_thread(postfix.stop)
    assert [len(envelope.recipients) for envelope in envelopes] == [2, 1]
    assert dict(envelopes[0].client.forwarded)["HELO"] == "client.example"
