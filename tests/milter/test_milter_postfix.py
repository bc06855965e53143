"""A real Postfix that asks the milter, on exactly the configuration that is printed for admins."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import dkim
import milter_room
import pytest
from lab.gateway import Gateway
from lab.ports import free_port
from lab.postfix import Postfix
from milter_room import Room

from smtp_hooks.deploy_milter import MilterDeploySettings, render_milter
from smtp_hooks.endpoint import UnixEndpoint
from smtp_hooks.milter import Milter, MilterSettings
from smtp_hooks.offering import Offering
from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings

BEN, CARLA = "ben@example.net", "carla@example.net"
LINK = re.compile(rb"https://call\.example\.org/a/([A-Za-z0-9_-]{36})")


@dataclass
class Site:
    """A private Postfix with a socket below its queue directory, and the room of a milter that listens there."""

    postfix: Postfix
    room: Room
    path: str

    def milter(self, **settings: object) -> Milter:
        endpoint = UnixEndpoint(self.path)
        return Milter(MilterSettings(endpoint=endpoint, group="postfix", **settings), self.room.gate)  # type: ignore[arg-type]

    @asynccontextmanager
    async def asked(self, **settings: object) -> AsyncIterator[Milter]:
        milter = self.milter(**settings)
        await milter.start()
        try:
            yield milter
        finally:
            await milter.stop(grace_s=2)

    async def mail(self, address: str, count: int) -> list[bytes]:
        return await asyncio.to_thread(self.postfix.wait_for_mail, address, count=count)


@asynccontextmanager
async def site(folder: Path, script: str = "", **parameters: str) -> AsyncIterator[Site]:
    """Postfix runs, nobody answers at the socket yet. `script` is run after milter.sh."""
    postfix = Postfix(folder / "p", mailboxes=[BEN, CARLA])
    postfix.assemble(**parameters)
    sockets = postfix.root / "queue" / "mailgate"
    sockets.mkdir()
    path = str(sockets / "milter.sock")
    services = (postfix.service, "pickup/unix", "absent/inet")
    text = render_milter(MilterDeploySettings(listen=f"unix:{path}", services=services))["milter.sh"]
    postfix.run_script(text)
    before = postfix.config.joinpath("main.cf").read_bytes(), postfix.config.joinpath("master.cf").read_bytes()
    assert "mailgate is now asked by" in postfix.run_script(text)
    after = postfix.config.joinpath("main.cf").read_bytes(), postfix.config.joinpath("master.cf").read_bytes()
    assert before == after, "a second run changes something"
    postfix.run_script(script)
    (folder / "room").mkdir()
    room = await milter_room.make(folder / "room")
    await asyncio.to_thread(postfix.start)
    try:
        yield Site(postfix, room, path)
    finally:
        await asyncio.to_thread(postfix.stop)
        room.store.close()


def letter(text: str = "My number is +33 1 99 00 12 34.\r\n", **fields: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Ada Lovelace <ada@example.org>"
    message["To"] = "Ben <ben@example.net>"
    message["Subject"] = fields.pop("subject", "Ring me: 01 99 00 12 34")
    message["Date"] = "Sun, 22 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = "<one@example.org>"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(f"<html><body><p>{text}</p></body></html>", subtype="html", cte="quoted-printable")
    message.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream", filename="a.bin")
    return message.as_bytes()


def submit(
    port: int,
    message: bytes,
    *recipients: str,
    sender: str = "ada@example.org",
    login: str = "",
    options: tuple[str, ...] = (),
) -> tuple[int, bytes]:
    """The reply to the end of DATA."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("client.example")
        if login:
            client.user, client.password = login, "secret"
            client.auth("PLAIN", client.auth_plain)
        assert client.mail(sender, options)[0] == 250
        for recipient in recipients or (BEN,):
            assert client.rcpt(recipient)[0] == 250
        return client.data(message)


def without_trace(message: bytes) -> bytes:
    """The message without what MTAs put into it on its way."""
    header, _, body = message.partition(b"\r\n\r\n")
    kept = re.sub(
        rb"(?:\A|(?<=\n))(?:Return-Path|X-Original-To|Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*(?:\r\n|\Z))*",
        b"",
        header + b"\r\n",
    )
    return kept + b"\r\n" + body


def submit_in_thread(
    port: int, message: bytes, *recipients: str, sender: str = "ada@example.org", login: str = ""
) -> asyncio.Future[tuple[int, bytes]]:
    return asyncio.ensure_future(asyncio.to_thread(submit, port, message, *recipients, sender=sender, login=login))


@pytest.mark.claim("T1", "T5", "T14", "T16", "T20", "T29", "T32", "C11", "C25")
async def test_the_offer_arrives_signed_and_the_number_does_not(folder: Path) -> None:
    async with site(folder) as at, at.asked():
        code, text = await submit_in_thread(at.postfix.port, letter())
        assert code == 250, text
        (arrived,) = await at.mail(BEN, 1)
        assert len(set(LINK.findall(arrived))) == 1
        assert not re.search(rb"99[ .-]*00[ .-]*12[ .-]*34", arrived)
        assert dkim.verify(arrived, dnsfunc=milter_room.dns)
        assert at.room.messages() == {("offered", ""): 1}


SHAPES = {
    "parts": letter(),
    "plain": b"From: ada@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <2@x>\r\nSubject:odd\r\n"
    b"X-Folded:\r\n  one\r\n\ttwo\r\nX-Blank: \r\nTo: ben@example.net\r\n\r\nHello.\r\n.\r\n..\r\n.dot\r\n\r\n\r\n",
    "html": b"From: ada@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <3@x>\r\n"
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\nTo: ben@example.net\r\n"
    b"DKIM-Signature: v=1; d=example.org; s=old; b=x\r\nSubject: s\r\n\tfolded 01 99 00 12 34\r\n"
    b"DKIM-Signature: v=1; d=example.org;\r\n s=older; b=y\r\n\r\n<p>Hello</p>" + b"x" * 900 + b"\r\n",
    "no body": b"From: ada@example.org\r\nTo: ben@example.net\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <4@x>\r\nContent-Type: text/plain\r\n\r\n",
    "eight bit": "From: ada@example.org\r\nTo: ben@example.net\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <6@x>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße  \t \r\n".encode(),
    "large": letter() + b"".join(b"line %07d" % n + b"y" * 60 + b"\r\n" for n in range(70_000)),
    "not ours": letter(text="Hello.\r\n", list_id="<x.example.org>"),
}


async def test_the_same_octets_as_by_the_proxy(folder: Path) -> None:
    """Same keys, time and ids: what lies in the mailbox is the same, but for what MTAs write on their way."""
    (folder / "proxy").mkdir()
    proxy_room = await milter_room.make(folder / "proxy")
    way_back = free_port()
    # The way back takes no 8-bit, so that both ways choose the same encoding: a milter never relies on a later hop.
    way = f"""
    postconf -Me '127.0.0.1:{way_back}/inet = 127.0.0.1:{way_back} inet n - n - - smtpd'
    postconf -Pe '127.0.0.1:{way_back}/inet/receive_override_options = no_address_mappings,no_milters' \\
        '127.0.0.1:{way_back}/inet/smtpd_discard_ehlo_keywords = 8bitmime'
    """
    async with site(folder, way) as at, at.asked():
        relay = Relay(RelaySettings(host="127.0.0.1", port=way_back))
        proxy = Server(ServerSettings(), Offering(relay, proxy_room.gate))
        await proxy.start()
        for name, message in SHAPES.items():
            ports = (at.postfix.port, proxy.port)
            for port, box in zip(ports, (BEN, CARLA), strict=True):
                reply = await asyncio.to_thread(submit, port, message, box)
                assert reply[0] == 250, (name, reply)
        by_milter = await at.mail(BEN, len(SHAPES))
        by_proxy = await at.mail(CARLA, len(SHAPES))
        await proxy.stop()
        await relay.close()

    def by_id(messages: list[bytes]) -> list[tuple[bytes, bytes]]:
        named = [(m.partition(b"\r\nMessage-ID: ")[2].split(b"\r\n")[0], m) for m in messages]
        return sorted(named, key=lambda each: (each[0], b"\r\nlist-id" in each[1], len(each[1])))

    assert at.room.offers() == proxy_room.offers() == len(SHAPES) - 1
    for (key, one), (_, other) in zip(by_id(by_milter), by_id(by_proxy), strict=True):
        assert without_trace(one) == without_trace(other), key
        assert (b"\r\nX-Call-Offer-Trace:" in one) == (b"\r\nlist-id" not in one)
        if b"\r\nlist-id" not in one:
            assert dkim.verify(one, dnsfunc=milter_room.dns), key
            assert b"s=old" not in one
    proxy_room.store.close()


async def dovecot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says yes to every PLAIN login, in Dovecot's authentication protocol (version 1.1)."""
    writer.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            if line.startswith(b"AUTH\t"):
                _, number, *fields = line.rstrip(b"\n").split(b"\t")
                response = next(field for field in fields if field.startswith(b"resp="))
                user = base64.b64decode(response[5:]).split(b"\0")[1]
                writer.write(b"OK\t" + number + b"\tuser=" + user + b"\n")
    writer.close()


async def test_who_has_logged_in_is_the_account(folder: Path) -> None:
    """Postfix passes `{auth_authen}` because we ask for it; a forged sender of another login gets nothing."""
    socket = folder / "p" / "queue" / "auth"
    parameters = {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": "auth",
        "smtpd_tls_auth_only": "no",
    }
    folder.joinpath("p", "queue").mkdir(parents=True)
    server = await asyncio.start_unix_server(dovecot, socket)
    shutil.chown(socket, "postfix")
    async with site(folder, **parameters) as at, at.asked(trusted=()):
        for login, sender in (
            ("ada@example.org", "office@example.org"),
            ("eve@example.org", "ada@example.org"),
            ("", "ada@example.org"),
        ):
            reply = await submit_in_thread(at.postfix.port, letter(), sender=sender, login=login)
            assert reply[0] == 250, reply
        arrived = await at.mail(BEN, 3)
        assert [bool(LINK.search(message)) for message in arrived] == [True, False, False]
        assert at.room.messages() == {("offered", ""): 1, ("passed", "no-account"): 2}
    server.close()


def sendmail(postfix: Postfix, message: bytes) -> None:
    """Submitted on the host itself, as cron or a web application does: sendmail, maildrop, pickup, cleanup."""
    subprocess.run(
        ["/usr/sbin/sendmail", "-C", str(postfix.config), "-f", "ada@example.org", BEN],
        input=message.replace(b"\r\n", b"\n"),
        check=True,
        timeout=20,
        env={"MAIL_CONFIG": str(postfix.config), "PATH": "/usr/sbin:/usr/bin"},
    )


async def test_mail_submitted_on_the_host_itself(folder: Path) -> None:
    async with site(folder) as at, at.asked():
        await asyncio.to_thread(sendmail, at.postfix, letter())
        (arrived,) = await at.mail(BEN, 1)
        assert LINK.search(arrived)
        assert dkim.verify(arrived, dnsfunc=milter_room.dns)


async def test_a_milter_that_is_away_means_later_and_then_delivered(folder: Path) -> None:
    """Not running: 451, nothing is queued. Restarted: taken. From the host itself: kept, and delivered afterwards."""
    async with site(folder) as at:
        with pytest.raises(AssertionError):  # Postfix says so at MAIL or RCPT already
            await submit_in_thread(at.postfix.port, letter())
        await asyncio.to_thread(sendmail, at.postfix, letter(subject="from the host"))
        await asyncio.sleep(1)
        assert at.postfix.mail(BEN) == []
        async with at.asked():
            code, text = await submit_in_thread(at.postfix.port, letter())
            assert code == 250, text
            await asyncio.to_thread(sendmail, at.postfix, letter())  # pickup looks again, also at what it kept
            arrived = await at.mail(BEN, 3)
            assert all(LINK.search(message) for message in arrived)


async def test_a_milter_that_dies_while_postfix_waits(folder: Path) -> None:
    """Killed in the midst of a message: the client is told to come again, and the offer of it does not stay."""
    async with site(folder) as at:
        held = asyncio.Event()
        milter = at.milter()
        judge = at.room.gate.judge

        async def holding(*arguments: object, **keywords: object) -> object:
            verdict = await judge(*arguments, **keywords)  # type: ignore[arg-type]
            held.set()
            await asyncio.sleep(60)
            return verdict

        at.room.gate.judge = holding  # type: ignore[method-assign, assignment]
        await milter.start()
        sending = submit_in_thread(at.postfix.port, letter())
        await held.wait()
        await milter.stop(grace_s=0)
        code, text = await sending
        assert code == 451, text
        at.room.gate.judge = judge  # type: ignore[method-assign]
        async with at.asked():
            code, text = await submit_in_thread(at.postfix.port, letter())
            assert code == 250, text
            (arrived,) = await at.mail(BEN, 1)
            assert LINK.search(arrived)


async def test_the_gate_s_refusal_is_the_client_s_reply(folder: Path) -> None:
    async with site(folder) as at, at.asked(size_limit=100_000):
        code, text = await submit_in_thread(at.postfix.port, letter() + b"x\r\n" * 50_000)
        assert (code, text[:5]) == (552, b"5.3.4")
        assert at.postfix.mail(BEN) == []


async def test_several_recipients_pass_untouched(folder: Path) -> None:
    async with site(folder) as at, at.asked():
        await submit_in_thread(at.postfix.port, letter(), BEN, CARLA)
        for box in (BEN, CARLA):
            assert not LINK.search((await at.mail(box, 1))[0])
        assert at.room.messages() == {("passed", "several-recipients"): 1}


def test_ours_is_the_last_milter(folder: Path) -> None:
    """Whatever is there already stays and comes before."""
    postfix = Postfix(folder / "p", mailboxes=[BEN])
    postfix.assemble(
        smtpd_milters="unix:other/sock  { inet:h:1, protocol = 6 }", non_smtpd_milters="$mailgate_milter, inet:h:2"
    )
    listen = f"unix:{postfix.root}/queue/mailgate/milter.sock"
    services = (postfix.service, "pickup/unix")
    postfix.run_script(render_milter(MilterDeploySettings(listen=listen, services=services))["milter.sh"])
    assert postfix.run_script(f"postconf -Ph {postfix.service}/smtpd_milters").strip() == (
        "unix:other/sock,{inet:h:1,protocol=6},$mailgate_milter"
    )
    assert postfix.postconf("non_smtpd_milters") == "inet:h:2,$mailgate_milter"
    assert re.fullmatch(
        r"\{ unix:mailgate/milter\.sock, default_action=tempfail, .*\}", postfix.postconf("mailgate_milter")
    )


def test_a_socket_out_of_reach_is_an_error(folder: Path) -> None:
    postfix = Postfix(folder / "p", mailboxes=[BEN])
    postfix.assemble()
    script = render_milter(MilterDeploySettings(listen=f"unix:{folder}/m.sock", services=(postfix.service,)))[
        "milter.sh"
    ]
    postfix.run_script(f"postconf -Fe {postfix.service}/chroot=y")
    with pytest.raises(RuntimeError, match="is chrooted and cannot reach"):
        postfix.run_script(script)
    postfix.run_script(f"postconf -Fe {postfix.service}/chroot=n")
    postfix.run_script(script)
    assert f"unix:{folder}/m.sock" in postfix.postconf("mailgate_milter")
    nowhere = render_milter(MilterDeploySettings(listen="127.0.0.1:1", services=("absent/inet",)))["milter.sh"]
    with pytest.raises(RuntimeError, match="no submission service"):
        postfix.run_script(nowhere)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"listen": ""}, "milter.listen"),
        ({"listen": "unix:/run/x; rm -rf /"}, "milter.listen"),
        ({"listen": "unix:/run/x", "services": ("submission",)}, "services"),
        ({"listen": "unix:/run/x", "services": ()}, "services"),
        ({"listen": "unix:run/x"}, "absolute path"),
    ],
)
def test_settings_that_would_break_the_script(wrong: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MilterDeploySettings(**wrong)  # type: ignore[arg-type]


async def test_as_an_administrator_sets_it_up(folder: Path) -> None:
    """`mailgate init`, the socket in mailgate.toml; `mailgate deploy postfix --milter | sh`, `mailgate serve`."""
    postfix = Postfix(folder / "p", mailboxes=[BEN])
    postfix.assemble()
    (postfix.root / "queue" / "mailgate").mkdir()
    gateway = Gateway(folder / "g", ami_port=free_port(), next_hop_port=free_port())

    def set_up() -> None:
        gateway.init()
        gateway.account_add("ada@example.org", "Ada Lovelace", "--number", milter_room.NUMBER)
        socket = f"unix:{postfix.root}/queue/mailgate/milter.sock"
        gateway.configure("milter", listen=socket, socket_group="postfix")
        gateway.configure("smtp", listen="")
        gateway.smtp_port = gateway.web_port  # what `start` waits for: no mail is taken by SMTP
        postfix.run_script(gateway.run("deploy", "postfix", "--milter", "--service", postfix.service).stdout)
        gateway.start()
        while not (postfix.root / "queue" / "mailgate" / "milter.sock").exists():
            time.sleep(0.02)
        postfix.start()

    await asyncio.to_thread(set_up)
    try:
        code, text = await submit_in_thread(postfix.port, letter())
        assert code == 250, text
        (arrived,) = await asyncio.to_thread(postfix.wait_for_mail, BEN, count=1)
        assert f"{gateway.url}/a/".encode() in arrived
        assert " open " in gateway.run("offers").stdout
        assert not re.search(r"99[ .-]*00[ .-]*12[ .-]*34", gateway.log)
        assert gateway.run("deploy", "postfix", check=False).returncode != 0, "there is no SMTP to hand over to"
        owner = pwd.getpwuid(os.stat(postfix.root / "queue" / "mailgate" / "milter.sock").st_uid).pw_name
        assert owner == pwd.getpwuid(os.getuid()).pw_name
    finally:
        await asyncio.to_thread(postfix.stop)
        assert await asyncio.to_thread(gateway.stop) == 0
    assert not (postfix.root / "queue" / "mailgate" / "milter.sock").exists()
