"""Whether a party can be reached now, as far as Asterisk knows: who is registered, which trunk answers when asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mailgate.calls.action import ways
from mailgate.calls.asterisk.link import Action, Message
from mailgate.calls.model import Channel, Kind
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.trunks import lines_for


async def available(
    channel: Channel,
    settings: AsteriskSettings,
    act: Callable[[Action], Awaitable[Message]],
    *,
    connected: bool,
) -> bool:
    """A telephone number: by one of its trunks at least; an address elsewhere is taken to be. Raises as `act`."""

    async def has_contact(endpoint: str) -> bool:
        answer = await act({"Action": "Getvar", "Variable": f"PJSIP_DIAL_CONTACTS({endpoint})"})
        return bool(answer.get("value"))

    match channel.kind:
        case Kind.TEL:
            return any([await has_contact(line.name) for line in lines_for(channel.address, settings.lines)])
        case Kind.SIP if "@" not in channel.address:
            return await has_contact(channel.address)
        case _:
            try:
                return bool(ways(channel, settings)) and connected
            except ValueError:
                return False
