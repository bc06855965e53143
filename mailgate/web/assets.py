"""What the pages load: read once, named by content, kept by browsers for ever. From templates/pages/static."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.responses import Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "vcf": "text/vcard; charset=utf-8",
    "webp": "image/webp",
}
_FOREVER = "public, max-age=31536000, immutable"  # RFC 8246; the name changes with the content


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """`names` leads from a plain name to the one with the digest (`page.css` → `page.1f2e3d4c5b.css`)."""

    names: Mapping[str, str]
    bodies: Mapping[str, bytes]

    def answer(self, name: str) -> Response | None:
        """The file of that hashed name, or None."""
        body = self.bodies.get(name)
        if body is None:
            return None
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(body, headers={"Content-Type": kind, "Cache-Control": _FOREVER})


def load(made: Mapping[str, bytes]) -> Assets:
    """The files of templates/pages/static, and what was `made` at the start (name → content)."""
    bodies = {
        file.name: file.read_bytes()
        for file in files("templates").joinpath("pages", "static").iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }
    bodies.update(made)
    names: dict[str, str] = {}
    for name, body in bodies.items():
        stem, _, suffix = name.rpartition(".")
        names[name] = f"{stem}.{hashlib.sha256(body).hexdigest()[:10]}.{suffix}"
    return Assets(names=names, bodies={names[name]: body for name, body in bodies.items()})
