"""The words of the surgery: what is put in, where it may go, why it may not, what came out.

Data only. Offsets are octets from the start of the message; spans are half open, `[start, end)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# Declared limits. What lies beyond them is passed untouched, not explored.
MAX_DEPTH = 30  # multiparts within multiparts
MAX_PARTS = 1_000
MAX_HEADER = 262_144  # octets of one header block
MAX_FIELD = 8_192  # octets of one Content-* field that has to be understood
MAX_BODY = 4_194_304  # octets of one text body that has to be changed
MAX_LINE = 998  # octets without CRLF (RFC 5322, 2.1.1)


class Placement(StrEnum):
    """Where in a body the block goes. `before-quote`: above an earlier message, else at the end, above a signature."""

    TOP = "top"
    BEFORE_QUOTE = "before-quote"
    BOTTOM = "bottom"


class Reason(StrEnum):
    """Why a message is left as it is. The values are stable names for log, metrics and `mailgate explain`."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    INLINE_PGP = "inline-pgp"
    TNEF = "tnef"
    CALENDAR = "calendar"
    REPORT = "report"
    PARTIAL = "partial"
    NOTHING_TO_SAY_IT_IN = "nothing-to-say-it-in"
    NO_HEADER_END = "no-header-end"
    MALFORMED_HEADER = "malformed-header"
    AMBIGUOUS_HEADER = "ambiguous-header"
    BAD_CONTENT_TYPE = "bad-content-type"
    NO_BOUNDARY = "no-boundary"
    NO_FINAL_BOUNDARY = "no-final-boundary"
    BAD_TRANSFER_ENCODING = "bad-transfer-encoding"
    UNKNOWN_CHARSET = "unknown-charset"
    UNDECODABLE_TEXT = "undecodable-text"
    BARE_NEWLINE = "bare-newline"
    NO_SAFE_PLACE = "no-safe-place"
    TOO_DEEP = "too-deep"
    TOO_MANY_PARTS = "too-many-parts"
    TOO_BIG = "too-big"
    TOO_COSTLY = "too-costly"


@dataclass(frozen=True, slots=True)
class Unsuitable:
    """The message must pass byte-identical. `part` says which part is at fault (`1.2`), where one is."""

    reason: Reason
    part: str = ""


class Unfit(Exception):
    """Raised within the room to leave a message alone; `locate` and `splice` turn it into `Unsuitable`."""

    def __init__(self, reason: Reason, part: str = "") -> None:
        super().__init__(reason.value)
        self.unsuitable = Unsuitable(reason, part)


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its lower-case name, its unfolded value, and `[start, end)` with the final CRLF."""

    name: str
    value: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One MIME entity. `start` is the first octet of its header, `body` of its body, `end` lies behind its last octet.

    `path` counts as IMAP does (`1.2`; the root is empty). For a multipart, `close` is the offset of the CRLF that
    opens the closing delimiter, `boundary` the delimiter's text without the dashes. `unopened`: the entity ends with
    its header, without the blank line that a body needs.
    """

    path: str
    start: int
    body: int
    end: int
    media_type: str
    parameters: Mapping[str, str]
    fields: tuple[Field, ...]
    transfer_encoding: str
    disposition: str
    parent: Part | None
    boundary: bytes = b""
    close: int = 0
    unopened: bool = False

    def field(self, name: str) -> Field | None:
        """The first content field of that lower-case name."""
        for f in self.fields:
            if f.name == name:
                return f
        return None

    @property
    def named(self) -> bool:
        """Whether the part says of itself that it is a file, not a body (RFC 2183)."""
        return self.disposition.startswith("attachment") or "filename" in self.disposition or "name" in self.parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A text body, decoded. `codec` is the Python codec that gives back the octets; characters that the declared
    charset cannot have meant are held as lone surrogates (PEP 383)."""

    part: Part
    decoded: bytes
    text: str
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """Where the block goes: a character offset in `body.text`."""

    body: Body
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a message can take the offer. `plain` and `html`: one of them is set at least. `further`: inline text
    bodies that get no block but are redacted. `leaves`: every leaf. `subject`: the Subject field."""

    root: Part
    leaves: tuple[Part, ...]
    plain: Insertion | None
    html: Insertion | None
    further: tuple[Body, ...] = ()
    subject: Field | None = None
    has_version: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Icon:
    """An inline image. `content_id` is an addr-spec without brackets (RFC 2392: `cid:` and this)."""

    content: bytes
    filename: str
    content_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What goes in: `text` for text/plain (lines ended by `\\n`), `html` for text/html (ASCII), `icon` beside it."""

    text: str
    html: str
    icon: Icon | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """`[start, end)` of the original, of which the octets were `old`, became `new`."""

    start: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Spliced:
    """The new message, in `pieces`, of which those that were not changed are views on the original.

    `remaining` names what still shows a number (`part 1.3 text/vcard`, `field From`); `edits` are all that changed, in
    order, so that `remove` gives back the original.
    """

    pieces: tuple[bytes | memoryview, ...] = field(repr=False)
    remaining: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = field(default=(), repr=False)

    @property
    def message(self) -> bytes:
        """The pieces joined, anew each time."""
        return b"".join(self.pieces)


def apply(message: bytes, edits: Sequence[Edit]) -> bytes:
    """The message with all edits made; edits do not overlap, order is that of the result where two share a start."""
    return b"".join(pieces(message, edits))


def pieces(message: bytes, edits: Sequence[Edit]) -> tuple[bytes | memoryview, ...]:
    """The same, not joined: a copy of a big message costs more than all that is done to it. Raises ValueError for edits
    that overlap."""
    whole = memoryview(message)
    out: list[bytes | memoryview] = []
    at = 0
    for e in edits:
        if e.start < at:
            raise ValueError("two edits of the same octets")
        out.append(whole[at : e.start])
        out.append(e.new)
        at = e.start + len(e.old)
    out.append(whole[at:])
    return tuple(out)


def remove(spliced: Spliced) -> bytes:
    """The message as it was before `splice`."""
    back: list[Edit] = []
    shift = 0
    for e in spliced.edits:
        back.append(Edit(e.start + shift, e.new, e.old))
        shift += len(e.new) - len(e.old)
    return apply(spliced.message, back)
