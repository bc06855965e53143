"""Whether a message may carry the icon, or whether a filter would take it for one that hides its words in a picture.

Message and `Site` → yes or no. The link stays in either case; without the icon it is a coloured button. The rules are
those by which SpamAssassin 4.0 counts a message worse for having one image at all (`python bench/spam.py` measures it):

    HTML_SHORT_LINK_IMG_1 to 3   a link round an image, and another HTML part of less than 2 KiB
    TO_NO_BRKTS_HTML_IMG         the only image, To without angle brackets, From without a full name

Pure. Standards: RFC 5322 (3.4).
"""

from __future__ import annotations

import re

from smtp_hooks import header
from smtp_hooks.mime import Site

_SHORT = 3_072  # octets as they are sent: 2 KiB of HTML in base64 or quoted-printable
_BRACKETS = re.compile(rb">(?:\s*\Z|,)")
_FULL_NAME = re.compile(rb'\A\s*(?:"?[^\s<>"@]+\s+[^\s<>"@]|=\?)[^<>]*<')


def suits(message: bytes, site: Site) -> bool:
    """Whether an image does no harm there."""
    if site.html is None:
        return True
    shown = site.html.body.part.path
    if any(p.media_type == "text/html" and p.path != shown and p.end - p.body < _SHORT for p in site.leaves):
        return False
    if any(part.media_type.startswith("image/") for part in site.leaves):
        return True  # it has images anyway
    if any(_BRACKETS.search(value) for value in header.values(message, "to")[:1]):
        return True
    return any(_FULL_NAME.match(value) for value in header.values(message, "from")[:1])
