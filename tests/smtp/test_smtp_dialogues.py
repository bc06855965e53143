"""Each file of `dialogues/` is played on loopback: client, gateway, next hop."""

from pathlib import Path

import pytest
from smtp_dialogue import play

from smtp_hooks.envelope import Envelope, Reply
from smtp_hooks.errors import Refused

DIALOGUES = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("dialogues").glob("*.txt"))}


async def transform(envelope: Envelope, message: bytes) -> bytes:
    """What a dialogue asks for in its Subject: a fault, a refusal, or a longer message."""
    if b"Subject: fault" in message:
        raise RuntimeError("the secret of the gateway")
    if b"Subject: refuse" in message:
        raise Refused(Reply(code=550, enhanced="5.7.1", text="part 2 shows the number"))
    return message.replace(b"Subject: change", b"X-Recipients: %d\r\nSubject: changed" % len(envelope.recipients))


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(name: str) -> None:
    await play(name, DIALOGUES[name], transform)
