"""Talk from this page: the press that begins a call whose leg 1 is the page itself.

    POST /a/{token}/talk      nonce, proof → JSON: whom the page's SIP calls, by which socket, with which ICE servers

The page's script sends it once the microphone is on: `proof` is a digest that the script makes of the page's nonce
when a person has pressed, and no field of the served page holds it. What it answers with is worth one call, to this
offer's destination, within two minutes.

Answers: 409 where a call is under way (the page shows it), 403 for a press without nonce or proof, 422 where the call
is refused, 404 and 410 as the page itself; each as JSON with `say`, in the reader's language.
Standards: RFC 8825 (WebRTC); credentials for TURN that are good for a while, draft-uberti-behave-turn-rest-00.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mailgate.calls.model import Channel, Kind
from mailgate.errors import CallRefused
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.service import Offers, UnknownOffer
from mailgate.offers.table import ENDED
from mailgate.web.browser import Browsers
from mailgate.web.language import asked
from mailgate.web.nonce import Nonces, Verdict
from mailgate.web.pages import Pages
from mailgate.web.request import TooLarge, read_form
from mailgate.web.settings import TalkSettings
from tokens.errors import TokenError

log = logging.getLogger(__name__)

TURN_TTL_S = 4 * 3600


def proof_of(nonce: str) -> str:
    """What the page's script makes of the page's nonce."""
    return hashlib.sha256(f"talk {nonce}".encode()).hexdigest()


def ice_servers(settings: TalkSettings, now: float) -> list[dict[str, Any]]:
    """RTCIceServer dictionaries; with a shared secret TURN gets a name that tells until when it is good."""
    found: list[dict[str, Any]] = []
    for uri in settings.ice_servers:
        entry: dict[str, Any] = {"urls": uri}
        if uri.startswith("turn") and settings.turn_secret:
            name = str(int(now) + TURN_TTL_S)
            digest = hmac.digest(settings.turn_secret.encode(), name.encode(), hashlib.sha1)
            entry |= {"username": name, "credential": base64.b64encode(digest).decode()}
        found.append(entry)
    return found


class Talk:
    """The route; `new_nonce` gives 32 hexadecimal digits that nobody can guess, `now` UNIX seconds."""

    def __init__(
        self,
        settings: TalkSettings,
        offers: Offers,
        pages: Pages,
        nonces: Nonces,
        browsers: Browsers,
        *,
        new_nonce: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._offers = offers
        self._pages = pages
        self._nonces = nonces
        self._browsers = browsers
        self._new_nonce = new_nonce
        self._now = now

    async def press(self, request: Request) -> Response:
        token = request.path_params["token"]
        reader = self._pages.reader(asked(request.headers))

        def no(status: int, text: str, **values: str) -> Response:
            return JSONResponse({"say": reader.texts.say(text, **values)}, status_code=status)

        try:
            fields = await read_form(request)
            view = self._offers.look(token)
        except TooLarge:
            return no(413, "plain.too_large_text")
        except TokenError:
            return no(404, "plain.not_found_text")
        except UnknownOffer:
            return no(410, "plain.gone_text")
        if view.state in ENDED:
            return no(410, "plain.gone_text")
        if view.in_call:
            return no(409, "talk.under_way")
        verdict = self._nonces.check(fields.get("nonce", ""), token, view.attempts)
        if verdict is Verdict.STALE:
            return no(409, "notice.stale")
        proof = fields.get("proof", "").encode()
        if verdict is not Verdict.GOOD or not hmac.compare_digest(proof, proof_of(fields["nonce"]).encode()):
            log.info("talk without a good page nonce", extra={"offer": view.offer_id, "verdict": verdict.value})
            return no(403, "notice.unsure")
        nonce, browser = self._new_nonce(), self._browsers.of_or_new(request)
        try:
            await self._offers.accept(token, Channel(Kind.BROWSER, nonce), browser=browser)
        except CallRefused as error:
            log.info("talk refused", extra={"offer": view.offer_id, "reason": error.reason})
            if error.reason in ("stranger", "unproven", "unverified"):
                return no(409, f"barred.{error.reason}", destination=view.destination_name)
            return no(422, "refused.other")
        except (IllegalTransition, UnknownOffer):
            return no(409, "talk.under_way")
        answer = JSONResponse(
            {
                "call": f"call{nonce}",
                "socket": f"{self._pages.path(token)}/sip?call={nonce}",
                "ice": ice_servers(self._settings, self._now()),
            }
        )
        return self._browsers.keep(answer, browser)
