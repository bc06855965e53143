"""What a press brings: a small form, whose size is bounded before anything is parsed; and whether our page sent it.

Standards: Fetch Metadata (Sec-Fetch-Site).
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from mailgate.errors import MailgateError

log = logging.getLogger(__name__)

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


def from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site sent it. Older ones say nothing, which is no proof of either."""
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def is_ours(request: Request, fields: Mapping[str, str], key: str, account_id: str) -> bool:
    """Whether the form comes from a page that a session of this account was shown: it holds the `key` of the session
    (mailgate.offers.own), which no other page has. Where it does not, the log says so."""
    if not from_elsewhere(request) and hmac.compare_digest(fields.get("key", "").encode(), key.encode()):
        return True
    log.warning("form without the session's key", extra={"account": account_id})
    return False
