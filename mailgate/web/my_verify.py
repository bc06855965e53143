"""On the offeror's own page: telephones and addresses of the account that do not ring yet, and their codes.

    POST /my/verify        the channel's mark → it is called, or mailed, and told a code
    POST /my/verify/code   mark and code → the channel rings from now on

Both lead back to the page, which says by its query what became of it. A mark names a channel and shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailgate.accounts.model import Account
from mailgate.offers.verifying import Verifying

_TOLD = ("sent", "often", "wrong", "done")

SignedIn = Callable[[Request], Awaitable[tuple[Account, Mapping[str, str]] | Response]]


def told(request: Request) -> str:
    """What the page is to say of the latest try: the end of a text's name, "" for nothing."""
    what = request.query_params.get("verify", "")
    return what if what in _TOLD else ""


class VerifyForms:
    """The routes; `signed_in` gives the account and the form, or the answer where there is no session."""

    def __init__(self, verifying: Verifying, signed_in: SignedIn, go_home: Callable[[str], Response]) -> None:
        self._verifying = verifying
        self._signed_in = signed_in
        self._go_home = go_home

    def routes(self) -> list[Route]:
        return [
            Route("/my/verify", self.ask, methods=["POST"]),
            Route("/my/verify/code", self.confirm, methods=["POST"]),
            Route("/my/verify", self.back, methods=["GET"]),
            Route("/my/verify/code", self.back, methods=["GET"]),
        ]

    async def back(self, request: Request) -> Response:
        return self._go_home("")

    async def ask(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        done = await self._verifying.ask(account, fields.get("channel", ""))
        return self._go_home("?verify=sent" if done else "?verify=often")

    async def confirm(self, request: Request) -> Response:
        signed_in = await self._signed_in(request)
        if isinstance(signed_in, Response):
            return signed_in
        account, fields = signed_in
        done = await self._verifying.confirm(account, fields.get("channel", ""), fields.get("code", "")[:20])
        return self._go_home("?verify=done" if done else "?verify=wrong")
