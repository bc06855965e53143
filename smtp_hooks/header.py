"""A look into the header of a message: fields by name, and the addresses in them.

Message with CRLF line ends → values, unfolded. Only for what a person or program says about the message; whatever
decides how its body is read is read in `mime.structure`, which is stricter.

Standards: RFC 5322 (2.2.3 folding, 3.4 addresses). Limits: 256 KiB of header; comments in comments, and encoded-words
in addresses (which RFC 2047, 5 forbids), are not read.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_HEADER = 262_144  # octets of header that are read; `mime` refuses more

_MAX_ADDRESSES = 16_384  # octets of one field that are read for addresses
_SAID = re.compile(r'"(?>(?:[^"\\]++|\\.)*)"(?!@)|\([^()]*+\)')  # display names in quotes, comments
_ADDRESS = re.compile(r'(?:[^\s,;:<>()@"]++|"[^"]++")@[^\s,;:<>()@"]++')


@lru_cache(maxsize=32)
def named(names: bytes) -> re.Pattern[bytes]:
    """Finds fields by their names, as a pattern has them (`subject|list-[a-z]+`), in any case: group 1 is the name,
    group 2 what follows the colon, folded. A match goes from the line feed before the field to the CR at its end."""
    return re.compile(rb"\n(%s)[ \t]*:([^\r\n]*+(?>(?:\r\n[ \t][^\r\n]*+)*))\r(?=\n)" % names, re.IGNORECASE)


def header_of(message: bytes) -> bytes:
    """The header with the line end of its last field, and one line feed before the first."""
    if message.startswith(b"\r\n"):
        return b"\n"
    end = message.find(b"\r\n\r\n", 0, MAX_HEADER)
    return b"\n" + message[: end + 2 if end >= 0 else MAX_HEADER]


def values(message: bytes, name: str) -> list[bytes]:
    """The values of all fields of that name, unfolded, without surrounding blanks."""
    fields = named(name.encode()).finditer(header_of(message) + b"\n")
    return [field[2].replace(b"\r\n", b"").strip() for field in fields]


def addresses(message: bytes, *names: str) -> tuple[str, ...]:
    """The addresses in all fields of these names (From, To …), each once, in lower case, in their order.

    Found by their form: Python's `email.utils` recurses for each list in a list, and hostile fields exhaust the stack.
    """
    texts = [value[:_MAX_ADDRESSES].decode("utf-8", "replace") for name in names for value in values(message, name)]
    found = (match[0].lower() for text in texts for match in _ADDRESS.finditer(_SAID.sub(" ", text)))
    return tuple(dict.fromkeys(found))
