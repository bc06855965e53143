"""A second Asterisk is the telephone provider: registration, digest, TLS with SRTP, and what keeps the way open.

Behind it lies the telephone network, a scripted telephone by plain SIP, so that whoever hears a tone there has heard it
through the provider.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, linked
from lab.certificates import Authority
from lab.phone import Answer, Phone
from lab.ports import free_port

from mailgate.calls.model import Bridged, CallOrder, Channel, Outcome
from mailgate.calls.trunks import Transport, Trunk

Make = Callable[..., CallOrder]
Start = Callable[..., PrivateAsterisk]
ONE = Answer(press=((0.3, "1"),))

SIP = """
[customer](!)
type=endpoint
context=customers
disallow=all
allow=ulaw
trust_id_inbound=yes
direct_media=no
[4711](customer)
transport=udp
auth=4711
aors=4711
[4711]
type=aor
max_contacts=1
[4711]
type=auth
auth_type=digest
username=4711
password={password}
[4711]
type=identify
endpoint=4711
match=127.0.0.1
[network]
type=endpoint
transport=udp
context=numbers
disallow=all
allow=ulaw
direct_media=no
aors=network
identify_by=username
[network]
type=aor
contact=sip:127.0.0.1:{network}
"""

TLS = """
[tls]
type=transport
protocol=tls
method=tlsv1_2
bind=127.0.0.1:{port}
cert_file={cert}
priv_key_file={key}
"""

DIALPLAN = """
[customers]
exten => _+X.,1,Set(DB(seen/caller)=${CALLERID(num)})
 same => n,Set(DB(seen/called)=${EXTEN})
 same => n,Dial(PJSIP/${EXTEN}@network,20)
[numbers]
exten => _+X.,1,Dial(PJSIP/4711,20)
"""
PASSWORD = "its!pass#word$"


@pytest.fixture
async def network() -> AsyncIterator[Phone]:
    """The telephones behind the provider."""
    phone = await Phone(user="network", hertz=440, plan={OFFEREE: ONE, ADA: ONE}).open()
    yield phone
    await phone.close()


def sip_of(
    network: Phone, *, tls: tuple[int, Path, Path] | None = None, srtp: bool = False, reuse: bool = False
) -> str:
    """The provider's side. `reuse`: it talks back by the connection that a customer made (as in RFC 5923)."""
    text = SIP.format(password=PASSWORD, network=network.port)
    if tls:
        port, cert, key = tls
        text = TLS.format(port=port, cert=cert, key=key) + text.replace("transport=udp\nauth", "transport=tls\nauth")
    more = ("media_encryption=sdes\n" if srtp else "") + ("force_rport=yes\nrewrite_contact=yes\n" if reuse else "")
    return text.replace("direct_media=no\n", f"direct_media=no\n{more}", 1)


async def registered(asterisk: PrivateAsterisk, wanted: str = "Registered", within_s: float = 8.0) -> None:
    for _ in range(int(within_s / 0.05)):
        if re.search(rf"\b{wanted}\b", await asyncio.to_thread(asterisk.cli, "pjsip show registrations")):
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not {wanted}: {asterisk.cli('pjsip show registrations')} {asterisk.messages[-3000:]}")


async def talk(asterisk: PrivateAsterisk, network: Phone, order: CallOrder) -> None:
    """The whole call, both legs through the trunk, each hearing the other's tone."""
    async with linked(asterisk.deploy.link) as watched:
        await watched.edge.originate(order)
        first = await network.call(OFFEREE)
        network.hertz = 1000  # of the next call
        second = await network.call(ADA)
        await watched.seen(order.attempt_id, Bridged)
        await asyncio.sleep(1)
        assert first.rtp.tones(1000)[1000] > 0.8
        assert second.rtp.tones(440)[440] > 0.8
        network.hang_up(second)
        assert (await watched.ended(order.attempt_id)).outcome is Outcome.COMPLETED


async def test_a_trunk_registers_with_its_provider_and_calls_with_its_password(
    another: Start, order: Make, network: Phone
) -> None:
    """The provider lets nobody in without digest, and knows who called whom."""
    provider = another(own=(sip_of(network), DIALPLAN), trunks=(), users=())
    trunk = Trunk(host=f"{HOST}:{provider.sip_port}", username="4711", password=PASSWORD, register=True)
    asterisk = another(trunks=(trunk,), users=())
    await registered(asterisk)
    assert f":{asterisk.sip_port}" in provider.cli("pjsip show contacts")
    await talk(asterisk, network, order())
    seen = provider.cli("database show seen")
    assert re.findall(r"/seen/(\w+) *: (\S+)", seen) == [("called", ADA), ("caller", GATEWAY)]


async def test_with_a_wrong_password_no_call_gets_through(another: Start, order: Make, network: Phone) -> None:
    provider = another(own=(sip_of(network), DIALPLAN), trunks=(), users=())
    trunk = Trunk(host=f"{HOST}:{provider.sip_port}", username="4711", password="another-one", register=True)
    asterisk = another(trunks=(trunk,), users=())
    await registered(asterisk, "Rejected")
    async with linked(asterisk.deploy.link) as watched:
        made = order()
        await watched.edge.originate(made)
        assert (await watched.ended(made.attempt_id)).outcome is Outcome.OFFEREE_UNREACHABLE
    assert network.calls == []


async def test_who_calls_the_registered_number_is_asked_for_a_pin(another: Start, order: Make, network: Phone) -> None:
    """The provider hands calls to where we registered; the port in between is not one that it was told by hand."""
    provider = another(own=(sip_of(network), DIALPLAN), trunks=(), users=())
    trunk = Trunk(host=f"{HOST}:{provider.sip_port}", username="4711", password=PASSWORD, register=True)
    asterisk = another(trunks=(trunk,), users=())
    await registered(asterisk)
    async with linked(asterisk.deploy.link) as watched:
        wanted = order()
        watched.pins["314159"] = wanted
        network.registrar = (HOST, provider.sip_port)
        call = network.dial(GATEWAY, caller="network")
        await asyncio.wait_for(call.up.wait(), 5)
        await asyncio.sleep(0.3)
        call.rtp.press("314159")
        await watched.seen(wanted.attempt_id, Bridged)
        network.hang_up(call)
        assert (await watched.ended(wanted.attempt_id)).outcome is Outcome.COMPLETED


@pytest.fixture
def encrypted(another: Start, network: Phone, tmp_path: Path) -> tuple[PrivateAsterisk, int, Path]:
    """A provider that takes TLS and SRTP only; its port, and who vouches for it."""
    authority = Authority(tmp_path)
    port = free_port()
    tls = (port, *authority.issue(HOST))
    return another(own=(sip_of(network, tls=tls, srtp=True), DIALPLAN), trunks=(), users=()), port, authority.path


@pytest.mark.parametrize("way_back", ["our connection", "one of its own"])
async def test_tls_and_srtp(another: Start, order: Make, network: Phone, tmp_path: Path, way_back: str) -> None:
    """What the provider sends in a call comes by the connection that we made; or it makes one, and is shown a
    certificate."""
    authority = Authority(tmp_path)
    port = free_port()
    tls = (port, *authority.issue(HOST))
    reuse = way_back == "our connection"
    ours: dict[str, object] = {"tls_ca_file": str(authority.path), "tls_bind": f"{HOST}:{free_port()}"}
    if not reuse:
        cert, key = authority.issue("gateway.example.org")
        ours |= {"tls_cert_file": str(cert), "tls_key_file": str(key)}
    provider = another(own=(sip_of(network, tls=tls, srtp=True, reuse=reuse), DIALPLAN), trunks=(), users=())
    trunk = Trunk(
        host=f"{HOST}:{port}",
        username="4711",
        password=PASSWORD,
        register=True,
        transport=Transport.TLS,
        srtp=True,
        nat=True,
    )
    asterisk = another(trunks=(trunk,), users=(), **ours)
    await registered(asterisk)
    await talk(asterisk, network, order())
    shown = asterisk.cli("pjsip show endpoint trunk")
    assert re.search(r"media_encryption +: sdes", shown)
    assert re.search(r"media_encryption_optimistic +: false", shown)
    assert "transport=TLS" in provider.cli("database show registrar")


async def test_without_srtp_such_a_provider_takes_no_call(
    another: Start, order: Make, network: Phone, encrypted: tuple[PrivateAsterisk, int, Path]
) -> None:
    _, port, ca = encrypted
    trunk = Trunk(host=f"{HOST}:{port}", username="4711", password=PASSWORD, register=True, transport=Transport.TLS)
    asterisk = another(trunks=(trunk,), users=(), tls_bind=f"{HOST}:{free_port()}", tls_ca_file=str(ca))
    await registered(asterisk)
    async with linked(asterisk.deploy.link) as watched:
        made = order()
        await watched.edge.originate(made)
        assert (await watched.ended(made.attempt_id)).outcome is Outcome.OFFEREE_UNREACHABLE
    assert network.calls == []


@pytest.mark.parametrize("fault", ["authority", "name"])
async def test_a_provider_whose_certificate_is_not_its_own_is_not_talked_to(
    another: Start, order: Make, network: Phone, tmp_path: Path, fault: str
) -> None:
    """Whether nobody whom we know vouches for it, or it is for somebody else."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "Somebody else")
    port = free_port()
    tls = (port, *authority.issue("sip.example.org" if fault == "name" else HOST))
    provider = another(own=(sip_of(network, tls=tls), DIALPLAN), trunks=(), users=())
    ca = other if fault == "authority" else authority
    trunk = Trunk(host=f"{HOST}:{port}", username="4711", password=PASSWORD, register=True, transport=Transport.TLS)
    asterisk = another(trunks=(trunk,), users=(), tls_bind=f"{HOST}:{free_port()}", tls_ca_file=str(ca.path))
    await registered(asterisk, "(Unregistered|Rejected)")
    async with linked(asterisk.deploy.link) as watched:
        made = order(leg2=Channel.parse(f"tel:{ADA}"))
        await watched.edge.originate(made)
        assert (await watched.ended(made.attempt_id)).outcome is Outcome.OFFEREE_UNREACHABLE
    assert network.calls == []
    assert "4711" not in provider.cli("pjsip show contacts")


async def test_tcp_and_what_keeps_the_way_open(another: Start, order: Make, network: Phone) -> None:
    """OPTIONS arrive as often as configured, the first at once; they are what a router sees of us between calls."""
    port = free_port()
    tcp = f"[tcp]\ntype=transport\nprotocol=tcp\nbind={HOST}:{port}\n"
    sip = tcp + sip_of(network).replace("transport=udp\nauth", "transport=tcp\nauth")
    another(own=(sip, DIALPLAN), trunks=(), users=())
    trunk = Trunk(host=f"{HOST}:{port}", username="4711", password=PASSWORD, transport=Transport.TCP, keep_alive_s=1)
    asterisk = another(trunks=(trunk,), users=(), tcp_bind=f"{HOST}:{free_port()}")
    await talk(asterisk, network, order())
    listener = await Phone(user="listener").open()
    udp = Trunk(host=f"{HOST}:{listener.port}", keep_alive_s=1)
    another(trunks=(udp,), users=())
    await asyncio.sleep(3.5)
    asked = [at for at, way, message in listener.wire if way == "in" and message.startswith("OPTIONS")]
    assert len(asked) >= 3
    assert all(0.8 < later - earlier < 1.5 for earlier, later in itertools.pairwise(asked))
    await listener.close()
