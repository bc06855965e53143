"""Show whose an offer is: a code mailed to its original recipient, typed in the browser that is to take it up.

    GET  /a/{token}/holder        asks for the reader's address; then for the code that was mailed there
    POST /a/{token}/holder        the address → a code is mailed, where it is the offeree's
    POST /a/{token}/holder/code   the code → 303 to the page, which lets this browser take the offer up

Needed where the forwarding policy says so (mailgate.offers.forwarding); who needs none is led to the page. As with the
other forms, nothing happens without the page's nonce and something that no page holds.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailgate.offers.holders import Holders
from mailgate.offers.service import UnknownOffer
from mailgate.offers.view import View
from mailgate.web.browser import Browsers
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Never, Pages, Reader
from mailgate.web.posted import Front, judge, receive


class HolderPages:
    """The routes, for each offer."""

    def __init__(self, holders: Holders, browsers: Browsers, pages: Pages, nonces: Nonces, front: Front) -> None:
        self._holders = holders
        self._browsers = browsers
        self._pages = pages
        self._nonces = nonces
        self._front = front

    def routes(self) -> list[Route]:
        return [
            Route("/a/{token}/holder", self.show, methods=["GET"]),
            Route("/a/{token}/holder", self.ask_code, methods=["POST"]),
            Route("/a/{token}/holder/code", self.confirm, methods=["POST"]),
            Route("/a/{token}/holder/code", self.back, methods=["GET"]),
        ]

    async def back(self, request: Request) -> Response:
        return self._to(request.path_params["token"])

    async def show(self, request: Request) -> Response:
        token = request.path_params["token"]
        view = self._front.look(token)
        if isinstance(view, str):
            return self._front.worthless(view, request)
        reader = self._front.reader(request, view)
        if self._holders.bar(view, reader.browser) not in ("stranger", "unproven"):
            return self._front.to_page(token)
        return self._page(token, view, reader, Never(room="holder", sent="sent" in request.query_params))

    async def ask_code(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        address = posted.fields.get("address", "").strip()[:320]
        shown = Never(room="holder", address=address)
        if judge(self._nonces, posted) is not Verdict.GOOD:
            return self._page(posted.token, posted.view, posted.reader, shown.saying("again"), 403)
        if "@" not in address[1:-1]:
            return self._page(posted.token, posted.view, posted.reader, shown.saying("address"), 422)
        try:
            await self._holders.ask_code(posted.token, address)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        return self._to(posted.token, "?sent=1")

    async def confirm(self, request: Request) -> Response:
        posted = await receive(self._front, request)
        if isinstance(posted, Response):
            return posted
        shown = Never(room="holder", sent=True)
        if judge(self._nonces, posted) is not Verdict.GOOD:
            return self._page(posted.token, posted.view, posted.reader, shown.saying("again"), 403)
        browser = self._browsers.of_or_new(request)
        try:
            done = await self._holders.confirm(posted.token, posted.fields.get("code", "")[:20], browser)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        if not done:
            return self._page(posted.token, posted.view, posted.reader, shown.saying("code"), 422)
        return self._browsers.keep(self._front.to_page(posted.token), browser)

    def _page(self, token: str, view: View, reader: Reader, shown: Never, status: int = 200) -> Response:
        page = self._pages.never(token, view, reader, shown)
        return HTMLResponse(page, status_code=status, headers={"Vary": "Accept-Language, Cookie"})

    def _to(self, token: str, query: str = "") -> Response:
        return RedirectResponse(f"{self._pages.path(token)}/holder{query}", status_code=303)
