"""What the tests of the surgery share: a block to put in, and messages built from a few words."""

from __future__ import annotations

import pytest

from smtp_hooks.mime import Addition, Icon

URL = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
def addition() -> Addition:
    """A block in ASCII, with an icon."""
    return Addition(
        text=f"Ada offers you a call:\n{URL}\n",
        html=f'<div><a href="{URL}"><img src="cid:1@call.example.org" alt=""> Talk to Ada</a></div>\n',
        icon=Icon(content=PNG, filename="call.png", content_id="1@call.example.org"),
    )
