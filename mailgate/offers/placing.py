"""The one order to Asterisk that a committed attempt makes, and the end of one: called by the service alone.

An attempt is under way here from the moment at which its task is made until Asterisk has answered, so that nobody
settles meanwhile what has yet to be sent. Whatever comes of it goes back into the offer as an event.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from mailgate.calls.model import CallEvent, CallOrder, Ended, Outcome
from mailgate.calls.trunks import LinesBusy
from mailgate.errors import CallFailed, MailgateError, OutcomeUnknown
from mailgate.offers.events import AnswerLost, Event
from mailgate.offers.offer import IllegalTransition, Offer
from mailgate.offers.table import WITHDRAWN
from mailgate.offers.view import View

log = logging.getLogger(__name__)


class Calls(Protocol):
    """What the service needs of Asterisk; see mailgate.calls.asterisk."""

    async def originate(self, order: CallOrder) -> None:
        """Raises CallFailed (nothing rings, for certain) or OutcomeUnknown."""

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> bool:
        """End whatever legs the attempt has; False where it is not up. Raises OutcomeUnknown."""

    async def settle(self, attempt_ids: Mapping[str, float]) -> dict[str, CallEvent | None]:
        """What Asterisk knows of each attempt, with when it was begun (UNIX seconds); None: it was never placed.
        Raises OutcomeUnknown while it is away."""


class Placing:
    """`prepare` turns a committed attempt into the order, `find` gives an offer by its id, `apply` steps it."""

    def __init__(
        self,
        calls: Calls,
        prepare: Callable[[Offer], Awaitable[CallOrder]],
        *,
        find: Callable[[str], Offer | None],
        apply: Callable[[str, Event], Awaitable[View]],
    ) -> None:
        self._calls = calls
        self._prepare = prepare
        self._find = find
        self._apply = apply
        self.under_way: set[str] = set()

    def place(self, offer: Offer, attempt_id: str) -> Coroutine[Any, Any, None]:
        """The work of placing the offer's attempt, which counts as under way from now on."""
        self.under_way.add(attempt_id)
        return self._place(offer, attempt_id)

    async def _place(self, offer: Offer, attempt_id: str) -> None:
        event: Event | None = None
        try:
            try:
                order = await self._prepare(offer)
            except MailgateError as error:
                log.error("call could not be prepared: %s", error, extra={"attempt": attempt_id})
                event = Ended(attempt_id=attempt_id, outcome=Outcome.NOT_PLACED)
            else:
                await self._calls.originate(order)
        except CallFailed as error:
            log.warning("call was not placed: %s", error, extra={"attempt": attempt_id})
            outcome = Outcome.LINES_BUSY if isinstance(error, LinesBusy) else Outcome.NOT_PLACED
            event = Ended(attempt_id=attempt_id, outcome=outcome)
        except OutcomeUnknown as error:
            log.warning("answer to the call was lost: %s", error, extra={"attempt": attempt_id})
            event = AnswerLost(attempt_id=attempt_id)
        except Exception:
            log.exception("placing a call failed", extra={"attempt": attempt_id})
            event = AnswerLost(attempt_id=attempt_id)
        finally:
            self.under_way.discard(attempt_id)
        if event is not None:
            try:
                await self._apply(offer.offer_id, event)
            except IllegalTransition as error:
                log.debug("%s", error, extra={"attempt": attempt_id})
            return
        after = self._find(offer.offer_id)
        if after is not None and after.closing in WITHDRAWN:  # taken back while the order was under way
            await self.hang_up(attempt_id)

    async def hang_up(self, attempt_id: str, *, revoked: bool = True) -> None:
        try:
            await self._calls.hang_up(attempt_id, revoked=revoked)
        except MailgateError as error:
            log.warning("call could not be hung up: %s", error, extra={"attempt": attempt_id})
