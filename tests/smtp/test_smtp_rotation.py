"""A DKIM key rotated by command while mail flows: a gateway, a name server, dkimpy and opendkim as verifiers."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dkim
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from lab.gateway import Gateway
from smtp_gateway import Hop, letter, running, send


class Zone:
    """TXT records, served by UDP on loopback, as an admin would put them into the DNS."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def publish(self, line: str) -> None:
        """A line as `mailgate dkim` prints it."""
        self.records[line.split()[0]] = "".join(re.findall(r'"([^"]*)"', line))

    def text(self, name: bytes, timeout: int = 5) -> bytes | None:
        """As dkimpy asks."""
        found = self.records.get(name.decode())
        return found.encode() if found is not None else None

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            octets, client = self._socket.recvfrom(4096)
            if octets == b"end":
                return
            question = dns.message.from_wire(octets)
            name = question.question[0].name.to_text()
            answer = dns.message.make_response(question)
            answer.flags |= dns.flags.AA | dns.flags.RA
            text = self.records.get(name)
            if text is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                strings = " ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255))
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", strings))
            self._socket.sendto(answer.to_wire(max_size=4096), client)


@pytest.fixture
def zone() -> Iterator[Zone]:
    zone = Zone()
    yield zone
    zone.close()


def opendkim_verifies(folder: Path, zone: Zone, message: bytes) -> bool:
    keys = "".join(f"{name.rstrip('.')} {text}\n" for name, text in zone.records.items())
    (folder / "keys").write_text(keys)
    (folder / "conf").write_text(f"TestPublicKeys {folder}/keys\nMode v\nOn-BadSignature reject\n")
    (folder / "message").write_bytes(message)
    command = ["/usr/sbin/opendkim", "-x", folder / "conf", "-t", folder / "message"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return "succeeded" in done.stdout + done.stderr


def selectors(hop: Hop) -> list[str]:
    return [dkim_selector(taken.content) for taken in hop.taken]


def dkim_selector(message: bytes) -> str:
    found = re.search(rb"DKIM-Signature:.*?s=([^;\s]+);", message, re.DOTALL)
    assert found is not None
    return found[1].decode()


@pytest.mark.timeout(300)  # a dozen commands, each a process of its own
async def test_a_rotation_while_mail_flows(tmp_path: Path, zone: Zone) -> None:
    async with running(tmp_path, workers=2) as (gateway, hop):
        flowing = True

        async def flow() -> None:
            number = 0
            while flowing:
                number += 1
                assert (await send(gateway, letter(f"<{number}@x>"), "ben@example.net"))[-1][0] == 250
                await asyncio.sleep(0.05)

        mail = asyncio.create_task(flow())
        ask = ("--nameserver", f"127.0.0.1:{zone.port}")
        (first,) = (await run(gateway, "dkim")).stdout.splitlines()
        zone.publish(first)

        made = await run(gateway, "dkim", "rotate")
        assert "mailgate dkim switch" in made.stderr
        early = await run(gateway, "dkim", "switch", *ask)
        assert early.returncode == 1 and "is not in the DNS" in early.stderr
        name = made.stdout.split()[0]
        zone.records[name] = "v=DKIM1; k=rsa; p=MIIB"
        wrong = await run(gateway, "dkim", "switch", *ask)
        assert wrong.returncode == 1 and "holds another key" in wrong.stderr
        assert set(selectors(hop)) == {"mailgate"}
        zone.publish(made.stdout)
        assert "as it should be" in (await run(gateway, "dkim", "list", "--dns", *ask)).stdout

        switched = await run(gateway, "dkim", "switch", *ask)
        assert switched.returncode == 0 and "Leave its record until" in switched.stdout
        new = name.partition(".")[0]
        await until(lambda: new in selectors(hop))
        after = len(hop.taken)
        await until(lambda: len(hop.taken) > after + 25)  # a second and more: every worker has looked
        settled = len(hop.taken)
        await until(lambda: len(hop.taken) > settled + 5)

        printed = (await run(gateway, "dkim")).stdout.splitlines()
        assert {line.split()[0] for line in printed} == set(zone.records), "both stay published"
        soon = await run(gateway, "dkim", "retire", "mailgate")
        assert soon.returncode == 1 and "still on their way" in soon.stderr
        retired = await run(gateway, "dkim", "retire", "mailgate", "--early")
        assert "Take mailgate._domainkey.example.org out of the DNS" in retired.stdout
        assert not list((tmp_path / "gateway").rglob("dkim.example.org.pem"))
        again = len(hop.taken)
        await until(lambda: len(hop.taken) > again + 3)
        flowing = False
        await mail

        used = selectors(hop)
        assert set(used) == {"mailgate", new}
        assert set(used[settled:]) == {new}
        for taken in hop.taken:
            assert dkim.verify(taken.content, dnsfunc=zone.text)
        for taken in (hop.taken[0], hop.taken[-1]):
            assert opendkim_verifies(tmp_path, zone, taken.content)
            assert not opendkim_verifies(tmp_path, zone, taken.content.replace(b"Plans", b"Plots", 1))
        await asyncio.to_thread(gateway.stop)
        await asyncio.to_thread(gateway.start)  # whose first key is gone
        assert "good" in (await run(gateway, "check")).stdout
        assert (await send(gateway, letter("<last@x>"), "ben@example.net"))[-1][0] == 250
        assert selectors(hop)[-1] == new


async def test_a_date_makes_the_switch_by_itself(tmp_path: Path, zone: Zone) -> None:
    async with running(tmp_path) as (gateway, hop):
        zone.publish((await run(gateway, "dkim")).stdout)
        made = await run(gateway, "dkim", "rotate", "--type", "rsa", "--from", in_seconds(4), "--selector", "next")
        zone.publish(made.stdout)
        assert "from then on it signs" in made.stderr
        await send(gateway, letter("<1@x>"), "ben@example.net")
        assert selectors(hop) == ["mailgate"]
        while selectors(hop)[-1] == "mailgate":
            await asyncio.sleep(0.2)
            await send(gateway, letter("<2@x>"), "ben@example.net")
        assert dkim.verify(hop.taken[-1].content, dnsfunc=zone.text)
        assert "leaving" in (await run(gateway, "dkim", "list")).stdout


async def test_a_rota_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (gateway, hop):
        await run(gateway, "dkim", "rotate", "--selector", "next")
        (rota,) = (tmp_path / "gateway").rglob("rotation.json")
        rota.write_text("nonsense")
        await asyncio.sleep(1.1)
        await send(gateway, letter(), "ben@example.net")
        assert selectors(hop) == ["mailgate"]
        assert "DKIM keys stay as they were" in gateway.log
        assert "not JSON" in (await run(gateway, "check")).stderr


def in_seconds(seconds: float) -> str:
    return (datetime.now() + timedelta(seconds=seconds)).isoformat()


async def run(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(gateway.run, *words, check=False)


async def until(holds: object, within_s: float = 60.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)
