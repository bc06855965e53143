"""The demo's page, served on loopback.

    GET  /                          the page           GET  /static/{name}       its parts
    GET  /live                      everything that it shows, as server-sent events, whenever something changed
    POST /letters                   {subject, text, rich}: Ada sends a letter to Ben
    GET  /messages/{number}         a message of Ben's mailbox, for a frame without scripts
    GET  /messages/{number}/details its text part, and what changed on the way
    POST /telephones/{key}/{action} answer, hang-up, press-1, press-9, by-itself, by-hand, dial, busy, free
    GET  /telephones/{key}/line     what the telephone hears, mu-law, as it comes
    POST /screen                    {line}: what Ben types into his listening application

For one person at one machine: no log-in; what changes anything is refused to pages of other origins.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from jinja2 import Template
from lab.world import ADA, ADA_NUMBER, BEN, BEN_NUMBER, SHOWN_NUMBER
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from demo_page.desk import EXTENSION
from demo_page.hub import Hub, spaced

_TICK_S = 0.2
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_LONGEST_LETTER = 200_000
_LONGEST_LINE = 4000

SUBJECT = "The carry mechanism"
TEXT = """\
Hello Ben,

the carry mechanism in your drawings puzzles me. Could we talk?
My number is +33 1 99 00 12 34.

Ada

--\x20
Ada Lovelace, Analytical Engines
Telephone 01 99 00 12 34
"""

# A message is someone else's HTML: no scripts, nothing loaded from anywhere.
_MESSAGE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'"
)

Handler = Callable[[Request], Awaitable[Response]]


class Closing:
    """Lets the live streams end when the server stops."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    def close(self) -> None:
        self.done.set()


def create_app(hub: Hub) -> FastAPI:
    """The application; `app.state.close()` ends its streams."""
    static = files("demo_page") / "static"
    closing = Closing()

    async def page(request: Request) -> Response:
        values = {
            "gateway": hub.world.gateway.url,
            "shown_number": spaced(SHOWN_NUMBER),
            "ada": ADA,
            "ben": BEN,
            "ben_number": spaced(BEN_NUMBER),
            "subject": SUBJECT,
            "text": TEXT,
            "extension": EXTENSION,
            "phones": [("ben", "Ben", spaced(BEN_NUMBER)), ("ada", "Ada", spaced(ADA_NUMBER))],
        }
        template = Template((static / "index.html").read_text(encoding="utf-8"), autoescape=True)
        return HTMLResponse(template.render(values), headers={"Cache-Control": "no-store"})

    async def part(request: Request) -> Response:
        name = request.path_params["name"]
        suffix = name.rpartition(".")[2]
        if suffix not in _TYPES or not (static / name).is_file():
            return PlainTextResponse("not found", status_code=404)
        return Response((static / name).read_bytes(), media_type=_TYPES[suffix], headers={"Cache-Control": "no-cache"})

    async def live(request: Request) -> Response:
        return StreamingResponse(
            _pictures(hub, closing), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def letters(request: Request) -> Response:
        try:
            wanted: dict[str, Any] = json.loads((await request.body())[:_LONGEST_LETTER])
            await hub.send(subject=str(wanted["subject"]), text=str(wanted["text"]), rich=bool(wanted["rich"]))
        except (KeyError, TypeError, ValueError, OSError, smtplib.SMTPException) as error:
            return JSONResponse({"error": f"Not sent: {error}"}, status_code=502)
        return Response(status_code=204)

    async def message(request: Request) -> Response:
        arrived = hub.message(int(request.path_params["number"]))
        if arrived is None:
            return PlainTextResponse("not found", status_code=404)
        headers = {"Content-Security-Policy": _MESSAGE_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(arrived.shown.page, headers=headers)

    async def details(request: Request) -> Response:
        arrived = hub.message(int(request.path_params["number"]))
        if arrived is None:
            return PlainTextResponse("not found", status_code=404)
        changes = await asyncio.to_thread(hub.changes, arrived)
        known = arrived.before is not None
        return JSONResponse({"text": arrived.shown.text, "changes": changes, "known": known})

    async def act(request: Request) -> Response:
        telephone = hub.telephones.get(request.path_params["key"])
        if telephone is None:
            return PlainTextResponse("not found", status_code=404)
        match request.path_params["action"]:
            case "answer":
                telephone.answer()
            case "hang-up":
                telephone.hang_up()
            case "press-1" | "press-9" as press:
                telephone.press(press[-1])
            case "by-itself" | "by-hand" as how:
                telephone.by_itself = how == "by-itself"
            case "dial":
                telephone.dial()
            case "busy" | "free" as line:
                telephone.busy = line == "busy"
            case _:
                return PlainTextResponse("not found", status_code=404)
        return Response(status_code=204)

    async def screen(request: Request) -> Response:
        try:
            wanted = json.loads((await request.body())[:_LONGEST_LINE])
            await hub.desk.types(str(wanted["line"]))
        except (KeyError, TypeError, ValueError, OSError) as error:
            return JSONResponse({"error": f"Not typed: {error}"}, status_code=502)
        return Response(status_code=204)

    async def line(request: Request) -> Response:
        key = request.path_params["key"]
        if key not in hub.telephones:
            return PlainTextResponse("not found", status_code=404)
        octets = _until(closing, hub.line(key))
        return StreamingResponse(octets, media_type="audio/basic", headers={"Cache-Control": "no-store"})

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        routes=[
            Route("/", page),
            Route("/static/{name}", part),
            Route("/live", live),
            Route("/letters", _from_here(letters), methods=["POST"]),
            Route("/messages/{number:int}", message),
            Route("/messages/{number:int}/details", details),
            Route("/screen", _from_here(screen), methods=["POST"]),
            Route("/telephones/{key}/line", line),
            Route("/telephones/{key}/{action}", _from_here(act), methods=["POST"]),
        ],
    )
    app.state.close = closing.close
    return app


def _from_here(handler: Handler) -> Handler:
    """Refuses what a page of another origin asks for."""

    async def guarded(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return PlainTextResponse("not from here", status_code=403)
        return await handler(request)

    return guarded


async def _pictures(hub: Hub, closing: Closing) -> AsyncIterator[bytes]:
    last = ""
    quiet = 0
    while not closing.done.is_set():
        picture = json.dumps(hub.picture())
        quiet = quiet + 1 if picture == last else 0
        if not quiet:
            yield f"data: {picture}\n\n".encode()
        elif quiet % 50 == 0:
            yield b": still here\n\n"
        last = picture
        await _pause(closing, _TICK_S)


async def _until(closing: Closing, octets: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for some in octets:
        if closing.done.is_set():
            return
        yield some


async def _pause(closing: Closing, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await closing.done.wait()
    except TimeoutError:
        return
