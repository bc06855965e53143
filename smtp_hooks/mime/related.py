"""The icon beside the HTML: edits that put an inline image into a message.

An HTML body within a multipart/related gets the image at the end of that; any other is wrapped, alone, into a
multipart/related of its own: its header and body stay within, verbatim.

Standards: RFC 2387 (multipart/related), RFC 2392 (cid), RFC 2045, RFC 2046 (5.1).
"""

from __future__ import annotations

import hashlib

from smtp_hooks.mime.model import Edit, Icon, Part
from smtp_hooks.mime.transfer import encode_base64


def add_icon(message: bytes, html: Part, icon: Icon, *, has_version: bool, html_is_8bit: bool) -> list[Edit]:
    """The edits that add the icon. They touch no octet of a body; several may share an offset, in order."""
    related = _enclosing(html)
    if related is not None:
        return [Edit(related.close, b"", b"\r\n--" + related.boundary + b"\r\n" + _image(icon))]
    boundary = _new_boundary(message, icon)
    head = b'Content-Type: multipart/related; type="text/html";\r\n boundary="' + boundary + b'"\r\n'
    encoding = b"Content-Transfer-Encoding: 8bit\r\n" if html_is_8bit else b""
    tail = Edit(html.end, b"", b"\r\n--" + boundary + b"\r\n" + _image(icon) + b"\r\n--" + boundary + b"--\r\n")
    if html.parent is not None:
        return [Edit(html.start, b"", head + encoding + b"\r\n--" + boundary + b"\r\n"), tail]
    return [*_wrap_root(message, html, head, encoding, boundary, has_version=has_version), tail]


def _wrap_root(
    message: bytes, html: Part, head: bytes, encoding: bytes, boundary: bytes, *, has_version: bool
) -> list[Edit]:
    """The message itself is the HTML: its Content-* fields move into the first part, others take their places."""
    places = {"content-type": head, "content-transfer-encoding": encoding}
    edits: list[Edit] = []
    inner: list[bytes] = []
    for field in html.fields:
        verbatim = message[field.start : field.end]
        inner.append(verbatim)
        edits.append(Edit(field.start, verbatim, places.get(field.name, b"")))
    if not has_version:
        edits.append(Edit(html.body - 2, b"", b"MIME-Version: 1.0\r\n"))
    edits.append(Edit(html.body, b"", b"--" + boundary + b"\r\n" + b"".join(inner) + b"\r\n"))
    return edits


def _enclosing(html: Part) -> Part | None:
    """The nearest multipart/related around the part, if the part is the one that it shows."""
    part = html.parent
    while part is not None:
        if part.media_type == "multipart/related":
            return part
        part = part.parent
    return None


def _new_boundary(message: bytes, icon: Icon) -> bytes:
    """A delimiter that does not occur in the message; the same for the same message and icon."""
    seed = icon.content_id.encode("utf-8")
    while True:
        boundary = b"=_offer_" + hashlib.sha256(seed).hexdigest()[:24].encode("ascii")
        if boundary not in message:
            return boundary
        seed += b"."


def _image(icon: Icon) -> bytes:
    """The image part, header and body, without the CRLF that belongs to the next delimiter."""
    name = icon.filename.encode("ascii", "replace").replace(b'"', b"")
    return (
        b'Content-Type: image/png; name="' + name + b'"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b"Content-ID: <" + icon.content_id.encode("ascii") + b">\r\n"
        b'Content-Disposition: inline; filename="' + name + b'"\r\n'
        b"\r\n" + encode_base64(icon.content).removesuffix(b"\r\n")
    )
