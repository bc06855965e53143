"""The answers that are not a call: decline, answer in words, and "never again".

    POST /a/{token}/decline      a reason chosen, or a text → 303 to the page
    POST /a/{token}/reply        a text → 303 to the page
    GET  /a/{token}/never        asks for the reader's address; then for the code that was mailed there
    POST /a/{token}/never        the address → a code is mailed, where it is the offeree's
    POST /a/{token}/never/code   the code → no offers to that address any more

Each takes the page's nonce, and something that no page holds: a reason that was chosen, words, an address, a code.
A form posted as it was served, or with its hidden field filled in, changes nothing. What comes too late leads to the
page, which shows the true state; the same text pressed twice is taken once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailgate.offers.answer import MOST_TEXT, Reason
from mailgate.offers.answers import Answers, NothingSaid
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.service import UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.offers.view import View
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Form, Never, Pages, Reader
from mailgate.web.posted import Front, Posted, judge, pressed_before, receive

log = logging.getLogger(__name__)


class AnswerPages:
    """The routes beside the call, for each offer."""

    def __init__(self, answers: Answers, pages: Pages, nonces: Nonces, front: Front) -> None:
        self._answers = answers
        self._pages = pages
        self._nonces = nonces
        self._front = front
        self._answering: set[str] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/a/{token}/decline", self.decline, methods=["POST"]),
            Route("/a/{token}/decline", self.back, methods=["GET"]),
            Route("/a/{token}/reply", self.reply, methods=["POST"]),
            Route("/a/{token}/reply", self.back, methods=["GET"]),
            Route("/a/{token}/never", self.never, methods=["GET"]),
            Route("/a/{token}/never", self.ask_code, methods=["POST"]),
            Route("/a/{token}/never/code", self.confirm, methods=["POST"]),
            Route("/a/{token}/never/code", self.back_to_never, methods=["GET"]),
        ]

    async def back(self, request: Request) -> Response:
        """Who reloads or bookmarks the address that a form was sent to gets the page."""
        return self._front.to_page(request.path_params["token"])

    async def back_to_never(self, request: Request) -> Response:
        return self._to_never(request.path_params["token"])

    # --- decline, reply -----------------------------------------------------------------------------------------

    async def decline(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        reason = next((r for r in Reason if r.value == posted.fields.get("reason")), None)
        text = posted.fields.get("text", "")[:MOST_TEXT]
        form = Form(region=posted.reader.region, answer="decline", reason=reason.value if reason else "", said=text)
        return await self._answer(
            posted, form, posted.view.may_decline, lambda: self._answers.decline(posted.token, reason, text)
        )

    async def reply(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        text = posted.fields.get("text", "")[:MOST_TEXT]
        form = Form(region=posted.reader.region, answer="reply", said=text)
        return await self._answer(posted, form, posted.view.may_reply, lambda: self._answers.reply(posted.token, text))

    async def _answer(self, posted: Posted, form: Form, may: bool, answer: Callable[[], Awaitable[View]]) -> Response:
        token, view, front = posted.token, posted.view, self._front
        if view.state in ENDED:
            return front.page(token, view, posted.reader, 410, None)
        if not may or view.offer_id in self._answering or pressed_before(self._nonces, posted):
            return front.to_page(token)
        verdict = judge(self._nonces, posted)
        if verdict is not Verdict.GOOD:
            stale = verdict is Verdict.STALE
            form = replace(form, answer_notice="stale" if stale else "unsure_answer")
            return front.page(token, view, posted.reader, 200 if stale else 403, form)
        # nothing is awaited between the check of the nonce and this mark: of many presses one goes on
        self._answering.add(view.offer_id)
        try:
            await answer()
        except NothingSaid:
            return front.page(token, view, posted.reader, 422, form.refusing(form.answer, "empty"))
        except UnknownOffer:
            return front.to_page(token)  # which says that it is gone
        except IllegalTransition as error:
            log.info("answer came too late: %s", error, extra={"offer": view.offer_id})
        finally:
            self._answering.discard(view.offer_id)
        return front.to_page(token)

    # --- never again --------------------------------------------------------------------------------------------

    async def never(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._front.look(token)
        if isinstance(view, str):
            return self._front.worthless(view, request)
        sent = "sent" in request.query_params
        return self._never(token, view, self._front.reader(request, view), Never(sent=sent))

    async def ask_code(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        address = posted.fields.get("address", "").strip()[:320]
        if judge(self._nonces, posted) is not Verdict.GOOD:
            return self._never(posted.token, posted.view, posted.reader, Never(address=address, wrong="again"), 403)
        if "@" not in address[1:-1]:
            return self._never(posted.token, posted.view, posted.reader, Never(address=address, wrong="address"), 422)
        try:
            await self._answers.ask_code(posted.token, address)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        return self._to_never(posted.token, "?sent=1")

    async def confirm(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        if judge(self._nonces, posted) is not Verdict.GOOD:
            again = Never(sent=True, wrong="again")
            return self._never(posted.token, posted.view, posted.reader, again, 403)
        try:
            done = await self._answers.confirm(posted.token, posted.fields.get("code", "")[:20])
        except UnknownOffer:
            return self._front.worthless("gone", request)
        if not done:
            return self._never(posted.token, posted.view, posted.reader, Never(sent=True, wrong="code"), 422)
        return self._to_never(posted.token)

    def _never(self, token: str, view: View, reader: Reader, shown: Never, status: int = 200) -> Response:
        if self._answers.suppressed(token):
            shown, status = Never(done=True), 200
        page = self._pages.never(token, view, reader, shown)
        return HTMLResponse(page, status_code=status, headers={"Vary": "Accept-Language, Cookie"})

    def _to_never(self, token: str, query: str = "") -> Response:
        return RedirectResponse(f"{self._pages.path(token)}/never{query}", status_code=303)
