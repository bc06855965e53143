"""Accept an offer by one's own order of telephones: for who is signed in at /my and has the address that it went to.

    GET  /my/call/{token}    a button; without a session, the page to sign in; changes nothing
    POST /my/call/{token}    the button → the call begins, 303 to the offer's page, which shows it

The session shows whose press it is, so nothing is typed: no page and no message holds it, and a scanner has none.
Answers: 404 for a text that we never made and for an offer to somebody else, 410 for one that is over, 409 with a
reason where the call cannot be made now.
"""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailgate.accounts.model import Account
from mailgate.errors import CallRefused
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.own import Own
from mailgate.offers.own_order import OwnOrder
from mailgate.offers.service import UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.offers.view import View
from mailgate.web.language import asked
from mailgate.web.my import SESSION_COOKIE
from mailgate.web.pages import Pages, Reader
from mailgate.web.posted import Front
from mailgate.web.request import TooLarge, is_ours, read_form

log = logging.getLogger(__name__)

_WORDS = {
    "no-channel": "order.mine",
    "none-available": "order.mine",
    "suppressed": "order.mine",
    "destination-unavailable": "order.theirs",
    "unverified": "order.theirs",
    "do-not-disturb": "notice.do_not_disturb",
}
"""What is said of a refusal; of others that it could not be."""


class OrderPages:
    """The routes."""

    def __init__(self, own: Own, order: OwnOrder, pages: Pages, front: Front) -> None:
        self._own = own
        self._order = order
        self._pages = pages
        self._front = front

    def routes(self) -> list[Route]:
        return [
            Route("/my/call/{token}", self.show, methods=["GET"]),
            Route("/my/call/{token}", self.press, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        found = self._for(request)
        if isinstance(found, Response):
            return found
        _, view = found
        return self._page(request, view) if view.may_accept else self._front.to_page(request.path_params["token"])

    async def press(self, request: Request) -> Response:
        token = request.path_params["token"]
        try:
            fields = await read_form(request)
        except TooLarge:
            return self._front.too_large(request)
        found = self._for(request)
        if isinstance(found, Response):
            return found
        account, view = found
        key = self._own.form_key(request.cookies[SESSION_COOKIE])
        if not is_ours(request, fields, key, account.account_id):
            return self._page(request, view, "order.other", 403)
        try:
            await self._order.accept_listed(token)
        except CallRefused as error:
            log.info("press refused", extra={"offer": view.offer_id, "reason": error.reason})
            return self._page(request, view, _WORDS.get(error.reason, "order.other"), 409)
        except UnknownOffer:
            return self._front.worthless("gone", request)
        except IllegalTransition as error:
            log.info("press came too late: %s", error, extra={"offer": view.offer_id})
        return self._front.to_page(token)

    def _for(self, request: Request) -> tuple[Account, View] | Response:
        """Whose session it is and the offer to them, or the answer where there is none."""
        account = self._own.account(request.cookies.get(SESSION_COOKIE, ""))
        if account is None:
            return RedirectResponse(self._pages.home(), status_code=303)
        view = self._front.look(request.path_params["token"])
        if isinstance(view, str):
            return self._front.worthless(view, request)
        if not self._order.is_for(account, request.path_params["token"]):
            log.info("an own order for somebody else's offer", extra={"offer": view.offer_id})
            return self._front.worthless("not_found", request)
        if view.state in ENDED:
            return self._front.worthless("gone", request)
        return account, view

    def _page(self, request: Request, view: View, refused: str = "", status: int = 200) -> Response:
        reader: Reader = self._pages.reader(asked(request.headers), view.language)
        token, names = request.path_params["token"], {"destination": view.destination_name}
        page = self._pages.render(
            "my_order.html",
            reader,
            {
                **names,
                "key": self._own.form_key(request.cookies[SESSION_COOKIE]),
                "here": f"{self._pages.home()}/call/{token}",
                "offer": self._pages.path(token),
                "refused": reader.texts.say(refused, **names, offeror=view.offeror_name) if refused else "",
            },
        )
        return HTMLResponse(page, status_code=status, headers={"Vary": "Accept-Language, Cookie"})
