"""What goes over the API, as pydantic models: the OpenAPI document is made of them.

Times are RFC 3339 in UTC. No answer holds a number: of a destination the kinds of its channels are told, of the
offeree's number the last two digits.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mailgate.accounts.model import Account
from mailgate.calls.model import Kind, Outcome
from mailgate.offers.answer import Reason
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.offer import Attempt
from mailgate.offers.programs import ProgramOffer
from mailgate.offers.table import State

OFFER_ID = r"^[0-9a-f]{32}$"
LONGEST_S = 366 * 86400


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _mail_address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError("not a mail address") from error


Address = Annotated[str, Field(max_length=320, json_schema_extra={"format": "email"}), AfterValidator(_mail_address)]


class OffereeWish(_Strict):
    """Whom the call is offered to: an address, a telephone number, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("address", "number")]
        }
    )
    address: Address | None = Field(default=None, examples=["ben@example.net"])
    number: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        examples=["+33 1 99 00 11 22"],
        description="Never shown again in full. A national number is one of the gateway's country.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> OffereeWish:
        if self.address is None and self.number is None:
            raise ValueError("address or number: somebody must be named")
        return self


class OfferWish(_Strict):
    """The offer that is to be made. What is left out is as account and gateway have it."""

    offeree: OffereeWish
    destination: str | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        description="The name of one of the account's destinations; otherwise its first.",
    )
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$", examples=["fr"])
    valid_s: int | None = Field(default=None, ge=60, le=LONGEST_S, description="Seconds from now.")
    uses: int | None = Field(default=None, ge=1, le=1000, description="Connected calls, not clicks.")
    forwarding: Forwarding | None = Field(default=None, description="Who may take it up when the link is passed on.")


class OffereeBody(BaseModel):
    """Whom the call was offered to."""

    address: str | None
    number_ends_with: str | None = Field(description="The last two digits, where a number was given.")


class AnswerBody(BaseModel):
    """What the offeree said instead of calling."""

    at: datetime
    event: Literal["declined", "replied"]
    reason: Reason | None
    text: str


class OfferBody(BaseModel):
    """An offer as it stands. `url`, `pin` and `icon_url` are what the offeree is given."""

    id: str = Field(pattern=OFFER_ID)
    state: State
    url: str | None = Field(description="The page; null where its key was taken out of the gateway's ring.")
    pin: str | None = Field(description="For who dials in; null where nobody can.")
    icon_url: str
    offeree: OffereeBody
    destination: str = Field(description="The name that the offeree is shown.")
    reachable: bool = Field(description="Whether a telephone of the destination is verified: else nothing rings.")
    language: str
    forwarding: Forwarding
    created_at: datetime
    expires_at: datetime
    uses_left: int
    attempts_left: int
    attempts: int
    answers: list[AnswerBody] = Field(description="Empty in a list of offers: look at the offer itself.")


class OfferPage(BaseModel):
    """Some offers, the newest first."""

    offers: list[OfferBody]
    next: str | None = Field(description="The cursor of the page after this; null at the end.")


class CallBody(BaseModel):
    """One try to connect both. `outcome` is null while it goes on."""

    id: str
    ordinal: int
    by: Kind = Field(description="How the offeree was, or came, on the line.")
    started_at: datetime
    answered_at: datetime | None
    bridged_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome | None
    bridged_s: float


class Calls(BaseModel):
    """An offer's calls, the earliest first."""

    calls: list[CallBody]


class DestinationBody(BaseModel):
    """A party that calls may lead to."""

    name: str
    display_name: str
    channels: list[Kind]
    verified: bool


class AccountBody(BaseModel):
    """The account that the key acts for."""

    id: str
    display_name: str
    addresses: list[str]
    destinations: list[DestinationBody]
    language: str
    mode: Literal["always", "on-request", "never"]
    hide: Literal["best-effort", "required"]
    forwarding: Forwarding | None = Field(description="Null: the gateway's.")
    do_not_disturb: bool


def offer_body(own: ProgramOffer, public_url: str) -> OfferBody:
    """The document of an offer; `public_url` has no slash at its end."""
    offer, terms = own.offer, own.offer.terms
    return OfferBody(
        id=offer.offer_id,
        state=own.view.state,
        url=f"{public_url}/a/{own.token}" if own.token else None,
        pin=own.view.pin or None,
        icon_url=f"{public_url}/icon.png",
        offeree=OffereeBody(address=terms.offeree_address or None, number_ends_with=own.number_end or None),
        destination=terms.destination_name,
        reachable=own.view.reachable,
        language=terms.language,
        forwarding=offer.forwarding,
        created_at=_moment(offer.created_at),
        expires_at=_moment(offer.expires_at),
        uses_left=offer.uses_left,
        attempts_left=offer.attempts_left,
        attempts=own.view.attempts,
        answers=[
            AnswerBody(at=_moment(a.at), event=_event(a.event), reason=a.reason, text=a.text) for a in own.answers
        ],
    )


def call_body(attempt: Attempt) -> CallBody:
    return CallBody(
        id=attempt.attempt_id,
        ordinal=attempt.ordinal,
        by=attempt.leg1.kind,
        started_at=_moment(attempt.started_at),
        answered_at=_maybe(attempt.answered_at),
        bridged_at=_maybe(attempt.bridged_at),
        ended_at=_maybe(attempt.ended_at),
        outcome=attempt.outcome,
        bridged_s=attempt.bridged_s,
    )


def account_body(account: Account) -> AccountBody:
    return AccountBody(
        id=account.account_id,
        display_name=account.display_name,
        addresses=list(account.addresses),
        destinations=[
            DestinationBody(
                name=d.name,
                display_name=d.display_name,
                channels=[c.kind for c in d.channels],
                verified=d.is_verified,
            )
            for d in account.destinations
        ],
        language=account.language,
        mode=account.mode.value,
        hide=account.hide.value,
        forwarding=account.forwarding,
        do_not_disturb=account.do_not_disturb,
    )


def _event(text: str) -> Any:
    return text  # the store knows these two only; pydantic holds it to them


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _maybe(at: float | None) -> datetime | None:
    return None if at is None else _moment(at)
