"""The whole world in one folder: Postfix, mailgate, Asterisk, a telephone network and two SIP telephones, on loopback.

    async with World(Path("/tmp/w")) as world:
        await world.submit(message)
        [arrived] = await world.wait_for_mail(BEN)
        [link] = world.links(arrived)
        world.network.plan = {BEN_NUMBER: Answer(press=((1.0, "1"),)), ADA_NUMBER: Answer(press=((1.0, "1"),))}

Postfix and Asterisk run on exactly what `mailgate deploy postfix` and `mailgate deploy asterisk` print; mailgate is
set up by its own commands. Ada writes from ADA, her hidden number is ADA_NUMBER; BEN is one of MAILBOXES. Numbers are
reached through the trunk, where `network` plays every telephone; `phones` are registered as `sip:ada` and `sip:ben`.
Whoever speaks is known by a tone (`VOICES`), at telephones behind the trunk as well as at registered ones.

Needs root (Postfix changes users), Debian's postfix and espeak-ng, and Asterisk from scripts/get-asterisk.sh.
Known limits: Linux; the folder's path must be short, since UNIX sockets live in it; ports are guessed free.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import secrets
import smtplib
import socket
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import dkim

from lab.asterisk import PrivateAsterisk
from lab.gateway import GATEWAY_NUMBER, HOST, Gateway
from lab.phone import Behaviour, Call, Phone
from lab.ports import free_port
from lab.postfix import Postfix
from mailgate.calls.settings import AsteriskSettings, DeploySettings

ADA, BEN = "ada@example.org", "ben@example.net"
MAILBOXES = (BEN, "carla@example.net", "dov@example.com", ADA)

# In the range that is kept for fiction (+33 1 99 00, Arcep decision 2018-0881).
ADA_NUMBER = "+33199001234"
BEN_NUMBER = "+33199000002"
SHOWN_NUMBER = GATEWAY_NUMBER

# Far from the tones that Asterisk itself makes: 350, 440, 480 and 620 Hz.
VOICES = {"ada": 700, "ben": 530}

_REGISTER_AGAIN_S = 120.0

T = TypeVar("T")


class Network(Phone):
    """The telephone network behind the trunk: each number speaks with a voice of its own."""

    voices: Mapping[str, int] = {ADA_NUMBER: VOICES["ada"], BEN_NUMBER: VOICES["ben"]}

    async def _behave(self, call: Call, behaviour: Behaviour) -> None:
        call.rtp.hertz = self.voices.get(call.number, self.hertz)
        await super()._behave(call, behaviour)


class World:
    """Everything that runs. `configuration` sets keys of mailgate.toml: section → key → value; `tables` goes to its
    end, with the telephone network's port for `{network}`; `dialplan` is what the administrator's own telephones have,
    beside ours."""

    def __init__(
        self,
        folder: Path,
        *,
        account: Sequence[str] = ("--number", ADA_NUMBER),
        configuration: Mapping[str, Mapping[str, Any]] | None = None,
        mailboxes: Sequence[str] = MAILBOXES,
        dialplan: str = "",
    ) -> None:
        self.folder = folder
        self.account = account
        self.dialplan = dialplan
        self.websocket = f"{HOST}:{free_port()}"
        self.configuration: dict[str, Mapping[str, Any]] = {
            "dialling": {"sip_users": True},
            "asterisk": {"websocket": self.websocket, "media_address": HOST},
            "call": {"dial_in": True},
            **(configuration or {}),
        }
        self.tables = ""
        self.postfix = Postfix(folder / "p", mailboxes=mailboxes)
        self.gateway = Gateway(folder / "g", ami_port=free_port(), next_hop_port=free_port())
        self.sip_port = free_port(socket.SOCK_DGRAM)
        self.network = Network(user="pstn", hertz=0, registrar=(HOST, self.sip_port))
        self.phones = {
            name: Phone(user=name, password=secrets.token_hex(12), registrar=(HOST, self.sip_port), hertz=voice)
            for name, voice in VOICES.items()
        }
        self.asterisk: PrivateAsterisk | None = None
        self._postfix_up = False
        self._opened: list[Phone] = []
        self._registering: asyncio.Task[None] | None = None

    # --- start and stop -------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Start everything; `told` hears what stands. What runs is stopped where something fails, with RuntimeError."""
        try:
            await self._start(told)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, told: Callable[[str], None]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # Postfix's own users look into it
        for phone in (self.network, *self.phones.values()):
            self._opened.append(await phone.open())
        await off_loop(self.gateway.init)
        for section, values in self.configuration.items():
            self.gateway.configure(section, **values)
        with self.gateway.config_path.open("a", encoding="utf-8") as file:
            file.write(self.tables.replace("{network}", str(self.network.port)))
        told("mailgate init")
        # One after the other would be safe too; side by side it takes half the time.
        results = await asyncio.gather(
            off_loop(self._start_asterisk),
            off_loop(self._start_postfix),
            off_loop(self.gateway.account_add, ADA, "Ada Lovelace", *self.account),
            return_exceptions=True,
        )
        for failed in (r for r in results if isinstance(r, BaseException)):
            raise failed
        told("Asterisk and Postfix, as deployed")
        await off_loop(self.gateway.start)
        told("mailgate serve")
        await self.register()
        self._registering = asyncio.create_task(self._stay_registered())
        told("two SIP telephones registered")

    async def register(self) -> None:
        """Each telephone at Asterisk, as after a start of it. Raises RuntimeError."""
        for name, phone in self.phones.items():
            if (code := await phone.register()) != 200:
                raise RuntimeError(f"the telephone {name} could not register: {code}")

    async def _stay_registered(self) -> None:
        """A registration lasts five minutes. Where Asterisk does not answer just now, the next round will do."""
        while True:
            await asyncio.sleep(_REGISTER_AGAIN_S)
            with contextlib.suppress(TimeoutError, RuntimeError):
                await self.register()

    def _start_asterisk(self) -> None:
        written = self.folder / "deployed"
        users = [word for name, phone in self.phones.items() for word in ("--user", f"{name}:{phone.password}")]
        provider = () if "[[trunk]]" in self.tables else ("--provider", f"{HOST}:{self.network.port}")
        self.gateway.run("deploy", "asterisk", *provider, *users, "--output", str(written))
        deployed = {str(p.relative_to(written)): p.read_text() for p in written.rglob("*") if p.is_file()}
        first = 20_000 + secrets.randbelow(400) * 100
        # Only the ports are looked at here: every file that could be rendered is replaced by what the command wrote.
        link = AsteriskSettings(
            gateway_number=SHOWN_NUMBER,
            port=self.gateway.ami_port,
            secret=self.gateway.ami_secret,
            websocket=self.websocket,
        )
        self.asterisk = PrivateAsterisk(
            self.folder / "a",
            deploy=DeploySettings(link=link),
            sip_port=self.sip_port,
            rtp_ports=(first, first + 98),
            deployed=deployed,
            own_dialplan=self.dialplan,
        )
        self.asterisk.start()

    def _start_postfix(self) -> None:
        written = self.folder / "deployed-postfix"
        self.postfix.assemble()
        self.gateway.run("deploy", "postfix", "--service", self.postfix.service, "--output", str(written))
        self.postfix.run_script((written / "filter.sh").read_text())
        self._postfix_up = True
        self.postfix.start()

    async def stop(self) -> None:
        """Stop all that was started, in whatever state it is; what could not be stopped is raised at the end."""
        troubles: list[Exception] = []

        async def done_with(work: Callable[[], object]) -> None:
            try:
                await off_loop(work)
            except Exception as error:
                troubles.append(error)

        if self._registering is not None:
            self._registering.cancel()
            await asyncio.wait([self._registering])
        await done_with(self.gateway.stop)
        if self._postfix_up:
            self._postfix_up = False
            await done_with(self.postfix.stop)
        if self.asterisk is not None:
            await done_with(self.asterisk.stop)
        while self._opened:
            await self._opened.pop().close()
        if troubles:
            raise ExceptionGroup("not everything could be stopped", troubles)

    # --- mail -------------------------------------------------------------------------------------------------
    async def submit(
        self, message: EmailMessage | bytes, *, sender: str = ADA, recipients: Sequence[str] = (BEN,)
    ) -> None:
        """Hand a message to Postfix, as a mail program does. Raises smtplib.SMTPException."""
        data = message if isinstance(message, bytes) else message.as_bytes(policy=email.policy.SMTP)

        def work() -> None:
            with smtplib.SMTP(HOST, self.postfix.port, timeout=20) as smtp:
                smtp.sendmail(sender, list(recipients), data)

        await off_loop(work)

    def mailbox(self, address: str) -> list[bytes]:
        """The messages in a mailbox, oldest first."""
        return self.postfix.mail(address)

    async def wait_for_mail(self, address: str, count: int = 1, timeout_s: float = 20.0) -> list[bytes]:
        """The mailbox once it holds so many messages. Raises TimeoutError with the end of Postfix's log."""
        return await off_loop(lambda: self.postfix.wait_for_mail(address, count=count, timeout_s=timeout_s))

    def links(self, message: bytes) -> list[str]:
        """The accept pages that a message leads to, each once, in the order of its parts."""
        pattern = re.compile(re.escape(self.gateway.url) + r"/a/[A-Za-z0-9_-]+")
        parts = email.message_from_bytes(message, policy=email.policy.default).walk()
        texts = [part.get_content() for part in parts if part.get_content_maintype() == "text"]
        return list(dict.fromkeys(link for text in texts for link in pattern.findall(text)))

    def dkim_record(self) -> tuple[str, bytes]:
        """Name and text of the TXT record that `mailgate dkim` says to publish."""
        line = self.gateway.run("dkim").stdout
        return line.split()[0].rstrip("."), "".join(re.findall(r'"([^"]*)"', line)).encode()

    def dkim_valid(self, message: bytes) -> bool:
        """Whether the message's signature verifies against that record."""
        name, record = self.dkim_record()

        def look_up(asked: bytes | str, timeout: int = 5) -> bytes | None:
            wanted = asked.decode() if isinstance(asked, bytes) else asked
            return record if wanted.rstrip(".") == name else None

        return bool(dkim.verify(message, dnsfunc=look_up))

    # --- what to look at when something is wrong ------------------------------------------------------------------
    def logs(self) -> dict[str, str]:
        """What each server has written, by its name."""
        asterisk = ""
        if self.asterisk is not None and (self.asterisk.folder / "var/log/messages").exists():
            asterisk = self.asterisk.messages
        return {"mailgate": self.gateway.log, "Postfix": self.postfix.log(), "Asterisk": asterisk}


async def off_loop(work: Callable[..., T], *words: Any) -> T:
    """Run what blocks in a thread. When cancelled, waits for it to end first: what it starts can then be stopped."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *words))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains: being cancelled comes first
        raise
