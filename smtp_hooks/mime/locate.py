"""Finds out whether a message can take the offer, and where.

Message → `Site` or `Unsuitable`. The bodies that a reader sees are the first text/plain and the first text/html that
are no files; each that is there takes the block, or the message takes none. Everything that says "not this one"
(signatures, encryption, calendar, reports, unknown charsets …) is found here, before a coupon exists.

Standards: RFC 1847 (signed, encrypted), RFC 8551 (S/MIME), RFC 3156 (PGP/MIME), RFC 9580 (inline PGP).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import IncrementalNewlineDecoder

from smtp_hooks.mime import place_html, place_text, transfer
from smtp_hooks.mime.model import Body, Insertion, Part, Placement, Reason, Site, Unfit, Unsuitable
from smtp_hooks.mime.structure import read_structure
from smtp_hooks.mime.text import open_body

_BARE_LF = re.compile(r"(?<!\r)\n")
_CRLF_ONLY = (None, "\r\n")
_ARMOUR = b"-----BEGIN PGP "
_SEALED_TEXT = re.compile(rb"^-----BEGIN PGP (?:SIGNED )?MESSAGE-----", re.MULTILINE)


def locate(
    message: bytes, *, placement: Placement = Placement.BEFORE_QUOTE, most_text: int | None = None
) -> Site | Unsuitable:
    """Where the block goes in a message with CRLF line ends, or why it may not be changed. With more octets of text
    than `most_text` it is TOO_COSTLY to look (see `smtp_hooks.surgery`)."""
    try:
        return _locate(message, placement, most_text)
    except Unfit as unfit:
        return unfit.unsuitable


def text_octets(leaves: Iterable[Part]) -> int:
    """How much of a message is text that is searched, attachments too: what `locate` and `splice` cost."""
    return sum(part.end - part.body for part in leaves if part.media_type.startswith("text/"))


def _locate(message: bytes, placement: Placement, most_text: int | None) -> Site:
    structure = read_structure(message)
    if most_text is not None and text_octets(structure.leaves) > most_text:
        raise Unfit(Reason.TOO_COSTLY)
    plain: Insertion | None = None
    html: Insertion | None = None
    further: list[Body] = []
    for part in structure.leaves:
        if part.media_type not in ("text/plain", "text/html"):
            continue
        if part.media_type == "text/plain":
            _refuse_armour(message, part)
        if part.named:
            continue
        if any(name.startswith("name*") for name in part.parameters):
            raise Unfit(Reason.AMBIGUOUS_HEADER, part.path)  # a file to some readers, the body to others
        if part.media_type == "text/plain" and plain is None:
            plain = _insertion(message, part, placement)
        elif part.media_type == "text/html" and html is None:
            html = _insertion(message, part, placement)
        else:
            further.extend(_try_open(message, part))
    if plain is None and html is None:
        raise Unfit(Reason.NOTHING_TO_SAY_IT_IN)
    return Site(
        root=structure.root,
        leaves=structure.leaves,
        plain=plain,
        html=html,
        further=tuple(further),
        subject=structure.subject,
        has_version=structure.has_version,
    )


def _insertion(message: bytes, part: Part, placement: Placement) -> Insertion:
    if part.unopened and part.start != part.end and not message.startswith(b"\r\n", part.end - 2):
        raise Unfit(Reason.NO_HEADER_END, part.path)
    body = open_body(message, part)
    if part.media_type == "text/plain":
        bare = _has_bare_newline(body.text)
        if bare and part.transfer_encoding in transfer.IDENTITY:
            raise Unfit(Reason.BARE_NEWLINE, part.path)
        return Insertion(body=body, at=(_in_lines if bare else place_text.place)(body.text, placement))
    if part.unopened:
        raise Unfit(Reason.NO_HEADER_END, part.path)
    at = place_html.place(body.text, placement)
    if at is None:
        raise Unfit(Reason.NO_SAFE_PLACE, part.path)
    return Insertion(body=body, at=at)


def _has_bare_newline(text: str) -> bool:
    ends = IncrementalNewlineDecoder(None, translate=False)  # notes them in one pass
    ends.decode(text, final=True)
    return ends.newlines not in _CRLF_ONLY


def _in_lines(text: str, placement: Placement) -> int:
    """`place_text.place` for a text that may have other line ends within base64 or quoted-printable."""
    at = place_text.place(_BARE_LF.sub("\r\n", text), placement)
    for match in _BARE_LF.finditer(text):
        if match.start() >= at:
            break
        at -= 1
    return at


def _try_open(message: bytes, part: Part) -> list[Body]:
    try:
        return [open_body(message, part)]
    except Unfit:
        return []  # stays as it is; `splice` reports it where it shows a number


def _refuse_armour(message: bytes, part: Part) -> None:
    """Inline PGP in any text/plain, a file or not, leaves the message alone."""
    if part.transfer_encoding in transfer.IDENTITY:
        at = message.find(_ARMOUR, part.body, part.end)
        if at < 0:
            return
        found = _SEALED_TEXT.search(message[max(part.body, at - 1) : part.end])
    else:
        content = transfer.decode(message[part.body : part.end], part.transfer_encoding)
        found = _SEALED_TEXT.search(content) if content and _ARMOUR in content else None
    if found is not None:
        raise Unfit(Reason.INLINE_PGP, part.path)
