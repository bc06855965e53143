"""What every answer goes through: security headers, HEAD without a body, failures that reveal nothing, the access log.

An ASGI middleware around the routes. The access log shows the method, the path with every token masked, status and
time; never a query, a body or an address. Of an unexpected failure the log gets type and stack, but not the
exception's own text, which may hold a number; the reader gets a plain page.

Standards: CSP Level 3; Referrer Policy (the URL is the secret: it is never sent on); RFC 9110, 9.3.2 (HEAD).
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tokens.coupon import LENGTH

log = logging.getLogger("mailgate.web.access")
faults = logging.getLogger("mailgate.web")

# anything that could be a token, whole or mangled, wherever it stands in a path
_SECRET = re.compile(rf"(?<=/a/)[^/]+|[^/]{{{LENGTH - 12},}}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_LONGEST_PATH = 80


def masked(path: str) -> str:
    """The path as the log may show it: `/a/<36 characters>/call` → `/a/…/call`."""
    short = _SECRET.sub("…", path)
    return "".join(c if c.isprintable() else "?" for c in short[:_LONGEST_PATH])


def security_headers(frame_ancestors: str, *, talk_origin: str = "") -> dict[str, str]:
    """Headers of every answer; a route may set its own Cache-Control beside them, and others in their place.

    `talk_origin`: for a page that can be talked from, its own origin: the microphone, and WebSockets to it (by name,
    since browsers before CSP 3 do not count them to 'self').
    """
    sockets = f" ws{talk_origin.removeprefix('http')}" if talk_origin else ""
    microphone = "(self)" if talk_origin else "()"
    policy = (
        f"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'{sockets}; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Permissions-Policy": f"camera=(), geolocation=(), microphone={microphone}, payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    # X-Frame-Options knows only these two; a list of origins is CSP's alone
    if frame_ancestors in ("'none'", "'self'"):
        headers["X-Frame-Options"] = "DENY" if frame_ancestors == "'none'" else "SAMEORIGIN"
    return headers


class Guard:
    """Wraps an application; `failure_page` makes the page of a failure from the request's headers."""

    def __init__(self, app: ASGIApp, *, frame_ancestors: str, failure_page: Callable[[Headers], str]) -> None:
        self._app = app
        self._failure_page = failure_page
        self._headers = [(k.lower().encode(), v.encode()) for k, v in security_headers(frame_ancestors).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        head = scope["method"] == "HEAD"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers.setdefault("cache-control", "no-store")
                own = {name for name, _ in headers.raw}
                message["headers"] = [*headers.raw, *(entry for entry in self._headers if entry[0] not in own)]
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            faults.error("request failed\n%s", stack_of(error), extra={"path": masked(scope["path"])})
            if status:  # the answer has begun: all that is left is to break it off
                raise _BrokenOff from None
            await HTMLResponse(self._failure_page(Headers(scope=scope)), status_code=500)(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "?"
            took_ms = round((time.perf_counter() - began) * 1000)
            log.info("%s %s %d in %d ms", method, masked(scope["path"]), status, took_ms)


class _BrokenOff(Exception):
    """The answer had begun when it failed; the failure itself is in the log already."""


def stack_of(error: BaseException) -> str:
    """Types and stacks of an exception and its causes, without their texts."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < 5:
        parts.append("".join(traceback.format_tb(seen.__traceback__)) + type(seen).__qualname__)
        seen = seen.__cause__ or seen.__context__
    return "\ncaused by\n".join(parts)
