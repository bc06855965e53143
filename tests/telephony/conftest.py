"""One private Asterisk for all telephony tests, on exactly the files that `mailgate deploy asterisk` prints."""

from __future__ import annotations

import dataclasses
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.asterisk import HOST, PrivateAsterisk
from lab.cast import ADA, GATEWAY, OFFEREE, Calls
from lab.phone import Answer, Phone
from lab.ports import free_port

from mailgate.calls.model import CallOrder, Channel
from mailgate.calls.settings import AsteriskSettings, DeploySettings, SipUser
from mailgate.calls.trunks import Line, Trunk


@pytest.fixture(scope="session")
def pstn_port() -> int:
    return free_port(socket.SOCK_DGRAM)


@pytest.fixture(scope="session")
def deployed(pstn_port: int) -> DeploySettings:
    link = AsteriskSettings(
        gateway_number=GATEWAY,
        port=free_port(),
        secret=secrets.token_urlsafe(16),
        outbound="elsewhere",
        websocket=f"{HOST}:{free_port()}",
        answer_timeout_s=2.0,
        ping_interval_s=0.5,
        reconnect_s=(0.1, 1.0),
    )
    return DeploySettings(
        link=link,
        trunks=(Trunk(host=f"{HOST}:{pstn_port}", keep_alive_s=0),),  # the provider comes and goes with each test
        users=(SipUser(name="alice", password="pw-of-alice"), SipUser(name="bob", password="pw-of-bob-")),
        key_wait_s=1,
        key_tries=1,
        qualify_s=0,
        sound_announcement="beep",
        sound_goodbye="beep",
        sound_sorry="beep",
        media_address=HOST,
        dial_in=True,
        sound_pin="beep",
        sound_pin_wrong="beep",
    )


@pytest.fixture(scope="session")
def pbx(deployed: DeploySettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAsterisk]:
    first = 20_000 + secrets.randbelow(400) * 100
    asterisk = PrivateAsterisk(
        tmp_path_factory.mktemp("asterisk"),
        deploy=deployed,
        sip_port=free_port(socket.SOCK_DGRAM),
        rtp_ports=(first, first + 98),
        # What an office has beside ours: a telephone that may call out, and calls of its own.
        own_sip="""
[carol](mailgate-hidden)
context=office
auth=carol
aors=carol
[carol]
type=aor
max_contacts=1
remove_existing=yes
[carol]
type=auth
auth_type=digest
username=carol
password=pw-of-carol
""",
        own_dialplan="""
[office]
exten => _+X.,1,Dial(PJSIP/${EXTEN}@trunk,5)
exten => _[a-z].,1,Dial(PJSIP/${EXTEN},5)
exten => 201,1,Gosub(mailgate-try,s,1(PJSIP/alice,2,201))
 same => n,Set(DB(office/said)=${GOSUB_RETVAL})
 same => n,Hangup(${HANGUPCAUSE})
[mailgate-from-trunk](+)
exten => 201,1,Goto(office,201,1)
""",
        modules=("res_clioriginate",),
    )
    asterisk.start()
    yield asterisk
    asterisk.stop()


@pytest.fixture
def another(deployed: DeploySettings, tmp_path: Path) -> Iterator[Callable[..., PrivateAsterisk]]:
    """Starts an Asterisk of its own, for what would harm other tests; keywords change what is deployed.

    `own` is what an administrator has beside ours, in pjsip.conf and in extensions.conf; `lines` what mailgate knows of
    the trunks.
    """
    started: list[PrivateAsterisk] = []

    def start(own: tuple[str, str] = ("", ""), lines: tuple[Line, ...] = (), **changes: Any) -> PrivateAsterisk:
        first = 20_000 + secrets.randbelow(400) * 100
        link = dataclasses.replace(
            deployed.link,
            port=free_port(),
            websocket=f"{HOST}:{free_port()}",
            lines=lines or deployed.link.lines,
        )
        asterisk = PrivateAsterisk(
            tmp_path / f"asterisk{len(started)}",
            deploy=dataclasses.replace(deployed, **({"link": link} | changes)),
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_ports=(first, first + 98),
            own_sip=own[0],
            own_dialplan=own[1],
        )
        started.append(asterisk)
        asterisk.start()
        return asterisk

    yield start
    for asterisk in started:
        asterisk.resume()
        asterisk.stop()


@pytest.fixture
async def calls(pbx: PrivateAsterisk, deployed: DeploySettings) -> AsyncIterator[Calls]:
    watched = Calls(deployed.link, nonce_ttl_s=1.5)
    await watched.edge.start()
    assert watched.edge.connected, watched.edge.trouble
    yield watched
    await watched.edge.stop()


@pytest.fixture
async def pstn(pstn_port: int, pbx: PrivateAsterisk) -> AsyncIterator[Phone]:
    """The telephone network behind the trunk."""
    phone = await Phone(user="pstn", port=pstn_port, hertz=440).open()
    phone.plan = {OFFEREE: Answer(press=((0.3, "1"),)), ADA: Answer(press=((0.3, "1"),))}
    yield phone
    await phone.close()


@pytest.fixture
def order() -> Callable[..., CallOrder]:
    """An order from telephone to telephone, changed by keywords."""

    def make(**changes: object) -> CallOrder:
        values: dict[str, object] = {
            "attempt_id": secrets.token_hex(16),
            "leg1": Channel.parse(f"tel:{OFFEREE}"),
            "leg2": Channel.parse(f"tel:{ADA}"),
            "ring1_s": 5,
            "ring2_s": 5,
        }
        return CallOrder(**(values | changes))  # type: ignore[arg-type]

    return make
