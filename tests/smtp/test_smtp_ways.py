"""Each way of attaching mailgate to Postfix, on what `mailgate deploy postfix --way …` prints, with `mailgate serve`.

Real deliveries first; then the next hop is replaced by one that fails as told, and what was printed stays as it is.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest
import pytest_asyncio
from lab import sink
from lab.gateway import Gateway
from lab.ports import free_port
from lab.postfix import Postfix
from smtp_gateway import ADA, NUMBER, Hop, letter

BEN, CAT, DAN = (f"{name}@example.net" for name in ("ben", "cat", "dan"))
QUEUED = ("after-queue", "smarthost")
SCRIPTS = {"after-queue": "filter.sh", "before-queue": "proxy.sh", "smarthost": "smarthost.sh"}
_LINK = re.compile(rb"http://127\.0\.0\.1:\d+/a/[A-Za-z0-9_-]{36}")
LOOP = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    way: str
    front: Postfix
    """Takes what is submitted."""
    gateway: Gateway
    final: Postfix
    """Holds the mailboxes."""
    hop: Hop

    def submit(self, message: bytes, *recipients: str) -> list[tuple[int, str]]:
        """One transaction: the replies to each RCPT and, where one was accepted, to DATA."""
        with smtplib.SMTP("127.0.0.1", self.front.port, timeout=30) as client:
            client.ehlo("client.example")
            assert client.mail(ADA)[0] == 250
            replies = [client.rcpt(recipient) for recipient in recipients]
            if any(code == 250 for code, _ in replies):
                replies.append(client.data(message))
        return [(code, text.decode()) for code, text in replies]

    async def sends(self, message: bytes, *recipients: str) -> list[tuple[int, str]]:
        return await asyncio.to_thread(self.submit, message, *recipients)

    async def holds(self, address: str, count: int) -> list[bytes]:
        return await asyncio.to_thread(lambda: self.final.wait_for_mail(address, count=count))


def build(stack: AsyncExitStack, folder: Path, way: str) -> Site:
    """Both instances, and the gateway between them, not yet running."""
    folder.chmod(0o755)
    boxes = [ADA, BEN, CAT, DAN]
    front = Postfix(folder / "p", mailboxes=boxes if way != "smarthost" else [ADA])
    front.root.mkdir()
    front.assemble()
    final = front
    if way == "smarthost":
        final = Postfix(folder / "q", mailboxes=boxes, hostname="far.example.net")
        final.root.mkdir()
        final.assemble()
    gateway = Gateway(folder / "g", ami_port=1, next_hop_port=final.port if final is not front else free_port())
    gateway.init()
    gateway.account_add(ADA, "Ada Lovelace", "--number", NUMBER)
    if way == "before-queue":
        printed = gateway.run("deploy", "postfix", "--way", way)
        assert 'several_recipients = "skip"' in printed.stderr
        gateway.configure("smtp", several_recipients="skip")
    options = ("--service", front.service, "--service", "pickup/unix", "--output", str(folder))
    done = gateway.run("deploy", "postfix", "--way", way, *options)
    assert done.stderr == ""
    script = (folder / SCRIPTS[way]).read_text()
    front.run_script(script)
    before = (front.config / "master.cf").read_bytes()
    front.run_script(script)
    assert (front.config / "master.cf").read_bytes() == before, "a second run changes something"
    for postfix in {id(front): front, id(final): final}.values():
        stack.callback(postfix.stop)
        postfix.start()
    return Site(way, front, gateway, final, Hop())


@asynccontextmanager
async def standing(way: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", prefix="pf")))
        site = await asyncio.to_thread(build, stack, folder, way)
        stack.callback(site.gateway.stop)
        await asyncio.to_thread(site.gateway.start)
        yield site


def valid(site: Site, message: bytes) -> bool:
    line = site.gateway.run("dkim").stdout
    text = "".join(re.findall(r'"([^"]*)"', line)).encode()
    return bool(dkim.DKIM(message).verify(dnsfunc=lambda name, timeout=5: text))


@pytest.mark.parametrize("way", SCRIPTS)
async def test_real_messages(way: str) -> None:
    """By SMTP and by sendmail on the host itself, to one and to several."""
    async with standing(way) as site:
        assert (await site.sends(letter("<1@x>"), BEN))[-1][0] == 250
        (first,) = await site.holds(BEN, 1)
        await site.sends(letter("<2@x>"), BEN, CAT, DAN)
        several = [(await site.holds(address, count))[-1] for address, count in ((BEN, 2), (CAT, 1), (DAN, 1))]
        await asyncio.to_thread(site.front.submit_locally, letter("<3@x>"), ADA, BEN)
        local = (await site.holds(BEN, 3))[-1]
        for message in (first, local):
            assert len(set(_LINK.findall(message))) == 1
            assert await asyncio.to_thread(valid, site, message)
        offers = [set(_LINK.findall(message)) for message in several]
        assert [len(each) for each in offers] == ([0, 0, 0] if way == "before-queue" else [1, 1, 1])
        assert len(set.union(*offers)) == (0 if way == "before-queue" else 3)
        # The gateway is away: nothing is lost, and before the queue the sender is told.
        await asyncio.to_thread(site.gateway.stop)
        replies = await site.sends(letter("<4@x>"), CAT)
        assert replies[-1][0] == (451 if way == "before-queue" else 250)
        await asyncio.to_thread(site.gateway.start)
        if way == "before-queue":
            assert (await site.sends(letter("<4@x>"), CAT))[-1][0] == 250
        assert len(set(_LINK.findall((await site.holds(CAT, 2))[-1]))) == 1


# --- a next hop in trouble ------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SCRIPTS)
async def shaky(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with standing(request.param) as site:
        site.hop.server = await sink.start(site.hop.take, asked=site.hop.asked)
        await asyncio.to_thread(site.gateway.stop)
        site.gateway.configure("smtp", next_hop=[f"127.0.0.1:{site.hop.port}"])
        await asyncio.to_thread(site.gateway.start)
        yield site
        site.hop.server.close()
        await asyncio.sleep(0.01)


async def until(site: Site, condition: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        seen = f"{site.front.queue()}\n{site.hop.counts('ben', 'cat', 'dan')}\n{site.gateway.log[-4000:]}"
        raise AssertionError(f"it never came to that; the queue, what the next hop has, the gateway:\n{seen}") from None


@contextmanager
def kept(port: int) -> Iterator[None]:
    """Nobody listens there, and nobody else gets the port: neither another server nor the near end of a connection,
    which could even be one to itself."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        yield


TROUBLES = {
    "4xx at RCPT": ("at_rcpt", "452 4.2.2 full"),
    "5xx at RCPT": ("at_rcpt", "550 5.1.1 nobody"),
    "4xx after DATA": ("after_data", "451 4.3.1 disk full"),
    "5xx after DATA": ("after_data", "554 5.6.0 spam"),
    "cut after DATA": ("after_data", ""),
    "acknowledgement lost": ("after_data", "drop"),
    "slow": ("after_data", "slow"),
}
NO_COPY = [0, 0, 0]


@LOOP
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_with_one_recipient(shaky: Site, trouble: str) -> None:
    hop = shaky.hop
    hop.taken.clear()
    where, reply = TROUBLES[trouble]
    setattr(hop, where, {CAT: [reply]})
    replies = await shaky.sends(letter(f"<{trouble.replace(' ', '-')}@x>"), BEN, CAT, DAN)
    if shaky.way in QUEUED:
        assert [code for code, _ in replies] == [250] * 4
        await until(shaky, lambda: len(hop.of(BEN)) + len(hop.of(DAN)) == 2 and not shaky.front.queue())
        copies = {"5xx": 0, "ack": 2}.get(trouble[:3], 1)  # only a lost acknowledgement doubles
        assert hop.counts("ben", "cat", "dan") == [1, copies, 1]
        if copies == 0:
            bounce = (await asyncio.to_thread(lambda: shaky.front.wait_for_mail(ADA, count=1)))[-1]
            assert CAT.encode() in bounce
            assert reply.split(" ", 2)[2].encode() in bounce
    elif where == "at_rcpt":
        assert [code for code, _ in replies] == [250, int(reply[:3]), 250, 250]
        assert reply[4:] in replies[1][1]
        assert hop.counts("ben", "cat", "dan") == [1, 0, 1]
    else:
        told = {"5xx": 554, "slo": 250}.get(trouble[:3], 451)
        assert replies[-1][0] == told
        assert hop.counts("ben", "cat", "dan") == ([1, 1, 1] if reply in ("drop", "slow") else NO_COPY)
    assert not shaky.front.queue()


@LOOP
async def test_the_next_hop_is_down_for_a_while(shaky: Site) -> None:
    hop = shaky.hop
    hop.taken.clear()
    assert hop.server is not None
    port = hop.port
    hop.server.close()
    with kept(port):
        await asyncio.to_thread(shaky.gateway.stop)  # with it the kept connections, which a closed listener leaves
        await asyncio.to_thread(shaky.gateway.start)
        replies = await shaky.sends(letter("<down@x>"), BEN, CAT)
        if shaky.way in QUEUED:
            await until(shaky, lambda: any(entry["queue_name"] == "deferred" for entry in shaky.front.queue()))
            assert "451 4.4.1" in str(shaky.front.queue())
        else:
            assert [code for code, _ in replies] == [451, 451]
        hop.server = await sink.start(hop.take, asked=hop.asked, port=port)
    if shaky.way not in QUEUED:
        assert (await shaky.sends(letter("<down@x>"), BEN, CAT))[-1][0] == 250
    await until(shaky, lambda: not shaky.front.queue())
    assert hop.counts("ben", "cat") == [1, 1]
