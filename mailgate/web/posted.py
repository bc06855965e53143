"""A form of an offer's page that came in: read, its offer found, its nonce judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from mailgate.offers.view import View
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Form, Reader, answer_mark
from mailgate.web.request import TooLarge, read_form

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What the routes of an offer's page share: find the offer, know the reader, answer with the page."""

    look: Callable[[str], View | str]
    reader: Callable[[Request, View], Reader]
    page: Callable[[str, View, Reader, int, Form | None], Response]
    to_page: Callable[[str], Response]
    worthless: Callable[[str, Request], Response]
    too_large: Callable[[Request], Response]
    bar: Callable[[View, Reader], str]
    """Why the reader may not take the offer up (mailgate.offers.holders), "" where they may."""
    browser: Callable[[Request], str]
    """The text of the browser's cookie, a fresh one where there is none."""
    keep: Callable[[Response, str], Response]
    """The answer with that cookie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A form that came in, with the offer as it stands."""

    token: str
    view: View
    reader: Reader
    fields: Mapping[str, str]


async def receive(front: Front, request: Request) -> Posted | Response:
    """The form and its offer, or the answer where there is none."""
    token = request.path_params["token"]
    try:
        fields = await read_form(request)
    except TooLarge:
        return front.too_large(request)
    view = front.look(token)
    if isinstance(view, str):
        return front.worthless(view, request)
    return Posted(token=token, view=view, reader=front.reader(request, view), fields=fields)


def judge(nonces: Nonces, posted: Posted) -> Verdict:
    """What the page nonce is worth; `subject` is hidden: no person fills it in."""
    if posted.fields.get("subject"):
        return Verdict.FORGED
    verdict = nonces.check(posted.fields.get("nonce", ""), posted.token, answer_mark(posted.view))
    if verdict is not Verdict.GOOD:
        extra = {"offer": posted.view.offer_id, "verdict": verdict.value}
        log.info("answer without a good page nonce", extra=extra)
    return verdict


def pressed_before(nonces: Nonces, posted: Posted) -> bool:
    """Whether the page that this came from has sent its answer already."""
    if posted.view.replies == 0:
        return False
    earlier = answer_mark(replace(posted.view, replies=posted.view.replies - 1))
    return nonces.check(posted.fields.get("nonce", ""), posted.token, earlier) is Verdict.GOOD
