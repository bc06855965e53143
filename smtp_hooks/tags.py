"""What a sender asks for in a message: tags in the Subject, and the field X-Call-Offer. Read here, and taken out.

    Subject: [call] Drawings              an offer, where the account makes them on request
    Subject: [nocall] Drawings            none
    Subject: [call:support] Drawings      calls lead to the account's destination `support`
    Subject: [call:3d] Drawings           the offer holds for three days (h hours, d days, w weeks)
    Subject: [call:support,3d] Drawings   both
    X-Call-Offer: on; destination=support; expires=3d; callee=+33199000002

Message → `Wish`, and the edits that take tags and fields out; nothing else of the message changes, and of a Subject in
encoded-words only the words that held the tag are encoded again. A person's tag counts before a program's field; `off`
and `[nocall]` count before everything.

A tag that names neither a destination of the account nor a time is not ours (`[Call: papers]`) and stays. In the field,
which is nobody's but ours, such a thing makes the wish `unclear`: no offer is better than a wrong one.

Standards: RFC 5322 (2.2.3), RFC 2047. Limits: a tag that is folded within itself is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from smtp_hooks import header
from smtp_hooks.mime.model import Edit
from smtp_hooks.words import read_words, without

LONGEST_S = 366 * 86400.0
"""No wish goes beyond a year."""

_FIELD = header.named(b"subject|x-call-offer")
_TAG = re.compile(r"\[(?:(nocall)|call(?:\s*:([^\[\]\r\n]{1,80}))?)\]", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,4})\s?([hdw])", re.IGNORECASE)
_UNIT_S = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SAID = {"on": True, "yes": True, "off": False, "no": False}
_NUMBER = re.compile(r"\+[1-9]\d{3,14}")  # E.164, with the plus sign
_BETWEEN = re.compile(r"[\s().\-/]")
_ROUNDS = 10  # tags within tags; nobody writes one
_BLANK = re.compile(r"(?:\r\n)?[ \t]")
_BLANK_BEFORE = re.compile(r"(?:\r\n)?[ \t]\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the sender asks for. `wanted` is None where nothing is said of it; `destination` empty: the default one;
    `ttl_s` None: as the gateway has it; `callee` is the offeree's number in E.164, or empty. `unclear`: something is
    asked that cannot be understood."""

    wanted: bool | None = None
    destination: str = ""
    ttl_s: float | None = None
    callee: str = ""
    unclear: bool = False


NOTHING = Wish()


def read(message: bytes, destinations: Collection[str]) -> tuple[Wish, tuple[Edit, ...]]:
    """The wish, and the edits that take its words out of the message. `destinations` are the account's, by name."""
    start = header.header_of(message)
    folded = start.lower()
    if b"\nx-call-offer" not in folded and (b"\nsubject" not in folded or (b"[" not in start and b"=?" not in start)):
        return NOTHING, ()
    names = {name.lower(): name for name in destinations}
    from_field, from_tags = NOTHING, NOTHING
    edits: list[Edit] = []
    for match in _FIELD.finditer(start):
        at = match.start()  # the line feed before stands for nothing: octets of the message count from here
        if match[1].lower() == b"x-call-offer":
            from_field = _joined(from_field, _read_field(match[2], names))
            edits.append(Edit(at, message[at : match.end()], b""))
        elif b"[" in match[2] or b"=?" in match[2]:
            wish, value = _read_subject(match[2], names)
            if value is not None:
                from_tags = _joined(from_tags, wish)
                edits.append(Edit(match.start(2) - 1, match[2], value))
    return _joined(from_field, from_tags), tuple(edits)


def callee_for(message: bytes, wish: Wish, recipient: str) -> str:
    """The offeree's number, where it is this recipient's: the message is addressed to nobody else."""
    if not wish.callee or header.addresses(message, "to", "cc") != (recipient.lower(),):
        return ""
    return wish.callee


def _joined(first: Wish, second: Wish) -> Wish:
    """Both wishes; where both speak of the same thing the second counts, but that a no stays a no."""
    wanted = second.wanted if second.wanted is not None else first.wanted
    return Wish(
        wanted=False if first.wanted is False else wanted,
        destination=second.destination or first.destination,
        ttl_s=second.ttl_s or first.ttl_s,
        callee=second.callee or first.callee,
        unclear=first.unclear or second.unclear,
    )


def _read_subject(value: bytes, names: dict[str, str]) -> tuple[Wish, bytes | None]:
    """The wish of all tags, and the value without them; None where it has none. What is left when a tag is out may be
    one in its turn (`[call[nocall]]`)."""
    wish, left = NOTHING, None
    for _ in range(_ROUNDS):
        found, without_tags = _read_once(value if left is None else left, names)
        if without_tags is None:
            break
        wish, left = _joined(wish, found), without_tags
    return wish, left


def _read_once(value: bytes, names: dict[str, str]) -> tuple[Wish, bytes | None]:
    words = read_words(value)
    text = "".join(word.text for word in words)
    wish = NOTHING
    spans: list[tuple[int, int]] = []
    for tag in _TAG.finditer(text):
        found = Wish(wanted=False) if tag[1] else _read_arguments(tag[2] or "", names)
        if found is not None:
            wish = _joined(wish, found)
            spans.append(_with_blank(text, *tag.span(), after=spans[-1][1] if spans else 0))
    return wish, without(words, spans) if spans else None


def _with_blank(text: str, start: int, end: int, *, after: int) -> tuple[int, int]:
    """The tag and one blank beside it: that behind it; at the end of the text that before."""
    behind = _BLANK.match(text, end)
    if behind is not None:
        return start, behind.end()
    if end < len(text):
        return start, end
    before = _BLANK_BEFORE.search(text, after, start)
    return (before.start() if before is not None else start), end


def _read_arguments(text: str, names: dict[str, str]) -> Wish | None:
    """What stands behind `[call:`; None where it is not meant for us."""
    wish = Wish(wanted=True)
    for argument in (part.strip() for part in text.split(",")) if text else ():
        ttl_s = _read_time(argument)
        if ttl_s is not None:
            wish = replace(wish, ttl_s=ttl_s)
        elif argument.lower() in names:
            wish = replace(wish, destination=names[argument.lower()])
        else:
            return None
    return wish


def _read_field(value: bytes, names: dict[str, str]) -> Wish:
    """The wish of one field: `on` or `off`, then parameters; `on` goes without saying."""
    wish = Wish(wanted=True)
    for position, part in enumerate(value.decode("utf-8", "replace").replace("\r\n", "").split(";")):
        name, equals, content = (piece.strip().strip('"') for piece in part.partition("="))
        ttl_s = _read_time(content)
        match name.lower():
            case "":
                continue
            case "on" | "yes" | "off" | "no" if not equals and position == 0:
                wish = replace(wish, wanted=_SAID[name.lower()])
            case "destination" if content.lower() in names:
                wish = replace(wish, destination=names[content.lower()])
            case "expires" if ttl_s is not None:
                wish = replace(wish, ttl_s=ttl_s)
            case "callee" if _NUMBER.fullmatch(_BETWEEN.sub("", content)):
                wish = replace(wish, callee=_BETWEEN.sub("", content))
            case _:
                wish = replace(wish, unclear=True)
    return wish


def _read_time(text: str) -> float | None:
    """Seconds of `3d`, `12h` or `2w`."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    seconds = int(match[1]) * _UNIT_S[match[2].lower()]
    return seconds if 0 < seconds <= LONGEST_S else None
