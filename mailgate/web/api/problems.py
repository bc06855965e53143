"""What the API answers when something is wrong: one document for all of it, and the list of what can be. Pure.

Standard: RFC 9457 (problem details). `type` is relative to the API and leads to the page that explains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "/api/v1/docs#"


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="Where: a JSON pointer into the body (RFC 6901), or the name of a parameter.")
    reason: str = Field(description="A stable name.")
    detail: str


class ProblemBody(BaseModel):
    """What is wrong, as RFC 9457 has it."""

    type: str = Field(description="Names the kind of problem, and leads to its explanation.")
    title: str
    status: int
    detail: str = ""
    errors: list[Fault] = []


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of problem: its HTTP status, and what it means."""

    status: int
    title: str
    meaning: str


class Kind(Enum):
    """Every kind of problem; the name, with hyphens, is the end of `type`."""

    MALFORMED = Sort(400, "Malformed request", "The body is not JSON, or a cursor or header is not of our making.")
    UNAUTHORIZED = Sort(401, "No valid key", "Send `Authorization: Bearer mg_…` with a key that is not revoked.")
    NOT_FOUND = Sort(404, "Not found", "There is nothing at this address, or it is another account's.")
    METHOD = Sort(405, "Method not allowed", "The address is known; the method is not one of its own.")
    ENDED = Sort(409, "The offer has ended", "It was used, has expired or was withdrawn: nothing can be done with it.")
    TOO_LARGE = Sort(413, "Body too large", "A body is 16 KiB at the most.")
    MEDIA_TYPE = Sort(415, "Not JSON", "Bodies are `application/json`.")
    INVALID = Sort(422, "Invalid request", "`errors` says which fields, and why.")
    KEY_REUSED = Sort(422, "Idempotency-Key used before", "The same key came with another request within 30 days.")
    TOO_MANY = Sort(429, "Too many requests", "Wait for the seconds that `Retry-After` says.")
    FAILURE = Sort(500, "Something went wrong at our end", "Try again in a minute, with the same Idempotency-Key.")

    @property
    def slug(self) -> str:
        return self.name.lower().replace("_", "-")


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(self, kind: Kind, detail: str = "", errors: list[Fault] | None = None, **headers: str) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.errors = errors or []
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def answer(problem: Problem) -> JSONResponse:
    """The document."""
    sort = problem.kind.value
    body = ProblemBody(
        type=f"{TYPE_BASE}{problem.kind.slug}",
        title=sort.title,
        status=sort.status,
        detail=problem.detail or sort.meaning,
        errors=problem.errors,
    )
    shown = body.model_dump(exclude_defaults=True)
    return JSONResponse(shown, status_code=sort.status, media_type=MEDIA_TYPE, headers=problem.headers)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of these kinds, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    for kind in kinds:
        entry = found.setdefault(
            kind.value.status, {"description": kind.value.title, "content": {MEDIA_TYPE: {"schema": schema}}}
        )
        if kind is Kind.TOO_MANY:
            entry["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
        if kind is Kind.UNAUTHORIZED:
            entry["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found
