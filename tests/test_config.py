"""The configuration: what is wrong is named by file, key and reason; paths are the file's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate import config
from mailgate.errors import ConfigError

GOOD = """
[gateway]
name = "Example"
public_url = "https://call.example.org/"
number = "+33 1 99 00 00 00"
region = "fr"
"""


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "mailgate.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


def test_a_small_file_is_enough_and_values_are_put_in_order(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD)
    assert loaded.gateway.number == "+33199000000"
    assert loaded.gateway.region == "FR"
    assert loaded.gateway.public_url == "https://call.example.org"
    assert loaded.store.path == tmp_path / "mailgate.db"
    assert loaded.asterisk.secret_file == tmp_path / "keys" / "ami.secret"


def test_dkim_key_files_are_beside_the_file_too(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD + '[[dkim.keys]]\ndomain="example.org"\nselector="s"\nkey_file="keys/d.pem"\n')
    assert loaded.dkim.keys[0].key_file == tmp_path / "keys" / "d.pem"


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (GOOD + "[smtp]\nlisten = 25", "smtp.listen", "string"),
        (GOOD + '[smtp]\nlisten = "nowhere"', "smtp.listen", "host:port"),
        (GOOD + '[smtp]\nlistne = "127.0.0.1:25"', "smtp.listne", "no such key"),
        (GOOD + '[smtp]\ntrusted_networks = ["10.0.0.0/33"]', "smtp.trusted_networks.0", "IP"),
        (GOOD + '[smtpd]\nlisten = "127.0.0.1:25"', "smtpd", "no such key"),
        (GOOD + "[offer]\nvalid_days = 0", "offer.valid_days", "greater than 0"),
        (GOOD + '[offer]\nicon = "big"', "offer.icon", "inline"),
        (GOOD + '[dialling]\ncountries = ["Frankreich"]', "dialling.countries.0", "two letters"),
        (GOOD + '[dialling]\nsip_domains = ["example.org"]', "dialling.sip_domains", "sip_outbound"),
        (GOOD + '[xmpp]\ncomponent = "call.example.org"\njid = "calls@example.org"', "xmpp", "one or the other"),
        (GOOD + '[xmpp]\njid = "calls"', "xmpp.jid", "calls@example.org"),
        (GOOD.replace("+33 1 99 00 00 00", "01 99 00 00 00"), "gateway.number", "international form"),
        (GOOD.replace("https://", ""), "gateway.public_url", "https://"),
        (GOOD.replace('region = "fr"', ""), "gateway.region", "is missing"),
        (GOOD + '[later]\nhours = "9 to 5"', "later.hours", "not of the form"),
        (GOOD + '[later]\nhours = "Mon 18-9"', "later.hours", "begins before it ends"),
        (GOOD + '[later]\ntime_zone = "Paris"', "later.time_zone", "Europe/Paris"),
        (GOOD + '[later]\nday = "late"', "later.day", "not of the form"),
        (GOOD + "[later]\nslot_minutes = 1", "later.slot_minutes", "greater than or equal to 5"),
        ("[gateway", "", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    complaint = str(caught.value)
    assert complaint.startswith(str(tmp_path / "mailgate.toml"))
    assert key in complaint and reason in complaint


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mailgate init"):
        config.load(tmp_path / "none.toml")


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD + '[smtp]\nlisten = "x"\nnext_hop = "y"\n')
    assert len(str(caught.value).splitlines()) == 2
