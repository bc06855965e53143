"""The application behind `/api/v1`.

    POST /offers                make an offer → 201; with an Idempotency-Key a repetition gets the same offer
    GET  /offers                the account's offers, the newest first, by pages
    GET  /offers/{id}           one offer, with what the offeree said
    POST /offers/{id}/revoke    take it back
    GET  /offers/{id}/calls     its calls
    GET  /account               the account of the key
    GET  /openapi.json, /docs   what this is, for programs and for people; no key needed

Standards: RFC 6750 (Bearer), RFC 9457 (problem details), draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.routing import Match

from mailgate import __version__
from mailgate.calls.model import Channel
from mailgate.errors import CallRefused
from mailgate.offers.api_keys import ApiKeys, Caller
from mailgate.offers.offer import IllegalTransition
from mailgate.offers.programs import FROM_NOW, KeyReused, Programs, Wish, WishRefused
from mailgate.offers.service import UnknownOffer
from mailgate.offers.table import State
from mailgate.web.api.door import Door
from mailgate.web.api.limits import Buckets
from mailgate.web.api.models import (
    OFFER_ID,
    AccountBody,
    Calls,
    OfferBody,
    OfferPage,
    OfferWish,
    account_body,
    call_body,
    offer_body,
)
from mailgate.web.api.problems import Fault, Kind, Problem, ProblemBody, answer, documented
from mailgate.web.settings import WebSettings

DESCRIPTION = """\
A program makes offers of telephone calls for an account, and sees what becomes of them. Every request but those for
this description carries `Authorization: Bearer mg_…`; the gateway's administrator hands keys out
(`mailgate keys api add`).
"""
_ALWAYS = (Kind.UNAUTHORIZED, Kind.MALFORMED, Kind.INVALID, Kind.TOO_MANY)
_WRITES = (Kind.TOO_LARGE, Kind.MEDIA_TYPE)

_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="A key of the account: `mg_…`.")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
OfferId = Annotated[str, Path(pattern=OFFER_ID, description="The offer's id.")]
Dial = Callable[[str, str], Channel]
Render = Callable[[dict[str, Any]], str]
"""`render(the OpenAPI document)` makes the page for people."""


def create_api(
    settings: WebSettings,
    programs: Programs,
    keys: ApiKeys,
    dial: Dial,
    *,
    render: Render,
    now: Callable[[], float],
) -> Door:
    """The application, to be mounted. `dial` judges numbers as it does those that offerees type."""
    api = FastAPI(
        title=f"Call offers of {settings.organisation}",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    buckets = Buckets(now, per_minute=settings.api_per_minute, burst=settings.api_burst)

    async def calling(given: Given) -> Caller:
        caller = await keys.caller(given.credentials) if given else None
        if caller is None:
            raise Problem(Kind.UNAUTHORIZED, WWW_Authenticate='Bearer realm="mailgate"')
        if wait_s := buckets.take(caller.key_id):
            raise Problem(Kind.TOO_MANY, Retry_After=str(wait_s))
        return caller

    _Routes(settings, programs, dial, calling).join(api)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(render(api.openapi()))

    _handle_errors(api)
    _describe(api)
    return Door(api)


class _Routes:
    """The operations."""

    def __init__(self, settings: WebSettings, programs: Programs, dial: Dial, calling: Callable[..., Any]) -> None:
        self._settings = settings
        self._programs = programs
        self._dial = dial
        self._calling = calling

    def join(self, api: FastAPI) -> None:
        """Add the operations, each with its own documentation."""
        who = Depends(self._calling)
        programs, public_url = self._programs, self._settings.public_url

        def body(caller: Caller, offer_id: str) -> OfferBody:
            return offer_body(programs.find(caller.account, offer_id), public_url)

        @api.post("/offers", status_code=201, responses=documented(*_ALWAYS, *_WRITES), tags=["offers"])
        async def make_offer(
            wish: OfferWish,
            request: Request,
            response: Response,
            caller: Caller = who,
            idempotency_key: Annotated[
                str | None,
                Header(pattern=r"^[!-~]{1,255}$", description="The same key and body make one offer, within 30 days."),
            ] = None,
        ) -> OfferBody:
            """Make an offer, and get the link, PIN and icon to hand to the offeree."""
            offer_id, again = await programs.make(
                caller.account, self._wish(wish), key=idempotency_key or "", request=await request.body()
            )
            response.headers["Location"] = f"{self._settings.base_path}/api/v1/offers/{offer_id}"
            if again:
                response.headers["Idempotency-Replayed"] = "true"
            return body(caller, offer_id)

        @api.get("/offers", responses=documented(*_ALWAYS), tags=["offers"])
        async def list_offers(
            caller: Caller = who,
            state: Annotated[State | None, Query(description="Only offers in this state.")] = None,
            cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
            limit: Annotated[int, Query(ge=1, le=100, description="Offers on a page.")] = 50,
        ) -> OfferPage:
            """Page through the account's offers, the newest first."""
            found = programs.page(caller.account, state=state, before=_place(cursor), most=limit + 1)
            last = found[limit - 1].offer if len(found) > limit else None
            return OfferPage(
                offers=[offer_body(own, public_url) for own in found[:limit]],
                next=_cursor(last.created_at, last.offer_id) if last else None,
            )

        @api.get("/offers/{offer_id}", responses=documented(*_ALWAYS, Kind.NOT_FOUND), tags=["offers"])
        async def get_offer(offer_id: OfferId, caller: Caller = who) -> OfferBody:
            """Look at one offer, and at what the offeree said."""
            return body(caller, offer_id)

        @api.post(
            "/offers/{offer_id}/revoke",
            responses=documented(*_ALWAYS, *_WRITES, Kind.NOT_FOUND, Kind.ENDED),
            tags=["offers"],
        )
        async def revoke_offer(offer_id: OfferId, caller: Caller = who) -> OfferBody:
            """Take the offer back. A call that is not yet connected is ended; one that is goes on, and ends it."""
            await programs.revoke(caller.account, offer_id)
            return body(caller, offer_id)

        @api.get("/offers/{offer_id}/calls", responses=documented(*_ALWAYS, Kind.NOT_FOUND), tags=["offers"])
        async def list_calls(offer_id: OfferId, caller: Caller = who) -> Calls:
            """See each call of an offer, and how it ended."""
            return Calls(calls=[call_body(each) for each in programs.calls(caller.account, offer_id)])

        @api.get("/account", responses=documented(*_ALWAYS), tags=["account"])
        async def get_account(caller: Caller = who) -> AccountBody:
            """See the account that the key acts for."""
            return account_body(caller.account)

    def _wish(self, wish: OfferWish) -> Wish:
        """Raises Problem where the number may not be called."""
        number: Channel | None = None
        if wish.offeree.number is not None:
            try:
                number = self._dial(f"tel:{wish.offeree.number}", self._settings.default_region)
            except CallRefused as error:
                fault = Fault(pointer="/offeree/number", reason=error.reason, detail="this number cannot be called")
                raise Problem(Kind.INVALID, errors=[fault]) from error
        return Wish(
            address=wish.offeree.address or "",
            number=number,
            destination=wish.destination,
            language=wish.language,
            valid_s=wish.valid_s,
            uses=wish.uses,
            forwarding=wish.forwarding,
        )


def _cursor(at: float, offer_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at, offer_id]).encode()).decode().rstrip("=")


def _place(cursor: str | None) -> tuple[float, str]:
    """Raises Problem where the cursor is not of our making."""
    if cursor is None:
        return FROM_NOW
    try:
        at, offer_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(at), str(offer_id)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise Problem(Kind.MALFORMED, "cursor: not the `next` of a page") from error


def _methods(api: FastAPI, request: Request) -> set[str]:
    """All that are known at this address (RFC 9110, 10.2.1): each of them is a route of its own."""
    found: set[str] = set()
    for route in api.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


def _handle_errors(api: FastAPI) -> None:
    """Each error that a request may meet, as a problem."""

    def told(error: Exception) -> Problem:
        match error:
            case Problem():
                return error
            case RequestValidationError():
                return _invalid(error)
            case WishRefused(field=field, reason=reason):
                return Problem(Kind.INVALID, errors=[Fault(pointer=field, reason=reason, detail=str(error))])
            case KeyReused():
                return Problem(Kind.KEY_REUSED)
            case IllegalTransition():
                return Problem(Kind.ENDED)
            case HTTPException(status_code=405):
                return Problem(Kind.METHOD)
            case HTTPException(status_code=400):
                return Problem(Kind.MALFORMED, "the body is not JSON")
            case UnknownOffer() | HTTPException():
                return Problem(Kind.NOT_FOUND)
            case _:
                return Problem(Kind.FAILURE)

    async def handle(request: Request, error: Exception) -> Response:
        problem = told(error)
        if problem.kind is Kind.METHOD:
            problem.headers["Allow"] = ", ".join(sorted(_methods(api, request)))
        return answer(problem)

    for kind in (
        Problem,
        RequestValidationError,
        WishRefused,
        KeyReused,
        IllegalTransition,
        UnknownOffer,
        HTTPException,
        Exception,
    ):
        api.add_exception_handler(kind, handle)


def _invalid(error: RequestValidationError) -> Problem:
    """What pydantic complains of, without what was sent."""
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return Problem(Kind.MALFORMED, "the body is not JSON")
    faults = [
        Fault(pointer=_pointer(each["loc"]), reason=each["type"], detail=each["msg"].removeprefix("Value error, "))
        for each in found
    ]
    return Problem(Kind.INVALID, errors=faults[:20])


def _pointer(place: tuple[int | str, ...]) -> str:
    kind, *rest = place
    if kind != "body":
        return str(rest[0]) if rest else str(kind)
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in rest)


def _describe(api: FastAPI) -> None:
    """The OpenAPI document, with the problem's schema, which no operation names as its own body."""
    made: Callable[[], dict[str, Any]] = api.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document["components"]["schemas"]
        if "ProblemBody" not in schemas:
            whole = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(whole.pop("$defs", {}))
            schemas["ProblemBody"] = whole
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return document

    api.openapi = openapi  # type: ignore[method-assign]
