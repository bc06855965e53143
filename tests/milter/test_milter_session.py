"""An MTA by hand against the milter on a real socket, with the whole gate behind it."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import dkim
import milter_mta as by_hand
import milter_room
import pytest
from milter_mta import Mta, applied, packet
from milter_room import NUMBER, Room

from mailgate.accounts.model import Hide
from smtp_hooks.endpoint import TcpEndpoint, UnixEndpoint
from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.milter import Milter, MilterSettings
from smtp_hooks.pipeline import Changed, Coupon, Gate, Verdict

LETTER = (
    b"From: Ada <ada@example.org>\r\nTo: ben@example.net\r\nSubject: ring me at 01 99 00 12 34\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"Hello Ben, my number is +33 1 99 00 12 34.\r\n"
)

LETTER_SENT = by_hand.envelope("ada@example.org", "ben@example.net") + by_hand.message(LETTER) + packet(b"E")


@asynccontextmanager
async def serving(gate: Gate, folder: Path, **settings: object) -> AsyncIterator[Milter]:
    endpoint = UnixEndpoint(str(folder / "other.sock"))
    milter = Milter(replace(MilterSettings(endpoint=endpoint), **settings), gate)  # type: ignore[arg-type]
    await milter.start()
    try:
        yield milter
    finally:
        await milter.stop(grace_s=2)


async def told(
    mta: Mta, message: bytes = LETTER, *, sender: str = "ada@example.org", to: tuple[str, ...] = ("ben@example.net",)
) -> list[tuple[bytes, bytes]]:
    """One message, and what is answered at its end."""
    mta.writer.write(by_hand.envelope(sender, *to) + by_hand.message(message))
    return await mta.end()


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


@pytest.mark.claim("T1", "T16", "C11")
async def test_an_offer_goes_in_and_the_number_out(milter: Milter, room: Room) -> None:
    mta = await Mta.connect(milter)
    made = applied(LETTER, await told(mta))
    assert b"https://call.example.org/a/" in made and b"12 34" not in made
    assert dkim.verify(made, dnsfunc=milter_room.dns)
    assert room.offers() == 1
    mta.close()


async def test_the_next_message_of_the_session_gets_its_own(milter: Milter, room: Room) -> None:
    mta = await Mta.connect(milter)
    links = set()
    for _ in range(3):
        made = applied(LETTER, await told(mta))
        links.add(made.partition(b"/a/")[2][:36])
        mta.writer.write(packet(b"A"))  # Postfix says so after each message, also an accepted one
    assert len(links) == room.offers() == 3
    mta.close()


@pytest.mark.parametrize("steps", [0, by_hand.ALL_STEPS & ~0x100000], ids=["answers everything", "no leading space"])
async def test_an_mta_that_agrees_to_less(milter: Milter, steps: int) -> None:
    """Every packet is answered where silence was not agreed on; a field comes without its blank and goes so."""
    mta = await Mta.dial(milter)
    mta.writer.write(by_hand.negotiate(steps=steps))
    assert (await mta.read())[0] == b"O"
    packets = by_hand.connect("127.0.0.1") + by_hand.envelope("ada@example.org", "ben@example.net")
    packets += by_hand.message(LETTER, leading_space=False)
    if steps:
        mta.writer.write(packets)
    while packets and not steps:
        size = 4 + int.from_bytes(packets[:4], "big")
        mta.writer.write(packets[:size])
        assert await mta.read() == (b"c", b"")
        packets = packets[size:]
    made = applied(LETTER, await mta.end(), leading_space=False)
    assert dkim.verify(made, dnsfunc=milter_room.dns)
    mta.close()


@pytest.mark.parametrize(
    ("sender", "to", "reason"),
    [
        ("eve@example.org", ("ben@example.net",), "no-account"),
        ("", ("ben@example.net",), "no-account"),
        ("ada@example.org", ("ben@example.net", "carla@example.net"), "several-recipients"),
        ("ada@example.org", ("no-reply@example.net",), "nobody-reads"),
    ],
)
async def test_what_gets_no_offer_is_accepted_unchanged(
    milter: Milter, room: Room, sender: str, to: tuple[str, ...], reason: str
) -> None:
    mta = await Mta.connect(milter)
    assert await told(mta, sender=sender, to=to) == [(b"a", b"")]
    assert room.messages() == {("passed", reason): 1} and room.offers() == 0
    mta.close()


@pytest.mark.parametrize(
    ("client", "login", "sender", "offered"),
    [
        ("192.0.2.1", "", "ada@example.org", False),
        ("2001:db8::1", "", "ada@example.org", False),
        ("192.0.2.1", "ada@example.org", "ada@example.org", True),
        ("192.0.2.1", "ada@example.org", "office@example.org", True),
        ("127.0.0.1", "eve@example.org", "ada@example.org", False),
        ("192.0.2.1", "ada", "ada@example.org", False),
        ("127.0.0.1", "", "ada@example.org", True),
        ("::1", "", "ada@example.org", True),
        ("::ffff:127.0.0.1", "", "ada@example.org", True),
    ],
)
async def test_whose_account_it_is(milter: Milter, client: str, login: str, sender: str, offered: bool) -> None:
    """Who is logged in, else the sender of a trusted network; a forged sender gets nothing."""
    mta = await Mta.connect(milter, client=client)
    if login:
        mta.writer.write(by_hand.macros(b"M", **{"{auth_authen}": login}))
    assert (len(await told(mta, sender=sender)) > 1) is offered
    if login:  # the next transaction without a login is not this one's
        assert (len(await told(mta, sender=sender)) > 1) is (client == "127.0.0.1")
    mta.close()


async def test_a_login_without_a_domain_is_completed(room: Room, folder: Path) -> None:
    async with serving(room.gate, folder, login_domain="example.org") as milter:
        mta = await Mta.connect(milter, client="192.0.2.1")
        mta.writer.write(by_hand.macros(b"M", **{"{auth_authen}": "ada"}))
        assert len(await told(mta, sender="office@example.org")) > 1
        mta.close()


async def test_the_address_may_come_as_a_macro(milter: Milter) -> None:
    mta = await Mta.dial(milter)
    mta.writer.write(by_hand.negotiate())
    await mta.read()
    mta.writer.write(by_hand.macros(b"C", **{"{client_addr}": "127.0.0.1"}) + packet(b"C", b"localhost\0U"))
    assert len(await told(mta)) > 1
    mta.close()


async def test_required_hiding_refuses(folder: Path) -> None:
    (folder / "hiding").mkdir()
    room = await milter_room.make(folder / "hiding", hide=Hide.REQUIRED)
    signed = LETTER.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n", 1)
    async with serving(room.gate, folder) as milter:
        mta = await Mta.connect(milter)
        ((command, data),) = await told(mta, signed)
        assert command == b"y" and data.startswith(b"550 5.7.1 Your telephone number") and NUMBER.encode() not in data
        mta.close()
    assert room.offers() == 0
    room.store.close()


@pytest.mark.parametrize("octets", [b"a\rb", b"a\0b", b"a\nb"])
async def test_unclean_content_is_refused_as_by_the_proxy(milter: Milter, octets: bytes) -> None:
    mta = await Mta.connect(milter)
    ((command, data),) = await told(mta, LETTER + octets + b"\r\n")
    assert command == b"y" and data.startswith(b"550 5.5.2")
    mta.close()
    stranger = await Mta.connect(milter, client="192.0.2.1")
    assert await told(stranger, LETTER + octets + b"\r\n") == [(b"a", b"")]
    stranger.close()


async def test_what_is_too_large_is_refused_and_not_kept(room: Room, folder: Path) -> None:
    async with serving(room.gate, folder, size_limit=100_000) as milter:
        mta = await Mta.connect(milter)
        ((command, data),) = await told(mta, LETTER + b"x" * 99 + b"\r\n" * 60_000)
        assert command == b"y" and data.startswith(b"552 5.3.4")
        assert len(await told(mta)) > 1, "the session goes on"
        mta.close()


class Scripted(Gate):
    """The real gate, held up or broken on purpose."""

    def __init__(self, gate: Gate) -> None:
        self._real = gate
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.fault: Exception | None = None
        self.spoil = False

    async def judge(self, envelope: Envelope, message: bytes, *, eight_bit: bool) -> Verdict:
        assert not eight_bit  # Postfix converts 8-bit parts after us, which would break the signature
        self.asked.set()
        if self.fault is not None:
            raise self.fault
        verdict = await self._real.judge(envelope, message, eight_bit=eight_bit)
        await self.go.wait()
        if self.spoil:
            assert isinstance(verdict, Changed)
            return Changed(message=b"no field\r\n\r\n", coupon=verdict.coupon)
        return verdict

    async def withdraw(self, coupon: Coupon) -> None:
        await self._real.withdraw(coupon)


async def test_a_fault_of_ours_means_try_later(room: Room, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate = Scripted(room.gate)
    gate.fault = ZeroDivisionError("on purpose")
    async with serving(gate, folder) as milter:
        mta = await Mta.connect(milter)
        assert await told(mta) == [(b"t", b"")]
        gate.fault, gate.spoil = None, True
        gate.go.set()
        assert await told(mta) == [(b"t", b"")], "what cannot be told to the MTA"
        await until(lambda: room.offers() == 0)
        gate.spoil = False
        assert len(await told(mta)) > 1, "the session goes on"
        mta.close()
    assert "on purpose" in caplog.text and room.offers() == 1


async def test_no_offer_stays_when_the_mta_goes_before_the_verdict(room: Room, folder: Path) -> None:
    gate = Scripted(room.gate)
    async with serving(gate, folder) as milter:
        mta = await Mta.connect(milter)
        mta.writer.write(LETTER_SENT)
        await until(lambda: room.offers() == 1)
        mta.close()
        await until(lambda: not milter.lines)
        gate.go.set()
        await until(lambda: room.offers() == 0)


async def test_no_offer_stays_when_the_mta_does_not_read_the_answer(room: Room, folder: Path) -> None:
    async with serving(room.gate, folder) as milter:
        mta = await Mta.connect(milter)
        mta.writer.transport.pause_reading()  # type: ignore[attr-defined]
        big = LETTER + b"x" * 70 + b"\r\n" * 2_000_000
        mta.writer.write(by_hand.envelope("ada@example.org", "ben@example.net") + by_hand.message(big) + packet(b"E"))
        await until(lambda: room.offers() == 1)
        await until(lambda: ("offered", "") in room.messages())
        mta.writer.transport.abort()
        await until(lambda: not milter.lines)
        await until(lambda: room.offers() == 0)


async def test_a_slow_gate_means_try_later(room: Room, folder: Path) -> None:
    gate = Scripted(room.gate)
    async with serving(gate, folder, judge_s=0.2) as milter:
        mta = await Mta.connect(milter)
        started = time.monotonic()
        assert await told(mta) == [(b"t", b"")]
        assert time.monotonic() - started < 5
        mta.close()
        gate.go.set()
        await until(lambda: room.offers() == 0)


async def test_while_one_is_judged_others_are_answered(room: Room, folder: Path) -> None:
    gate = Scripted(room.gate)
    async with serving(gate, folder) as milter:
        slow = await Mta.connect(milter)
        slow.writer.write(LETTER_SENT)
        await gate.asked.wait()
        other = await Mta.connect(milter)
        assert other.agreed[0] == 6
        gate.go.set()
        assert len(await slow.answers()) > 1
        slow.close()
        other.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        packet(b"O", b"short"),
        by_hand.negotiate(version=2),
        b"\xff\xff\xff\xff",
        packet(b"B"),
    ],
)
async def test_a_peer_that_speaks_otherwise_loses_its_connection_only(milter: Milter, octets: bytes) -> None:
    mta = await Mta.dial(milter)
    mta.writer.write(octets)
    assert await mta.ended()
    mta.close()
    good = await Mta.connect(milter)
    assert len(await told(good)) > 1
    good.close()


async def test_a_peer_that_says_nothing_is_dropped(room: Room, folder: Path) -> None:
    async with serving(room.gate, folder, idle_s=0.2) as milter:
        mta = await Mta.dial(milter)
        assert await mta.ended()
        mta.close()


async def test_beyond_the_cap_connections_are_turned_away(room: Room, folder: Path) -> None:
    async with serving(room.gate, folder, connections=2) as milter:
        taken = [await Mta.connect(milter) for _ in range(2)]
        one_more = await Mta.dial(milter)
        assert await one_more.ended()
        for mta in (*taken, one_more):
            mta.close()
        await until(lambda: not milter.lines)
        again = await Mta.connect(milter)
        again.close()


async def test_a_peer_that_sends_without_end_is_not_read_without_end(room: Room, folder: Path) -> None:
    """The gate holds one message up; what the peer sends meanwhile stays in its own buffers."""
    gate = Scripted(room.gate)
    async with serving(gate, folder) as milter:
        mta = await Mta.connect(milter)
        mta.writer.write(LETTER_SENT)
        await gate.asked.wait()
        flood = by_hand.macros(b"M", i="x" * 60_000) * 20
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while sent < 100:
                    mta.writer.write(flood)
                    await mta.writer.drain()
                    sent += 1
        assert sent < 10
        mta.writer.transport.abort()


async def test_stopping_lets_a_message_finish(room: Room, folder: Path) -> None:
    gate = Scripted(room.gate)
    async with serving(gate, folder) as milter:
        resting = await Mta.connect(milter)
        mta = await Mta.connect(milter)
        mta.writer.write(LETTER_SENT)
        await gate.asked.wait()
        stopping = asyncio.create_task(milter.stop(grace_s=5))
        assert await resting.ended()
        gate.go.set()
        assert (await mta.answers())[-1] == (b"a", b"")
        assert await mta.ended()
        await stopping
        with pytest.raises(FileNotFoundError):
            await Mta.dial(milter)
        for each in (mta, resting):
            each.close()
    assert room.offers() == 1


async def test_the_socket_has_its_mode_and_replaces_a_dead_one(room: Room, folder: Path) -> None:
    path = folder / "other.sock"
    async with serving(room.gate, folder, mode=0o600):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(OSError, match="in use"):
            await Milter(MilterSettings(endpoint=UnixEndpoint(str(path))), room.gate).start()
        os.link(path, folder / "kept")
    assert not path.exists()
    os.rename(folder / "kept", path)  # as a killed process leaves it
    async with serving(room.gate, folder) as milter:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        (await Mta.connect(milter)).close()
    path.write_text("a file")
    with pytest.raises(OSError, match="no socket"):
        await Milter(MilterSettings(endpoint=UnixEndpoint(str(path))), room.gate).start()
    assert path.read_text() == "a file"


async def test_over_tcp_only_the_named_hosts_are_mtas(room: Room, folder: Path) -> None:
    endpoint = TcpEndpoint("127.0.0.1", 0)
    async with serving(room.gate, folder, endpoint=endpoint) as milter:
        mta = await Mta.connect(milter)
        assert len(await told(mta)) > 1
        mta.close()
    async with serving(room.gate, folder, endpoint=endpoint, peers=(IPv4Network("192.0.2.0/24"),)) as milter:
        stranger = await Mta.dial(milter)
        assert await stranger.ended()
        stranger.close()


async def test_over_tcp_no_timer_of_the_kernel_is_waited_for(room: Room, folder: Path) -> None:
    """Delayed acknowledgements would cost 40 ms for each exchange; 50 messages would take two seconds."""
    async with serving(room.gate, folder, endpoint=TcpEndpoint("127.0.0.1", 0)) as milter:
        mta = await Mta.connect(milter, steps=0x100000)
        await mta.read()
        started = time.monotonic()
        for _ in range(50):
            octets = by_hand.envelope("eve@example.org", "ben@example.net") + by_hand.message(LETTER) + packet(b"E")
            while octets:
                size = 4 + int.from_bytes(octets[:4], "big")
                mta.writer.write(octets[:3])  # in two segments, so that an acknowledgement is owed
                mta.writer.write(octets[3:size])
                octets = octets[size:]
                await mta.read()
        assert time.monotonic() - started < 1.9
        mta.close()


def test_a_refusal_is_told_with_its_code() -> None:
    reply = Reply(code=451, enhanced="4.3.0", text="later")
    assert str(reply) == "451 4.3.0 later"
