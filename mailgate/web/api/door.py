"""The door of the API: bodies are bounded and JSON, and what fails within reveals nothing.

A body is read whole before anything else happens, up to a limit. Standards: ASGI 3; RFC 9110, 15.5.14 and 15.5.16.
"""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailgate.web.api.limits import MOST_OCTETS
from mailgate.web.api.problems import Kind, Problem, answer
from mailgate.web.guard import masked, stack_of

log = logging.getLogger(__name__)


class Door:
    """Wraps the API's application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(Headers(scope=scope), receive)
        if isinstance(body, Problem):
            await answer(body)(scope, receive, send)
            return
        begun = False

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, replay, sending)
        except Exception as error:
            log.error("request failed\n%s", stack_of(error), extra={"path": masked(scope["path"])})
            if not begun:
                await answer(Problem(Kind.FAILURE))(scope, receive, send)


async def _body(headers: Headers, receive: Receive) -> bytes | Problem:
    """The whole body, or what is wrong with it."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_OCTETS:
        return Problem(Kind.TOO_LARGE)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return Problem(Kind.MALFORMED, "the body is not complete")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_OCTETS:
            return Problem(Kind.TOO_LARGE)
    if body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Problem(Kind.MEDIA_TYPE)
    return bytes(body)
