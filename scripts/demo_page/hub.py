"""Everything that the demo's page shows, in one picture: the letters sent, Ben's mailbox, his screen, two telephones.

World → Hub.picture() → JSON for the browser, several times a second. Acts on the page's wishes (send, press …).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any

import phonenumbers
from lab.phone import Behaviour, Call, Reject
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, VOICES, World

from demo_page.changes import compare
from demo_page.desk import EXTENSION, NAME, Desk
from demo_page.letters import Letter, Shown, compose, show
from demo_page.telephones import Telephone

ADA_ADDRESS = Address("Ada Lovelace", addr_spec=ADA)
BEN_ADDRESS = Address(NAME, addr_spec=BEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message in the mailbox. `before` is what the sender had submitted, None where that is not known."""

    number: int
    raw: bytes
    shown: Shown
    links: tuple[str, ...]
    before: bytes | None
    took_s: float | None


@dataclass(slots=True, kw_only=True)
class _Sent:
    raw: bytes
    at: float


@dataclass(slots=True, kw_only=True)
class Hub:
    """The demo's state beside the World's own."""

    world: World
    desk: Desk = field(init=False)
    telephones: dict[str, Telephone] = field(default_factory=dict)
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _mailbox: list[Arrived] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = Desk(self.world)

    async def start(self) -> None:
        """Put the telephones where Ben and Ada can be reached. The world runs."""
        phones = {"ben": ("Ben", BEN_NUMBER, False), "ada": ("Ada", ADA_NUMBER, True)}
        for key, (name, number, by_itself) in phones.items():
            device = self.world.phones[key]
            telephone = Telephone(
                key=key,
                name=name,
                number=number,
                network=self.world.network,
                device=device,
                voices={other.title(): hertz for other, hertz in VOICES.items() if other != key},
                by_itself=by_itself,
                speed_dial=EXTENSION if key == "ada" else "",
            )
            self.telephones[key] = telephone
            device.plan = lambda _, telephone=telephone: telephone.behaviour()
            self._tasks.append(asyncio.create_task(telephone.attend()))
        self.world.network.plan = self._at_the_network
        self._tasks.append(asyncio.create_task(self._look_for_mail()))

    def _at_the_network(self, number: str) -> Behaviour:
        return next((t.behaviour() for t in self.telephones.values() if t.number == number), Reject(code=404))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.desk.close()

    # --- mail ---------------------------------------------------------------------------------------------------
    async def send(self, *, subject: str, text: str, rich: bool) -> None:
        """Ada sends a letter to Ben. Raises ValueError, smtplib.SMTPException, OSError."""
        letter = Letter(sender=ADA_ADDRESS, recipient=BEN_ADDRESS, subject=subject, text=text, rich=rich)
        message_id = f"{uuid.uuid4().hex[:12]}@example.org"
        message = compose(letter, message_id=message_id, now=datetime.now(UTC).astimezone())
        self._sent[message_id] = _Sent(raw=message.as_bytes(), at=time.monotonic())
        await self.world.submit(message)

    async def _look_for_mail(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            for raw in self.world.mailbox(BEN)[len(self._mailbox) :]:
                shown = await asyncio.to_thread(show, raw)
                sent = self._sent.get(shown.message_id)
                self._mailbox.append(
                    Arrived(
                        number=len(self._mailbox),
                        raw=raw,
                        shown=shown,
                        links=tuple(self.world.links(raw)),
                        before=sent.raw if sent else None,
                        took_s=time.monotonic() - sent.at if sent else None,
                    )
                )

    def message(self, number: int) -> Arrived | None:
        return self._mailbox[number] if 0 <= number < len(self._mailbox) else None

    def changes(self, arrived: Arrived) -> list[dict[str, Any]]:
        """The rows of changes.compare, ready for JSON."""
        return [asdict(row) for row in compare(arrived.before or arrived.raw, arrived.raw)]

    # --- the picture ----------------------------------------------------------------------------------------------
    def picture(self) -> dict[str, Any]:
        return {
            "mail": [
                {
                    "number": each.number,
                    "from": each.shown.sender,
                    "subject": each.shown.subject,
                    "links": each.links,
                    "tookMs": round(each.took_s * 1000) if each.took_s is not None else None,
                }
                for each in self._mailbox
            ],
            "desk": self.desk.picture(),
            "phones": {key: _rounded(asdict(telephone.display())) for key, telephone in self.telephones.items()},
        }

    # --- listening in -----------------------------------------------------------------------------------------------
    async def line(self, key: str) -> AsyncIterator[bytes]:
        """What a telephone hears, as mu-law octets (8,000 a second), as it comes; silence where nothing does."""
        call: Call | None = None
        packets = 0
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(0.1)
                newest = self.telephones[key].call
                if newest is not call:
                    call, packets = newest, newest.rtp.packets if newest else 0
                if call is None or call.rtp.packets == packets:
                    yield b""
                    continue
                fresh = min(call.rtp.packets - packets, 50) * 160
                packets = call.rtp.packets
                yield bytes(call.rtp.heard[-fresh:])


def spaced(number: str) -> str:
    """An E.164 number as people read it."""
    style = phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return str(phonenumbers.format_number(phonenumbers.parse(number, None), style))


def _rounded(display: dict[str, Any]) -> dict[str, Any]:
    caller = display["caller"]
    return display | {
        "number": spaced(display["number"]),
        "caller": spaced(caller) if caller.startswith("+") else caller,
        "seconds": round(display["seconds"], 1),
        "level": round(display["level"], 2),
    }
