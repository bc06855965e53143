"""The page that listens, installed as an application: its manifest, and its service worker.

    GET /my/listen/manifest.webmanifest    name, colours and icons; the same for everybody (?language=de)
    GET /my/listen/worker.js               wakes where the page is closed; it may act for /my/listen alone

Neither needs a session: browsers ask for a manifest without cookies, and a worker is asked for when nobody looks.

Standards: W3C Web Application Manifest; Service Workers (Service-Worker-Allowed widens the scope from the folder that
the script lies in to the page itself, which has no slash at its end).
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailgate.web.pages import Pages
from mailgate.web.settings import WebSettings

WORKER = "listen-worker.js"
# those of page.css
_GROUND = "#f4f6f4"
_ACCENT = "#0b6b4f"


class Installed:
    """The routes."""

    def __init__(self, settings: WebSettings, pages: Pages) -> None:
        self._settings = settings
        self._pages = pages
        self._page = f"{settings.base_path}/my/listen"

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/my/listen/manifest.webmanifest", self.manifest, methods=["GET"]),
            Route("/my/listen/worker.js", self.worker, methods=["GET"]),
        ]

    async def manifest(self, request: Request) -> Response:
        languages = self._pages.languages
        texts = languages.get(request.query_params.get("language", "")) or languages["en"]
        manifest = {
            "id": self._page,
            "name": f"{self._settings.organisation}: {texts.say('listen.short_name')}",
            "short_name": texts.say("listen.short_name"),
            "description": texts.say("listen.title"),
            "lang": texts.language,
            "dir": texts.direction,
            "start_url": self._page,
            "scope": self._page,
            "display": "standalone",
            "background_color": _GROUND,
            "theme_color": self._settings.accent or _ACCENT,
            "icons": [
                self._icon("icon-192.png", "192x192"),
                self._icon("icon-512.png", "512x512"),
                self._icon("icon-whole.png", "512x512") | {"purpose": "maskable"},
            ],
        }
        body = json.dumps(manifest, ensure_ascii=False)
        return Response(body, media_type="application/manifest+json", headers={"Cache-Control": "no-cache"})

    def _icon(self, name: str, sizes: str) -> dict[str, str]:
        path = f"{self._settings.base_path}/static/{self._pages.assets.names[name]}"
        return {"src": path, "sizes": sizes, "type": "image/png"}

    async def worker(self, request: Request) -> Response:
        assets = self._pages.assets
        headers = {"Service-Worker-Allowed": self._page, "Cache-Control": "no-cache"}
        return Response(assets.bodies[assets.names[WORKER]], media_type="text/javascript", headers=headers)
