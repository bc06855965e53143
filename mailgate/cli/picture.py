"""Pictures of a message, by Chromium: its HTML on a wide and on a narrow screen, and its text.

Message → PNG files. The message is not trusted: its HTML stands in a frame without scripts, forms or navigation, and a
policy lets nothing be loaded but the pictures that the message carries.

Standards: RFC 2392 (cid), HTML (iframe sandbox), CSP Level 3.
"""

from __future__ import annotations

import base64
import email
import email.policy
import html
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

from mailgate.errors import MailgateError

WIDTHS = {"wide": 900, "narrow": 400}
_HEIGHT = 1200
_TIMEOUT_S = 60
_CID = re.compile(r"cid:([^\s\"'<>()]{1,250})")
_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"


class NoPicture(MailgateError):
    """Chromium could not draw the message."""


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def take(browser: str, message: bytes, folder: Path, stem: str, widths: Mapping[str, int] = WIDTHS) -> list[Path]:
    """Draw the bodies that the message has; the files written. Raises NoPicture."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    written: list[Path] = []
    for kind in ("plain", "html"):
        body = parsed.get_body((kind,))
        if not isinstance(body, EmailMessage):
            continue
        text = _text(body)
        shown = f"<pre>{html.escape(text)}</pre>" if kind == "plain" else _with_pictures(text, parsed)
        for name, width in widths.items() if kind == "html" else [("text", WIDTHS["wide"])]:
            target = folder / f"{stem}.{name}.png"
            _draw(browser, _page(parsed, shown, width), width, target)
            written.append(target)
    return written


def _text(part: EmailMessage) -> str:
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return octets.decode("latin-1")


def _with_pictures(page: str, message: EmailMessage) -> str:
    """The HTML with the images that the message carries written into it."""
    carried = {}
    for part in message.walk():
        octets = part.get_payload(decode=True)
        if part.get_content_maintype() == "image" and part["Content-ID"] and isinstance(octets, bytes):
            data = base64.b64encode(octets).decode("ascii")
            carried[str(part["Content-ID"]).strip(" <>")] = f"data:{part.get_content_type()};base64,{data}"
    return _CID.sub(lambda m: carried.get(m[1], m[0]), page)


def _page(message: EmailMessage, shown: str, width: int) -> str:
    """Header and body as a mail program would show them. The width is set in the page: no window is as narrow."""
    fields = "".join(f"<b>{n}</b> {html.escape(str(message[n] or ''))}<br>" for n in ("From", "To", "Subject"))
    inner = f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">{shown}'
    return (
        f'<!doctype html><meta charset="utf-8"><style>body{{margin:0;width:{width}px;font:14px/1.5 sans-serif}}'
        "header{padding:12px;background:#f2f2f2;border-bottom:1px solid #ccc}"
        f"iframe{{border:0;width:100%;height:{_HEIGHT - 110}px}}</style><header>{fields}</header>"
        f'<iframe sandbox srcdoc="{html.escape(inner)}"></iframe>'
    )


def _draw(browser: str, page: str, width: int, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mailgate-") as scratch:
        source = Path(scratch) / "page.html"
        source.write_text(page, encoding="utf-8", errors="replace")
        command = [browser, "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={scratch}/profile"]
        command.append("--virtual-time-budget=5000")  # ms: without it the frame may not be painted yet
        command += [f"--window-size={width},{_HEIGHT}", f"--screenshot={target.resolve()}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium's own sandbox refuses root; the frame's holds all the same
        try:
            subprocess.run([*command, source.as_uri()], capture_output=True, timeout=_TIMEOUT_S, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise NoPicture(f"{browser} could not draw the message: {error}") from error
    if not target.exists():
        raise NoPicture(f"{browser} drew nothing into {target}")
