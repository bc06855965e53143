"""The page's address as a QR code, for who reads at a desk and has the telephone in the hand.

    GET /a/{token}/qr.svg

An image of its own, not part of the page: making one costs as much as several pages, and only wide screens with a
mouse ask for it. It holds what the reader's address bar holds, and is made here, by nobody else.

Standards: ISO/IEC 18004, by segno; error correction M, the usual one for screens.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailgate.offers.view import View

_KEPT = 200


@lru_cache(maxsize=_KEPT)
def svg_of(address: str) -> bytes:
    """Dark on white, with the quiet zone of four modules that readers need, whatever surrounds it."""
    out = io.BytesIO()
    segno.make(address, micro=False, error="m").save(
        out,
        kind="svg",
        xmldecl=False,
        border=4,
        light="#fff",
        dark="#000",
        omitsize=True,
        nl=False,
        svgclass=None,
        lineclass=None,
    )
    return out.getvalue()


class QrCode:
    """The route; `look` gives the token's view, or the name of the plain page where there is none."""

    def __init__(
        self, public_url: str, look: Callable[[str], View | str], worthless: Callable[[str, Request], Response]
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._look = look
        self._worthless = worthless

    def routes(self) -> list[Route]:
        return [Route("/a/{token}/qr.svg", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._look(token)
        if isinstance(view, str):
            return self._worthless(view, request)
        return Response(
            svg_of(f"{self._public_url}/a/{token}"),
            media_type="image/svg+xml",
            headers={"Cache-Control": "private, max-age=86400"},
        )
