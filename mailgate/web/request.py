"""What a press brings: a small form, whose size is bounded before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from mailgate.errors import MailgateError

MOST_OCTETS = 16384
"""Of a POST's body: a thousand characters of text are 12,000 octets at the worst, percent-encoded."""
_MOST_FIELDS = 20


class TooLarge(MailgateError):
    """The body is longer than MOST_OCTETS."""


async def read_form(request: Request) -> Mapping[str, str]:
    """The form's fields (application/x-www-form-urlencoded); empty where the body is of another type or mangled.

    Raises TooLarge, having read no more than a little beyond the limit.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_OCTETS:
        raise TooLarge("body too large")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_OCTETS:
            raise TooLarge("body too large")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}
