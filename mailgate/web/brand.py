"""What the organisation lends to the pages: its logo, its colour, and a contact card of the gateway's number. Pure.

All three are static files with names by content, the same for everybody. The card is for telephones that screen calls
from numbers they do not know: saved, the number has a name when it rings.

Standards: RFC 2426 (vCard 3.0, which telephones take more widely than 4.0): escaping 2.4.2, folding 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.colours import stylesheet

MOST_LOGO_OCTETS = 100_000
_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff", "webp": b"RIFF"}
_FOLD = 74  # octets in a line, before CRLF


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """An image file: its `suffix` (svg, png, jpg, webp) and what is in it."""

    suffix: str
    content: bytes = field(repr=False)


def logo_of(name: str, content: bytes) -> Logo:
    """The logo in a file of that name. Raises ValueError that says what to do instead."""
    suffix = name.rpartition(".")[2].lower().replace("jpeg", "jpg")
    if len(content) > MOST_LOGO_OCTETS:
        raise ValueError(f"has {len(content)} octets, and every page would load it; {MOST_LOGO_OCTETS} are the most")
    drawn = suffix == "svg" and b"<svg" in content[:2000]
    if not drawn and not (suffix in _MAGIC and content.startswith(_MAGIC[suffix])):
        raise ValueError("is not an image of a kind that is taken: SVG, PNG, JPEG or WebP, with that ending")
    return Logo(suffix=suffix, content=content)


def files_of(*, organisation: str, number: str, accent: str, logo: Logo | None) -> dict[str, bytes]:
    """Static files by their plain names: `contact.vcf`, and `accent.css` and `logo.…` where there are such."""
    made = {"contact.vcf": contact_card(organisation, number)}
    if accent:
        made["accent.css"] = stylesheet(accent).encode()
    if logo:
        made[f"logo.{logo.suffix}"] = logo.content
    return made


def contact_card(organisation: str, number: str) -> bytes:
    """A vCard of an organisation with one telephone number (E.164)."""
    name = organisation
    for special in ("\\", ";", ","):
        name = name.replace(special, f"\\{special}")
    name = "".join(c if c.isprintable() else " " for c in name)
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"FN:{name}",
        f"N:;{name};;;",
        f"ORG:{name}",
        f"TEL;TYPE=WORK,VOICE:{number}",
        "END:VCARD",
    ]
    return b"".join(_folded(line.encode()) + b"\r\n" for line in lines)


def _folded(line: bytes) -> bytes:
    """Cut between characters, never within one; what follows begins with a blank."""
    pieces = []
    while len(line) > _FOLD:
        cut = _FOLD
        while line[cut] & 0xC0 == 0x80:
            cut -= 1
        pieces.append(line[:cut])
        line = b" " + line[cut:]
    return b"\r\n".join([*pieces, line])
