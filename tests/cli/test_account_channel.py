"""`mailgate account channel`: order and hours of an account's channels, and what is said where something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.gateway import Gateway

ADA = "ada@example.org"

pytestmark = pytest.mark.timeout(300)  # each command is a process of its own


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    folder: Path = tmp_path_factory.mktemp("channels")
    gateway = Gateway(folder / "g", ami_port=1, next_hop_port=2)
    gateway.init()
    gateway.account_add(ADA, "Ada Lovelace", "--sip", "ada", "--number", "+33199001234")
    return gateway


def listed(gateway: Gateway, *words: str) -> list[str]:
    """The channels as they are shown, in their order."""
    lines = gateway.run("account", "channel", ADA, *words).stdout.splitlines()
    return [" ".join(line.replace("│", " ").split()) for line in lines if "sip:" in line or "tel:" in line]


def test_order_and_hours(gateway: Gateway) -> None:
    assert listed(gateway) == ["1 sip:ada yes any time", "2 tel:+33…34 yes any time"]
    assert listed(gateway, "sip:ada", "--hours", "Mon-Fri 9-18")[0].startswith("1 sip:ada yes Mon-Fri 9-18 (")
    first, second = listed(gateway, "+33 1 99 00 12 34", "--first")
    assert first == "1 tel:+33…34 yes any time"
    assert second.startswith("2 sip:ada yes Mon-Fri 9-18 ("), "the hours stay with their channel"
    gateway.run("account", "change", ADA, "--name", "Ada, Countess of Lovelace")
    assert listed(gateway)[1].startswith("2 sip:ada yes Mon-Fri 9-18"), "another change leaves them"
    assert listed(gateway, "sip:ada", "--hours", "")[1] == "2 sip:ada yes any time"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sip:eve",), "there is, tel:+33…34, sip:ada"),
        (("sip:ada", "--hours", "9-18"), "Mon-Fri 9-18"),
        (("--first",), "which channel?"),
        (("sip:ada", "--destination", "workshop"), "there is default"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(gateway: Gateway, words: tuple[str, ...], says: str) -> None:
    before = sorted(listed(gateway))
    done = gateway.run("account", "channel", ADA, *words, check=False)
    assert done.returncode != 0
    told = " ".join((done.stdout + done.stderr).split())
    assert all(part in told for part in says.split(", ")), told
    assert "+33199001234" not in told
    assert sorted(listed(gateway)) == before


def test_the_browser_is_a_channel_like_others(gateway: Gateway) -> None:
    told = gateway.run("account", "change", ADA, "--browser").stdout
    assert "Calls to Ada" in told and "browser" in told
    lines = lambda *words: gateway.run("account", "channel", ADA, *words).stdout  # noqa: E731
    assert "browser" in lines().splitlines()[3], lines()
    assert "Mon-Fri 9-18" in lines("browser", "--hours", "Mon-Fri 9-18")
    assert "browser" not in gateway.run("account", "change", ADA, "--no-browser").stdout
    alone = gateway.run("account", "add", "mary@example.org", "--name", "Mary", "--browser").stdout
    assert "lead to browser" in alone
    refused = gateway.run("account", "change", "mary@example.org", "--no-browser", check=False)
    assert refused.returncode != 0 and "by browser alone" in refused.stdout + refused.stderr


def test_what_is_named_anew_comes_where_its_kind_stood(gateway: Gateway) -> None:
    listed(gateway, "+33 1 99 00 12 34", "--first")
    gateway.run("account", "change", ADA, "--number", "01 99 00 12 34", "--number", "01 99 00 77 77")
    assert [line.split()[1] for line in listed(gateway)] == ["tel:+33…34", "tel:+33…77", "sip:ada"]
    gateway.run("account", "change", ADA, "--sip", "sip:countess")
    assert [line.split()[1] for line in listed(gateway)] == ["tel:+33…34", "tel:+33…77", "sip:countess"]
    gateway.run("account", "change", ADA, "--number", "01 99 00 12 34", "--sip", "sip:ada")
    assert [line.split()[1] for line in listed(gateway)] == ["tel:+33…34", "sip:ada"]
