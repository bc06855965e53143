"""One AMI connection, from login to its end, over panoramisk.

Actions go in, responses and events come out. A link is used once: when it is lost it is thrown away, and whoever owns
it opens a new one. That is what makes "never the same Originate twice" hold: panoramisk (1.4) sends again after its own
reconnect whatever was unanswered, so it is never let reconnect. What else is guarded against, all seen:
futures that never finish (every wait has a limit and ends with the link), callbacks that raise and take the connection
along, responses of an asynchronous Originate that come minutes later (only the first is waited for).
Standards: Asterisk Manager Interface, protocol 2 and later. Known limits: no TLS (loopback only).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from mailgate.calls.settings import AsteriskSettings
from mailgate.errors import MailgateError

log = logging.getLogger(__name__)

Action = Mapping[str, str | list[str]]
Message = Mapping[str, Any]  # header → value, case-insensitive


class LinkLost(MailgateError):
    """The connection ended, or answers no more, before the answer came."""


class LoginRefused(MailgateError):
    """Asterisk does not accept user name and secret."""


class Refused(MailgateError):
    """Asterisk answered an action with an error."""


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """panoramisk logs every message, numbers of other calls included, and its own errors loudly: keep it all down."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Nothing."""


class _OneConnection(Manager):  # type: ignore[misc]  # panoramisk has no types
    """A manager that neither reconnects nor pings by itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_disconnect(self, exc)

    def ping(self) -> None:
        """Ours has a time limit, see Link.ping."""

    def dispatch(self, event: Any) -> Any:
        try:
            return super().dispatch(event)
        except Exception:
            log.exception("an AMI event could not be handled", extra={"action": "ami_event_failed"})
            return []


class Link:
    """An AMI connection that is logged in. `lost` is done as soon as it is no use any more."""

    def __init__(self, settings: AsteriskSettings, manager: _OneConnection, lost: asyncio.Future[None]) -> None:
        self._settings = settings
        self._manager = manager
        self.lost = lost

    @classmethod
    async def open(cls, settings: AsteriskSettings, on_event: Callable[[Message], None]) -> Link:
        """Connect and log in. Raises OSError, TimeoutError, LinkLost or LoginRefused."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()

        def on_lost(_manager: object, _exc: object) -> None:
            if not lost.done():
                lost.set_result(None)

        manager = _OneConnection(
            loop=loop,
            username=settings.username,
            secret=settings.secret,
            events="call,user",
            on_disconnect=on_lost,
            log=_Quiet(log, {}),
        )
        manager.register_event("*", lambda _manager, event: on_event(event))
        link = cls(settings, manager, lost)
        async with asyncio.timeout(settings.answer_timeout_s):
            _, protocol = await loop.create_connection(partial(_new_protocol, manager), settings.host, settings.port)
        made: asyncio.Future[Any] = loop.create_future()
        made.set_result((None, protocol))
        manager.connection_made(made)  # sends the login
        try:
            response = await link._wait(manager.authenticated_future)
        except BaseException:
            link.close()
            raise
        if not response.success:
            link.close()
            raise LoginRefused(
                f"Asterisk at {settings.host}:{settings.port} refuses the AMI user {settings.username!r} or its secret"
                ": what [asterisk] username and secret_file say must stand in its manager.d/mailgate.conf "
                "(mailgate deploy asterisk), and Asterisk must have read it (manager reload)"
            )
        return link

    async def act(self, action: Action) -> Message:
        """Send one action, return the first answer to it. Raises LinkLost, after which the link is closed."""
        answer: Message = await self._send(action, as_list=False)
        return answer

    async def ask(self, action: Action) -> list[Message]:
        """Send an action that is answered by a list of events, return the list without its first and last line.

        Raises Refused where Asterisk answers with an error instead, LinkLost.
        """
        # Not as_list=True: with that panoramisk waits for ever where an error is all that comes.
        answer = await self._send(action, as_list=None)
        if not isinstance(answer, list):
            raise Refused(str(answer.message))
        return [m for m in answer if "event" in m and not str(m["event"]).endswith("Complete")]

    async def ping(self) -> None:
        """Raises LinkLost where Asterisk answers no more, although the connection stands."""
        await self.act({"Action": "Ping"})

    def close(self) -> None:
        self._manager.close()
        protocol = self._manager.protocol
        if protocol is not None:
            protocol.transport.abort()
        if not self.lost.done():
            self.lost.set_result(None)

    async def _send(self, action: Action, *, as_list: bool | None) -> Any:
        if self.lost.done():
            raise LinkLost("the link to Asterisk is down")
        return await self._wait(self._manager.send_action(dict(action), as_list=as_list))

    async def _wait(self, answer: asyncio.Future[Any]) -> Any:
        waiting = {answer, self.lost}
        await asyncio.wait(waiting, timeout=self._settings.answer_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        self.close()
        raise LinkLost("Asterisk gave no answer")


def _new_protocol(manager: _OneConnection) -> AMIProtocol:
    return _Protocol(manager)


class _Protocol(AMIProtocol):  # type: ignore[misc]
    """panoramisk's protocol, but for an end of the connection that comes before the manager knows of it."""

    def __init__(self, manager: _OneConnection) -> None:
        self._owner = manager

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.factory = self._owner
        self.log = self._owner.log
