"""`mailgate serve` with two mail workers: everything stored, one that dies replaced, a clean end, the control lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from lab.gateway import Gateway, listens
from smtp_gateway import ADA, letter, links, running, send


async def until(condition: object, within_s: float = 15) -> None:
    """Wait until the function says so."""
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        await asyncio.sleep(0.05)


def stored(gateway: Gateway) -> int:
    return gateway.run("offers", "--most", "1000", "--state", "open").stdout.count(" open ")


async def test_every_message_by_whatever_worker_has_its_stored_offer(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        await until(lambda: len(gateway.workers()) == 2)
        replies = await asyncio.gather(
            *(send(gateway, letter(f"<{n}@example.org>"), f"ben{n}@example.net") for n in range(30))
        )
        assert {code for reply in replies for code, _ in reply} == {250}
        found = set().union(*map(links, hop.taken))
        assert len(hop.taken) == len(found) == await asyncio.to_thread(stored, gateway) == 30


async def test_an_account_that_is_made_while_workers_run_is_seen(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        bob = letter().replace(ADA.encode(), b"bob@example.org")
        for _ in range(8):  # every worker has heard that nobody is there
            await send(gateway, bob, "ben@example.net", sender="bob@example.org")
        assert not any(map(links, hop.taken))
        await asyncio.to_thread(gateway.account_add, "bob@example.org", "Bob", "--number", "+33199004321")
        await asyncio.sleep(2.5)
        hop.taken.clear()
        for _ in range(8):
            await send(gateway, bob, "ben@example.net", sender="bob@example.org")
        assert all(map(links, hop.taken))


async def test_a_worker_that_dies_is_started_again_and_the_other_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        await until(lambda: len(gateway.workers()) == 2)
        first, second = gateway.workers()
        os.kill(first, signal.SIGKILL)
        # what waits in the dead one's queue of connections is taken by its successor
        replies = await asyncio.gather(
            *(send(gateway, letter(f"<{n}@example.org>"), f"ben{n}@example.net") for n in range(12))
        )
        assert {code for reply in replies for code, _ in reply} == {250}
        await until(lambda: len(gateway.workers()) == 2 and second in gateway.workers())
        assert first not in gateway.workers()
        assert all(map(links, hop.taken))


async def test_the_end_of_the_control_process_lets_messages_in_flight_finish(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        slow = asyncio.Event()
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.smtp_port)

        async def say(line: str, code: str) -> None:
            writer.write(line.encode() + b"\r\n")
            while (reply := (await reader.readline()).decode())[3:4] == "-":
                pass
            assert reply.startswith(code), reply

        await reader.readline()
        await say("EHLO client.example", "250")
        await say(f"MAIL FROM:<{ADA}>", "250")
        await say("RCPT TO:<ben@example.net>", "250")
        await say("DATA", "354")
        process = gateway.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        loop.call_later(0.5, slow.set)
        await slow.wait()
        writer.write(letter() + b".\r\n")
        assert (await reader.readline()).startswith(b"250")
        writer.close()
        assert await asyncio.to_thread(process.wait, 20) == 0
        gateway.process = None
        assert len(links(hop.taken[0])) == 1
        assert not listens(gateway.smtp_port)
        assert stored(gateway) == 1


async def test_a_worker_whose_control_process_is_gone_passes_mail_on_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.smtp_port)
        await reader.readline()
        writer.write(f"EHLO c.example\r\nMAIL FROM:<{ADA}>\r\nRCPT TO:<ben@example.net>\r\nDATA\r\n".encode())
        while not (await reader.readline()).startswith(b"354"):
            pass
        pids = gateway.workers()
        gateway.kill()
        await asyncio.sleep(0.3)
        writer.write(letter() + b".\r\n")
        assert (await reader.readline()).startswith(b"250")  # on_fault = pass
        writer.close()
        assert [links(message) for message in hop.taken] == [set()]
        await until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))


async def test_with_on_fault_tempfail_it_is_kept_back(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2, on_fault="tempfail") as (gateway, hop):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.smtp_port)
        await reader.readline()
        writer.write(f"EHLO c.example\r\nMAIL FROM:<{ADA}>\r\nRCPT TO:<ben@example.net>\r\nDATA\r\n".encode())
        while not (await reader.readline()).startswith(b"354"):
            pass
        gateway.kill()
        await asyncio.sleep(0.3)
        writer.write(letter() + b".\r\n")
        assert (await reader.readline()).startswith(b"451")
        writer.close()
        assert hop.taken == []


async def test_partial_failures_are_remembered_by_whatever_worker_meets_the_retry(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        hop.after_data["cat@example.net"] = ["451 4.2.1 not now"]
        names = ("ben@example.net", "cat@example.net", "dan@example.net")
        assert (await send(gateway, letter(), *names))[-1][0] == 451
        for _ in range(3):
            if (await send(gateway, letter(), *names))[-1][0] == 250:
                break
        assert hop.counts("ben", "cat", "dan") == [1, 1, 1]
