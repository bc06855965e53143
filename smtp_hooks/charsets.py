"""Charset names as mail writes them → Python codecs that may be trusted with a body.

Standards: RFC 2045 (5.2: us-ascii where nothing is said), RFC 2978.
Limits: what Python does not know is not known here; UTF-16, UTF-32 and UTF-7 are read, but never written to.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

# Text codecs only: Python also looks up rot13, zlib, idna, unicode_escape and their like by name.
_FAMILIES = re.compile(
    r"ascii|utf-8(?:-sig)?|utf-16(?:-[bl]e)?|utf-32(?:-[bl]e)?|utf-7|iso8859-\d+|cp\d{3,5}|koi8-[rut]|kz1048|ptcp154"
    r"|mac-[a-z]+|hp-roman8|tis-620|big5(?:hkscs)?|gb2312|gbk|gb18030|hz|euc_(?:jp|jis_2004|jisx0213|kr)|johab"
    r"|shift_jis(?:_2004|x0213)?|iso2022_(?:jp(?:_\w+)?|kr)"
)
_WIDE = re.compile(r"utf-(?:16|32|7)")
_BYTE_EACH = re.compile(r"ascii|iso8859-\d+|cp(?!9(?:32|36|49|50)|65001)\d+|koi8-\w|kz1048|ptcp154|mac-\w+|tis-620")


@lru_cache(maxsize=256)
def codec_for(charset: str) -> str | None:
    """The canonical Python codec of a charset parameter (empty: us-ascii), or None where it is not known."""
    name = charset.strip().lower() or "us-ascii"
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return codec if _FAMILIES.fullmatch(codec) else None


@lru_cache(maxsize=256)
def writable(codec: str) -> bool:
    """Whether text can be put into a body of that codec octet by octet (ASCII stays ASCII, no byte order mark)."""
    return not _WIDE.match(codec) and codec != "utf-8-sig"


@lru_cache(maxsize=256)
def byte_each(codec: str) -> bool:
    """Whether each character is one octet, so that character offsets are octet offsets."""
    return bool(_BYTE_EACH.fullmatch(codec))
