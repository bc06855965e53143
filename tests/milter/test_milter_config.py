"""The milter's section of mailgate.toml: each complaint names its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate.config import load
from mailgate.errors import ConfigError
from smtp_hooks.endpoint import TcpEndpoint, UnixEndpoint, parse_endpoint

GOOD = """
[gateway]
name = "Analytical Engines"
public_url = "https://call.example.org"
number = "+33199000000"
region = "FR"
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[milter]\nlisten = "unix:milter.sock"', "milter.listen: not unix: and an absolute path"),
        (f'[milter]\nlisten = "unix:/{"x" * 107}"', "milter.listen: not unix: and an absolute path"),
        ('[milter]\nlisten = "/run/milter.sock"', "milter.listen: not of the form unix:/path or host:port"),
        ('[milter]\nlisten = "127.0.0.1:99999"', "milter.listen: not of the form"),
        ('[milter]\nsocket_mode = "rw"', "milter.socket_mode: not a file mode"),
        ("[milter]\nmax_connections = 0", "milter.max_connections"),
        ('[milter]\nsocket = "x"', "milter.socket: there is no such key"),
        ('[smtp]\nlisten = ""', "smtp.listen and milter.listen are both empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mailgate.toml"
    path.write_text(GOOD + text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value) and complaint in str(caught.value)


def test_beside_and_instead_of_smtp(tmp_path: Path) -> None:
    path = tmp_path / "mailgate.toml"
    path.write_text(GOOD)
    assert load(path).milter.listen == "" and load(path).smtp.listen
    path.write_text(GOOD + '[smtp]\nlisten = ""\n[milter]\nlisten = "unix:/run/mailgate/milter.sock"')
    assert load(path).milter.listen and not load(path).smtp.listen


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:/run/mailgate/milter.sock", UnixEndpoint("/run/mailgate/milter.sock")),
        ("127.0.0.1:10027", TcpEndpoint("127.0.0.1", 10027)),
        ("[::1]:10027", TcpEndpoint("::1", 10027)),
        ("mail.example.org:10027", TcpEndpoint("mail.example.org", 10027)),
    ],
)
def test_where_to_listen(text: str, endpoint: UnixEndpoint | TcpEndpoint) -> None:
    assert parse_endpoint(text) == endpoint
