"""Killed under load, twenty times: Postfix → `mailgate serve` → Postfix on the printed configuration.

Nothing that was acknowledged is lost; a copy comes twice only where Postfix itself says that the acknowledgement was
lost ("message may be sent more than once"); every link that arrived leads to an offer.
"""

from __future__ import annotations

import random
import re
import smtplib
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from lab.gateway import Gateway
from lab.ports import free_port
from lab.postfix import Postfix
from smtp_gateway import ADA, NUMBER, letter

KILLS = 20
MAILBOXES = ("ben@example.net", "cat@example.net")
_LINK = re.compile(rb"http://127\.0\.0\.1:\d+/a/[A-Za-z0-9_-]{36}")


class Load(threading.Thread):
    """Submits messages to two recipients each, one after the other, until told to stop."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.acknowledged: set[str] = set()
        self.stopping = threading.Event()

    def run(self) -> None:
        number = 0
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            while not self.stopping.wait(0.05):
                number += 1
                client.sendmail(ADA, MAILBOXES, letter(f"<{number}@example.org>"))
                self.acknowledged.add(f"<{number}@example.org>")


def doubtful(log: str) -> Counter[tuple[str, str]]:
    """(Message-ID, recipient) → how often Postfix lost the acknowledgement of the gateway."""
    ids = dict(re.findall(r"cleanup\[\d+\]: (\w+): message-id=(<[^>]+>)", log))
    lost = re.findall(r"smtp\[\d+\]: (\w+): to=<([^>]+)>,.*status=deferred \(.*may be sent more than once", log)
    return Counter((ids[queue_id], recipient) for queue_id, recipient in lost)


def hit(log: str) -> bool:
    """Whether a kill has met a message on its way."""
    return bool(re.search(r"lost connection .*while", log))


def told_of(left: list[dict[str, object]], postfix: Postfix, gateway: Gateway) -> str:
    """What is known of messages that stay in the queue: Postfix's records, all that its log says of them, the gateway's
    last words."""
    ids = [str(each["queue_id"]) for each in left]
    lines = [line for line in postfix.log().splitlines() if "warning" in line or any(f"{i}:" in line for i in ids)]
    return "\n".join(["still there:", *map(str, left), *lines, gateway.log_path.read_text(errors="replace")[-3000:]])


@pytest.mark.timeout(300)
def test_killed_under_load() -> None:
    dice = random.Random(20)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf") as folder:
        postfix = Postfix(Path(folder) / "p", mailboxes=MAILBOXES)
        gateway = Gateway(Path(folder) / "g", ami_port=1, next_hop_port=free_port())
        gateway.init()
        gateway.account_add(ADA, "Ada Lovelace", "--number", NUMBER)
        Path(folder).chmod(0o755)
        postfix.root.mkdir()
        postfix.assemble(in_flow_delay="0s")
        gateway.run("deploy", "postfix", "--service", postfix.service, "--output", folder)
        postfix.run_script((Path(folder) / "filter.sh").read_text())
        postfix.start()
        gateway.start()
        load = Load(postfix.port)
        load.start()
        try:
            for number in range(4 * KILLS):
                if number >= KILLS and hit(postfix.log()):
                    break  # a fast gateway seldom has a message at hand
                time.sleep(dice.uniform(0.05, 0.4))
                gateway.kill()
                gateway.start()
            load.stopping.set()
            load.join()
            deadline = time.monotonic() + 60
            while left := postfix.queue():
                assert time.monotonic() < deadline, told_of(left, postfix, gateway)
                time.sleep(0.2)
            check(postfix, gateway, load.acknowledged)
        finally:
            load.stopping.set()
            gateway.stop()
            postfix.stop()


def check(postfix: Postfix, gateway: Gateway, acknowledged: set[str]) -> None:
    assert len(acknowledged) > 3 * KILLS, "this was no load"
    assert hit(postfix.log()), "no kill hit a message"
    copies: Counter[tuple[str, str]] = Counter()
    links: list[str] = []
    for mailbox in MAILBOXES:
        for message in postfix.mail(mailbox):
            message_id = re.search(rb"\r\nMessage-ID: (<[^>]+>)", message)
            assert message_id is not None
            copies[message_id[1].decode(), mailbox] += 1
            (link,) = set(_LINK.findall(message))
            links.append(link.decode())
    assert set(copies) == {(message_id, mailbox) for message_id in acknowledged for mailbox in MAILBOXES}
    excused = doubtful(postfix.log())
    doubled = {copy: count for copy, count in copies.items() if count > 1 + excused[copy]}
    assert not doubled
    assert len(set(links)) == len(links)
    with httpx.Client() as browser:
        assert {browser.get(link).status_code for link in links} == {200}
