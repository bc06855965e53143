"""A whole gateway (`mailgate serve`) before a scripted next hop, and a client that hands mail to it.

async with running(folder) as (gateway, hop):
    hop.after_data["cat@example.net"] = ["451 4.2.1 not now"]
    await send(gateway, letter(), "ben@example.net", "cat@example.net")
"""

from __future__ import annotations

import asyncio
import email
import re
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from lab import sink
from lab.gateway import Gateway

ADA = "ada@example.org"
NUMBER = "+33199001234"
_ADDRESS = re.compile(r"<([^>]*)>")


class Hop:
    """Takes messages. `at_rcpt` and `after_data`: replies still to be given to an address, one for each time, before
    it is accepted; the reply "" cuts the connection, "drop" cuts it after the message was taken, "slow" takes it and
    answers after a second."""

    def __init__(self) -> None:
        self.taken: list[sink.Taken] = []
        self.at_rcpt: dict[str, list[str]] = {}
        self.after_data: dict[str, list[str]] = {}
        self.server: asyncio.Server | None = None

    def asked(self, command: str) -> None:
        address = _ADDRESS.findall(command)[0]
        if command.upper().startswith("RCPT") and (script := self.at_rcpt.get(address)):
            raise sink.Refusal(script.pop(0))

    def take(self, message: sink.Taken) -> None:
        replies = [script.pop(0) for a in addresses(message) if (script := self.after_data.get(a))]
        if not replies or replies[0] in ("drop", "slow"):
            self.taken.append(message)
        if replies and replies[0] == "slow":
            raise sink.Slow(1.0)
        if replies:
            raise sink.Refusal(replies[0].removeprefix("drop"))

    @property
    def port(self) -> int:
        assert self.server is not None
        return int(self.server.sockets[0].getsockname()[1])

    def of(self, address: str) -> list[sink.Taken]:
        """What was taken for that address."""
        return [message for message in self.taken if address in addresses(message)]

    def counts(self, *names: str) -> list[int]:
        return [len(self.of(f"{name}@example.net")) for name in names]


def addresses(message: sink.Taken) -> list[str]:
    return [_ADDRESS.findall(command)[0] for command in message.rcpt]


def links(message: sink.Taken) -> set[str]:
    """The offer's links in all text parts."""
    parsed = email.message_from_bytes(message.content, policy=SMTP)
    texts = [part.get_content() for part in parsed.walk() if part.get_content_maintype() == "text"]
    return set(re.findall(r"http://127\.0\.0\.1:\d+/a/[A-Za-z0-9_-]{36}", "".join(texts)))


@asynccontextmanager
async def running(
    folder: Path, *, account: tuple[str, ...] = (), port: int = 0, **smtp: Any
) -> AsyncIterator[tuple[Gateway, Hop]]:
    """`account`: further options of `mailgate account add`; `smtp`: keys of that section; `port`: the hop's."""
    hop = Hop()
    hop.server = await sink.start(hop.take, asked=hop.asked, port=port)
    gateway = Gateway(folder / "gateway", ami_port=1, next_hop_port=hop.port)

    def begin() -> None:
        gateway.init()
        gateway.account_add(ADA, "Ada Lovelace", "--number", NUMBER, *account)
        gateway.configure("smtp", **smtp)
        gateway.start()

    await asyncio.to_thread(begin)
    try:
        yield gateway, hop
    finally:
        await asyncio.to_thread(gateway.stop)
        hop.server.close()
        await asyncio.sleep(0.01)


def letter(message_id: str = "<1@example.org>", subject: str = "Plans", text: str = "Shall we talk?\n") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Ada <{ADA}>"
    message["To"] = "ben@example.net, cat@example.net"
    message["Subject"] = subject
    message["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    if message_id:
        message["Message-ID"] = message_id
    message.set_content(text)
    return message.as_bytes()


async def send(
    gateway: Gateway, message: bytes, *recipients: str, sender: str = ADA, forward: str = "", options: str = ""
) -> list[tuple[int, str]]:
    """One transaction. The replies to each RCPT and, where one was accepted, to DATA. A recipient may be followed by
    parameters."""

    def talk() -> list[tuple[int, str]]:
        replies = []
        with smtplib.SMTP("127.0.0.1", gateway.smtp_port, timeout=60) as client:
            client.ehlo("client.example")
            if forward:
                assert client.docmd("XFORWARD", forward)[0] == 250
            assert client.mail(sender, options.split())[0] == 250
            for recipient in recipients:
                address, _, parameters = recipient.partition(" ")
                replies.append(client.rcpt(address, parameters.split()))
            if any(code == 250 for code, _ in replies):
                replies.append(client.data(message))
        return [(code, text.decode()) for code, text in replies]

    return await asyncio.to_thread(talk)
