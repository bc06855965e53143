"""The files that `mailgate deploy asterisk` prints: whole, minimal, and what Asterisk makes of them."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import socket
import time
from collections.abc import Callable

import pytest
from lab.asterisk import HOST, PrivateAsterisk, tree
from lab.cast import ADA, GATEWAY, OFFEREE, Calls
from lab.phone import Answer, Phone, Reject
from lab.ports import free_port

from mailgate.calls.asterisk.link import Link, Refused
from mailgate.calls.deploy import DIALPLAN_VERSION, render_asterisk
from mailgate.calls.model import Bridged, CallOrder, Channel, Outcome
from mailgate.calls.settings import AsteriskSettings, DeploySettings, SipUser
from mailgate.calls.trunks import Trunk
from mailgate.errors import ConfigError


def test_every_file_is_filled(deployed: DeploySettings) -> None:
    files = render_asterisk(deployed)
    assert set(files) == {
        "extensions_mailgate.conf",
        "manager.d/mailgate.conf",
        "modules_mailgate.conf",
        "pjsip_mailgate.conf",
    }
    for text in files.values():
        assert "{{" not in text
        assert "{%" not in text
        assert text.endswith("\n")
    assert f"version-{DIALPLAN_VERSION}" in files["extensions_mailgate.conf"]
    assert deployed.link.secret in files["manager.d/mailgate.conf"]


def test_every_endpoint_hides_numbers(deployed: DeploySettings) -> None:
    text = render_asterisk(deployed)["pjsip_mailgate.conf"]
    endpoints = re.findall(r"^\[(\S+)\]\(mailgate-hidden\)$", text, re.M)
    users = [user.name for user in deployed.users]
    assert endpoints == ["trunk", deployed.link.outbound, "mailgate-web", *users]
    assert text.count("type=endpoint") == 1  # the template's own: no endpoint without it


def test_a_trunk_with_a_login_registers_and_authenticates(deployed: DeploySettings) -> None:
    trunk = Trunk(host="sip.example.org:5080", username="4711", password="its-password", register=True)
    text = render_asterisk(dataclasses.replace(deployed, trunks=(trunk,)))["pjsip_mailgate.conf"]
    assert "outbound_auth=trunk" in text
    assert "client_uri=sip:4711@sip.example.org:5080" in text
    assert "password=its-password" in text


def test_without_trunk_users_and_outbound_there_is_none(deployed: DeploySettings) -> None:
    bare = DeploySettings(link=dataclasses.replace(deployed.link, outbound="", websocket=""))
    files = render_asterisk(bare)
    assert re.findall(r"^\[(\S+)\]", files["pjsip_mailgate.conf"], re.M) == ["mailgate-hidden"]
    for context in ("mailgate-web", "mailgate-dial-in", "mailgate-from-trunk"):
        assert f"[{context}]\n" not in files["extensions_mailgate.conf"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (AsteriskSettings, {"gateway_number": "0199009000", "secret": "long-enough"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "short"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "has;comment"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "x\r\nAction: Command"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "long-enough", "username": "a]\n[b"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "long-enough", "outbound": "t,u"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "long-enough", "outbound": "a/b"}),
        (AsteriskSettings, {"gateway_number": "+33199009000", "secret": "long-enough", "websocket": "10.0.0.1:8088"}),
        (SipUser, {"name": "a b", "password": "long-enough"}),
        (SipUser, {"name": "alice", "password": "a\nb=cdefgh"}),
        (Trunk, {"host": "a b"}),
        (Trunk, {"host": "example.org", "username": "a;b", "password": "long-enough"}),
        (Trunk, {"host": "example.org", "username": "ab", "password": "two words"}),
    ],
)
def test_what_would_be_syntax_in_a_file_is_refused(kind: type, values: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        kind(**values)


def test_asterisk_has_nothing_to_complain_of(another: Callable[..., PrivateAsterisk]) -> None:
    """Neither while it reads the files nor of a module that is missing from the list."""
    asterisk = another()
    asterisk.stop()
    assert "modules will be loaded" in asterisk.messages
    assert not re.findall(r".*(?:WARNING|ERROR).*", asterisk.messages)


def test_the_built_in_announcements_are_there() -> None:
    """Named in DeploySettings, played where there is no speech: they come with Asterisk's core sounds."""
    defaults = {field.name: field.default for field in dataclasses.fields(DeploySettings)}
    names = [
        str(defaults[f"sound_{what}"]).split("&") for what in ("announcement", "goodbye", "sorry", "pin", "pin_wrong")
    ]
    sounds = tree() / "usr" / "share" / "asterisk" / "sounds" / "en"
    for name in ["beep", "silence/1", *(name for group in names for name in group)]:
        assert (sounds / f"{name}.gsm").is_file(), name


async def test_the_announcement_is_played_again(
    another: Callable[..., PrivateAsterisk],
    pstn: Phone,
    order: Callable[..., CallOrder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who presses 1 only when it comes a second time is put through."""
    monkeypatch.setenv("TZ", "America/New_York")
    asterisk = another(key_tries=2)
    watched = Calls(asterisk.deploy.link)
    await watched.edge.start()
    pstn.plan = {OFFEREE: Answer(press=((3.0, "1"),)), ADA: Answer(press=((0.2, "1"),))}
    made = order()
    await watched.edge.originate(made)
    bridged = await watched.seen(made.attempt_id, Bridged)
    # What the dialplan recorded of the time agrees with the event's own, in New York too.
    settled = (await watched.edge.settle([made.attempt_id]))[made.attempt_id]
    assert isinstance(bridged, Bridged)
    assert isinstance(settled, Bridged)
    assert settled.bridged_at == pytest.approx(bridged.bridged_at, abs=0.1)
    assert bridged.bridged_at == pytest.approx(time.time(), abs=1)
    await watched.edge.stop()


async def test_a_dead_trunk_is_known_before_the_call(
    another: Callable[..., PrivateAsterisk], order: Callable[..., CallOrder]
) -> None:
    """Asterisk asks the provider whether it lives, so that a call fails at once instead of after half a minute."""
    trunk_port = free_port(socket.SOCK_DGRAM)
    asterisk = another(trunks=(Trunk(host=f"{HOST}:{trunk_port}", keep_alive_s=1),))
    watched = Calls(asterisk.deploy.link)
    await watched.edge.start()

    async def becomes(wanted: bool) -> None:
        for _ in range(150):
            if await watched.edge.available(Channel.parse(f"tel:{OFFEREE}")) is wanted:
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"the trunk has not become {wanted=}")

    await becomes(False)
    made = order()
    asked_at = time.monotonic()
    await watched.edge.originate(made)
    assert (await watched.ended(made.attempt_id)).outcome is Outcome.OFFEREE_UNREACHABLE
    assert time.monotonic() - asked_at < 2
    provider = await Phone(port=trunk_port, plan={OFFEREE: Reject(code=486)}).open()
    await becomes(True)
    again = order()
    await watched.edge.originate(again)
    assert (await watched.ended(again.attempt_id)).outcome is Outcome.OFFEREE_BUSY
    await provider.close()
    await watched.edge.stop()


@pytest.mark.claim("T14", "T29")
def test_asterisk_takes_every_endpoint_for_one_that_hides(pbx: PrivateAsterisk) -> None:
    """As Asterisk reports it: the dialplan hides numbers a second time, so that calls alone would not show it."""
    for endpoint in ("trunk", "elsewhere", "alice", "bob"):
        shown = dict(re.findall(r"^ *(\w+) +: (.*?) *$", pbx.cli(f"pjsip show endpoint {endpoint}"), re.M))
        told = {name: shown[name] for name in shown if name.startswith(("send_", "trust_"))}
        assert len(told) > 6
        assert not [name for name, value in told.items() if value not in ("false", "no")]
        assert shown["direct_media"] == shown["allow_transfer"] == shown["allow_subscribe"] == "false"
        assert shown["from_user"] == GATEWAY


def test_no_context_can_be_reached_from_outside(pbx: PrivateAsterisk) -> None:
    endpoints = re.findall(r"^ Endpoint:\s+([a-z-]+)[ /]", pbx.cli("pjsip show endpoints"), re.M)
    entered = {"mailgate-web": "mailgate-web", "trunk": "mailgate-from-trunk"}  # what is asked for nonce or PIN
    assert set(endpoints) == {*entered, "elsewhere", "alice", "bob", "carol"}  # the last one is not ours
    for endpoint in set(endpoints) - {"carol"}:
        context = entered.get(endpoint, "mailgate-none")
        assert re.search(rf"^ *context +: {context}$", pbx.cli(f"pjsip show endpoint {endpoint}"), re.M)
    assert "There is no existence" in pbx.cli("dialplan show mailgate-none")


@pytest.mark.parametrize(
    "action",
    [
        {"Action": "Command", "Command": "core show version"},
        {"Action": "DBPut", "Family": "mailgate", "Key": "x", "Val": "y"},
        {"Action": "DBDel", "Family": "mailgate", "Key": "x"},
        {"Action": "GetConfig", "Filename": "manager.conf"},
        {"Action": "ModuleLoad", "LoadType": "reload"},
        {"Action": "Originate", "Channel": "PJSIP/alice", "Application": "System", "Data": "id", "Async": "true"},
        {"Action": "Getvar", "Variable": "FILE(/etc/hostname)"},
    ],
    ids=lambda action: action["Action"],
)
async def test_mailgates_ami_user_can_do_little(
    pbx: PrivateAsterisk, deployed: DeploySettings, action: dict[str, str]
) -> None:
    link = await Link.open(deployed.link, lambda _: None)
    answer = await link.act({**action})
    assert answer.get("response") == "Error" or answer.get("value", "") == ""
    with pytest.raises(Refused):
        await link.ask({"Action": "DBGet", "Family": "mailgate", "Key": "x"})
    link.close()
    await asyncio.sleep(0)  # the loop ends the connection


async def test_mailgate_hears_nothing_of_other_calls(
    pbx: PrivateAsterisk, deployed: DeploySettings, calls: Calls, pstn: Phone, order: Callable[..., CallOrder]
) -> None:
    """Not only less work: numbers of calls that are none of its business never reach it."""
    heard: list[str] = []
    link = await Link.open(deployed.link, lambda event: heard.append(str(dict(event))))
    other = "+33199005678"
    pstn.plan = {other: Answer(hang_up=0.2), OFFEREE: Reject(code=486)}
    await asyncio.to_thread(pbx.cli, f"channel originate PJSIP/{other}@trunk application Wait 5")
    await asyncio.wait_for((await pstn.call(other)).over.wait(), 3)
    await link.ping()
    assert [event for event in heard if "FullyBooted" not in event] == []
    made = order(ring1_s=1)
    await calls.edge.originate(made)
    await calls.ended(made.attempt_id)
    await link.ping()
    assert any(made.attempt_id in event for event in heard)
    assert not [event for event in heard if other in event]
    link.close()
    await asyncio.sleep(0)  # the loop ends the connection
